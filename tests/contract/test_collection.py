import os
import time
from pathlib import Path

import pytest

from contract.collection import QUIET_S, collect, collectable, leftovers, sweep
from contract.errors import PromotionRefused, RegistryBusy, UnknownModel
from contract.history import read_history
from contract.promotion import promote, reject, start_canary
from contract.registry import changing, read_standing
from contract.verdict import read_verdict, report_folder
from tests.contract.repositories import add_version, judge


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Give a model with versions 1 retired, 2 rejected, 3 previous, 4 live, 5 canary and 6 candidate."""
    model = tmp_path / "pets"
    for version in (1, 3, 4):
        add_version(model, version)
    with changing(model) as changes:
        changes.adopt()
    for version in (2, 5, 6):
        add_version(model, version)
        judge(model, version, against=4)
    reject(model, 2, who="ann", why="too slow")
    start_canary(model, 5, who="ann")
    return model


def test_what_can_be_collected(model: Path) -> None:
    """Retired and rejected ones, oldest first; the newest of them can be kept."""
    states = {version: str(state) for version, state in sorted(read_standing(model).states.items())}
    assert list(states.values()) == ["retired", "rejected", "previous", "live", "canary", "candidate"]
    assert collectable(model) == [1, 2]
    assert [collectable(model, keep=keep) for keep in (1, 2, 9)] == [[1], [], []]


def test_files_go_and_the_story_stays(model: Path) -> None:
    """The version's folder is gone, with nothing hidden; its history and its report are there."""
    collect(model, 2, who="bob", why="room")
    assert not (model / "2").exists()
    assert not list(model.glob(".*"))
    assert 2 not in read_standing(model).states
    assert read_verdict(report_folder(model, 2)) is not None
    assert [str(event.action) for event in read_history(model) if event.version == 2] == ["reject", "collect"]


@pytest.mark.parametrize(
    ("version", "state"), [(3, "previous"), (4, "live"), (5, "canary"), (6, "candidate")]
)
def test_what_is_of_use_is_not_collected(model: Path, version: int, state: str) -> None:
    """What answers, may answer or may be gone back to stays."""
    with pytest.raises(PromotionRefused, match=f"version {version} is {state}"):
        collect(model, version, who="bob")
    assert (model / str(version) / "model.onnx").exists()


def test_what_is_not_there(model: Path) -> None:
    """An unknown version, and one collected before, are named with those that there are."""
    collect(model, 2, who="bob")
    for version in (2, 9):
        with pytest.raises(UnknownModel, match="there are: 1, 3, 4, 5, 6"):
            collect(model, version, who="bob")


def test_somebody_else_is_at_it(model: Path) -> None:
    """While another changes the versions none is removed."""
    with changing(model), pytest.raises(RegistryBusy):
        collect(model, 2, who="bob")
    assert (model / "2").exists()


def test_files_that_went_before_their_event(model: Path) -> None:
    """A collector killed in between leaves a version without files; the next one writes that it is gone."""
    (model / "2").rename(model / ".collecting-left")
    assert collectable(model) == [1, 2]
    collect(model, 2, who="bob")
    assert 2 not in read_standing(model).states
    assert leftovers(model) == [model / ".collecting-left"]


def test_what_killed_programs_left(model: Path) -> None:
    """Workshops where nothing was written for an hour are left over; others, and strange folders, are not."""
    old = time.time() - QUIET_S - 60
    for name in (".publishing-old", ".publishing-slow", ".publishing-new", ".mine"):
        (model / name).mkdir()
        (model / name / "model.onnx").write_bytes(b"half")
    for path in (
        ".publishing-old/model.onnx",
        ".publishing-old",
        ".publishing-slow",
        ".mine/model.onnx",
        ".mine",
    ):
        os.utime(model / path, (old, old))
    assert leftovers(model) == [model / ".publishing-old"]
    sweep(model / ".publishing-old")
    assert leftovers(model) == []


def test_a_model_without_a_history(tmp_path: Path) -> None:
    """Old versions of a repository from before are retired, and what is collected leaves a trace."""
    for version in (1, 2, 3):
        add_version(tmp_path, version)
    collect(tmp_path, 1, who="bob")
    assert [event.version for event in read_history(tmp_path)] == [1, 2, 3, 1]
    assert read_standing(tmp_path).live == 3
    promote(tmp_path, 2, who="ann", why="back", force=True)
