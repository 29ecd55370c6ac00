"""`box2seg models gc`, as typed."""

from pathlib import Path

import pytest

from contract.history import history_path, read_history
from contract.verdict import report_folder
from tests.cli.pets import done, make_pets, models, states


@pytest.fixture
def spent(tmp_path: Path) -> Path:
    """Give a repository with pets after both candidates were rejected."""
    repository = make_pets(tmp_path)
    for version in (2, 3):
        done(repository, "reject", version, "--why", "no better")
    return repository


def test_gc_removes_what_nobody_needs(spent: Path) -> None:
    """Rejected versions go, their folders are printed, their reports and the history stay."""
    assert done(spent, "gc", "--keep", 0, "--yes").splitlines() == [
        str(spent / "pets" / version) for version in ("2", "3")
    ]
    assert states(spent) == {1: "live"}
    assert (report_folder(spent / "pets", 3) / "gate.json").exists()
    assert [str(event.action) for event in read_history(spent / "pets")][-2:] == ["collect", "collect"]


def test_gc_keeps_the_newest(spent: Path) -> None:
    """So many as asked for stay, and three unless asked."""
    assert "nothing to remove, 3 are kept" in models(spent, "gc").stderr
    done(spent, "gc", "--keep", 1, "--yes")
    assert states(spent) == {1: "live", 3: "rejected"}


@pytest.mark.parametrize(("words", "typed", "code"), [(["--dry-run"], "", 0), ([], "n\n", 1), ([], "", 1)])
def test_gc_asks_first(spent: Path, words: list[str], typed: str, code: int) -> None:
    """It names what would go; without a yes, or for trial, nothing goes."""
    before = history_path(spent / "pets").read_bytes()
    said = models(spent, "gc", "--keep", 0, *words, typed=typed)
    assert said.exit_code == code
    assert str(spent) not in said.stdout
    assert str(spent / "pets" / "2") in said.stderr
    assert states(spent)[2] == "rejected"
    assert history_path(spent / "pets").read_bytes() == before


def test_gc_after_a_yes(spent: Path) -> None:
    """Typed, it is done."""
    assert models(spent, "gc", "--keep", 0, typed="y\n").exit_code == 0
    assert states(spent) == {1: "live"}


def test_gc_sweeps(tmp_path: Path) -> None:
    """What a killed collector left goes too."""
    repository = make_pets(tmp_path)
    left = repository / "pets" / ".collecting-1"
    left.mkdir()
    assert done(repository, "gc", "--yes") == f"{left}\n"
    assert not left.exists()
