import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from contract.errors import RegistryBusy, RegistryError
from contract.history import Action, Event, append_events, history_path, read_history, registry_folder
from contract.manifest import MODEL_FILE
from contract.registry import Standing, State, changing, fold, read_standing
from tests.contract.repositories import add_version

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Give a model's folder, empty, in a repository."""
    model = tmp_path / "pets"
    model.mkdir()
    return model


def story(*deeds: tuple[Action, int]) -> list[Event]:
    """Give the events of a story; a canary gets a tenth, and a quarter to compare."""
    return [
        Event("", action, version, "ann", "", share=0.1, shadow=0.25)
        if action is Action.CANARY
        else Event("", action, version, "ann", "")
        for action, version in deeds
    ]


PUBLISH, CANARY, PROMOTE = Action.PUBLISH, Action.CANARY, Action.PROMOTE
WITHDRAW, REJECT, ROLLBACK, COLLECT = Action.WITHDRAW, Action.REJECT, Action.ROLLBACK, Action.COLLECT

TWO = ((PUBLISH, 1), (PUBLISH, 2))
LIVE_2 = (*TWO, (PROMOTE, 2))
LIVE_3 = (*LIVE_2, (PUBLISH, 3), (PROMOTE, 3))


@pytest.mark.parametrize(
    ("deeds", "states"),
    [
        pytest.param((), {}, id="nothing was done"),
        pytest.param(((PUBLISH, 1),), {1: "live"}, id="the first answers at once"),
        pytest.param(TWO, {1: "live", 2: "candidate"}, id="the second waits"),
        pytest.param(LIVE_2, {1: "previous", 2: "live"}, id="promoted"),
        pytest.param(LIVE_3, {1: "retired", 2: "previous", 3: "live"}, id="promoted again"),
        pytest.param((*LIVE_2, (PROMOTE, 2)), {1: "previous", 2: "live"}, id="promoted twice"),
        pytest.param(
            (*LIVE_3, (PROMOTE, 2)), {1: "retired", 2: "live", 3: "previous"}, id="the previous one"
        ),
        pytest.param((*LIVE_3, (PROMOTE, 1)), {1: "live", 2: "retired", 3: "previous"}, id="a retired one"),
        pytest.param((*TWO, (CANARY, 2)), {1: "live", 2: "canary"}, id="a canary"),
        pytest.param((*TWO, (CANARY, 2), (WITHDRAW, 2)), {1: "live", 2: "candidate"}, id="withdrawn"),
        pytest.param((*TWO, (CANARY, 2), (REJECT, 2)), {1: "live", 2: "rejected"}, id="a canary that failed"),
        pytest.param((*TWO, (CANARY, 2), (PROMOTE, 2)), {1: "previous", 2: "live"}, id="a canary that did"),
        pytest.param(
            (*TWO, (PUBLISH, 3), (CANARY, 2), (CANARY, 3)),
            {1: "live", 2: "candidate", 3: "canary"},
            id="one canary at a time",
        ),
        pytest.param((*LIVE_2, (ROLLBACK, 1)), {1: "live", 2: "rejected"}, id="rolled back"),
        pytest.param(
            (*LIVE_3, (ROLLBACK, 2)), {1: "retired", 2: "live", 3: "rejected"}, id="rolled back one step"
        ),
        pytest.param(
            (*LIVE_2, (PUBLISH, 3), (CANARY, 3), (ROLLBACK, 1)),
            {1: "live", 2: "rejected", 3: "canary"},
            id="rolled back beside a canary",
        ),
        pytest.param((*TWO, (REJECT, 2), (PROMOTE, 2)), {1: "previous", 2: "live"}, id="forced in the end"),
        pytest.param((*TWO, (REJECT, 2), (COLLECT, 2)), {1: "live"}, id="collected"),
        pytest.param((*TWO, (COLLECT, 9)), {1: "live", 2: "candidate"}, id="collected, unknown"),
    ],
)
def test_a_story_and_where_it_ends(deeds: tuple[tuple[Action, int], ...], states: dict[int, str]) -> None:
    """Where versions stand follows from what was done; one at most is live, previous and canary."""
    standing = fold(story(*deeds))
    assert {version: str(state) for version, state in standing.states.items()} == states
    alone = [state for state in standing.states.values() if state in ("live", "previous", "canary")]
    assert len(alone) == len(set(alone))
    running = standing.canary is not None
    assert (standing.share, standing.shadow) == ((0.1, 0.25) if running else (0.0, 0.0))


