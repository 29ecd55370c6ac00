import json
from pathlib import Path

import pytest

from contract.errors import RegistryError
from contract.verdict import VERDICT_FILE, Verdict, read_verdict, report_folder, write_verdict
from tests.contract.repositories import BAD, GOOD, add_version, judge


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Give a model with a version that the gate looked at."""
    model = tmp_path / "pets"
    add_version(model, 2)
    judge(model, 2, against=1, checks=(GOOD, BAD))
    return model


def test_a_verdict_is_read_as_it_was_written(model: Path) -> None:
    """Every field survives the file; the file lies beside the report, with nothing partial."""
    folder = report_folder(model, 2)
    written = judge(model, 2, against=None, checks=(GOOD,))
    assert read_verdict(folder) == written
    assert [path.name for path in folder.iterdir()] == [VERDICT_FILE]


def test_each_check_must_pass(model: Path) -> None:
    """One that failed refuses the version, and is the reason given."""
    verdict = read_verdict(report_folder(model, 2))
    assert verdict is not None
    assert not verdict.passed
    assert verdict.reasons() == ["class cow: 0.51 against 0.76, wanted no less than 0.73"]
    assert Verdict(2, 1, {}, (GOOD, GOOD), "", "", "").passed


def test_no_verdict(model: Path) -> None:
    """Where the gate has not looked there is none."""
    assert read_verdict(report_folder(model, 3)) is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: {**content, "checks": [{"name": "mIoU"}]},
        lambda content: {**content, "checks": 3},
        lambda content: {**content, "mood": "good"},
        lambda content: {name: value for name, value in content.items() if name != "against"},
        lambda content: [content],
    ],
    ids=["half a check", "no checks", "a strange field", "a missing field", "no object"],
)
def test_a_broken_verdict_is_named(model: Path, spoil: object) -> None:
    """A file that is no verdict is refused by its path, and the hint says what makes a new one."""
    path = report_folder(model, 2) / VERDICT_FILE
    path.write_text(json.dumps(spoil(json.loads(path.read_text()))))  # type: ignore[operator]
    with pytest.raises(RegistryError, match=r"gate\.json: not a readable verdict") as refused:
        read_verdict(path.parent)
    assert refused.value.hint == "run the gate again"


def test_half_a_file(model: Path) -> None:
    """So is one that was cut."""
    path = report_folder(model, 2) / VERDICT_FILE
    path.write_text(path.read_text()[:100])
    with pytest.raises(RegistryError, match="not a readable verdict"):
        read_verdict(path.parent)


def test_it_is_written_whole_or_not_at_all(model: Path) -> None:
    """Where it cannot be written the one before stays."""
    path = report_folder(model, 2) / VERDICT_FILE
    before = path.read_bytes()
    (path.parent / f".{VERDICT_FILE}.partial").mkdir()  # in the way of the new one
    with pytest.raises(Exception, match=VERDICT_FILE):
        write_verdict(Verdict(2, 1, {}, (), "", "", ""), path.parent)
    assert path.read_bytes() == before