def test_without_a_history_the_newest_answers(model: Path) -> None:
    """A repository from before keeps answering as it did, by number; nothing is written by looking."""
    for version in (2, 9, 10):
        add_version(model, version)
    standing = read_standing(model)
    assert (standing.live, standing.previous, standing.states[2]) == (10, 9, State.RETIRED)
    assert not registry_folder(model).exists()


def test_no_model(model: Path) -> None:
    """Where there is nothing, nothing answers."""
    assert read_standing(model / "cars") == Standing()


def test_the_first_event_writes_what_was_found(model: Path) -> None:
    """The history begins with the versions that were there, so that its fold alone is the truth."""
    add_version(model, 1)
    add_version(model, 2)
    before = read_standing(model)
    with changing(model) as changes:
        changes.adopt()
        changes.adopt()
    assert fold(read_history(model)) == before
    assert len(read_history(model)) == 2
    with changing(model) as changes:
        changes.record(Action.REJECT, 1, who="ann", why="old")
    assert read_standing(model).states == {1: State.REJECTED, 2: State.LIVE}


@pytest.mark.case("E3")
def test_a_version_that_the_history_does_not_know(
    model: Path, record_property: Callable[[str, object], None]
) -> None:
    """What somebody copied beside a history waits as a candidate, whatever its number."""
    add_version(model, 1)
    with changing(model) as changes:
        changes.adopt()
    add_version(model, 7)
    standing = read_standing(model)
    assert (standing.live, standing.states[7]) == (1, State.CANDIDATE)
    (model / "8").mkdir()
    (model / "8" / MODEL_FILE).write_bytes(b"half copied")
    assert read_standing(model) == standing
    record_property("seen", "copied by hand: a candidate; without its manifest: nothing")


def test_a_broken_history_is_not_guessed_at(model: Path) -> None:
    """No version is taken for live where the history cannot be read."""
    add_version(model, 1)
    history_path(model).parent.mkdir(parents=True)
    history_path(model).write_text("no event\n")
    with pytest.raises(RegistryError, match="line 1"):
        read_standing(model)
    with changing(model) as changes, pytest.raises(RegistryError, match="line 1"):
        changes.record(Action.PROMOTE, 1, who="ann", why="")


def hold(model: Path) -> subprocess.Popen[str]:
    """Start a process that has the registry to itself until its standard input closes."""
    code = (
        "import sys; from pathlib import Path; from contract.registry import changing\n"
        "with changing(Path(sys.argv[1])): print('inside', flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code, model],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "inside\n"
    return process


def test_one_process_at_a_time(model: Path) -> None:
    """While a process has it another is refused at once; when it ends, the other may."""
    process = hold(model)
    with pytest.raises(RegistryBusy, match="somebody else"), changing(model):
        raise AssertionError("two at once")
    process.communicate("")
    with changing(model) as changes:
        changes.record(Action.PUBLISH, 1, who="ann", why="")
    assert read_standing(model).live == 1


def test_the_killed_hold_nothing(model: Path) -> None:
    """After kill -9 nobody has to remove a lock by hand; who waits gets in."""
    process = hold(model)
    os.kill(process.pid, signal.SIGKILL)
    with changing(model, wait_s=60):
        pass
    process.communicate()


def test_readers_need_no_lock(model: Path) -> None:
    """Where versions stand can be read while somebody changes it."""
    add_version(model, 1)
    append_events(model, story((PUBLISH, 1)))
    with changing(model):
        assert read_standing(model).live == 1
