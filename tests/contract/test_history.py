import json
import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.errors import RegistryError, WriteError
from contract.history import (
    Action,
    Event,
    append_events,
    history_mark,
    history_path,
    read_history,
)

CHECKOUT = Path(__file__).parents[2]
TIME = "2026-11-21T12:00:00+00:00"


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """Give a model's folder, empty, in a repository."""
    model = tmp_path / "pets"
    model.mkdir()
    return model


def event(version: int, action: Action = Action.PUBLISH, **fields: object) -> Event:
    """Give an event with plausible values."""
    return Event(TIME, action, version, "ann@laptop", "more photos", **fields)  # type: ignore[arg-type]


def test_events_are_read_as_they_were_written(model: Path) -> None:
    """Every field survives the file, in the order of writing."""
    told = [event(1), event(2), event(2, Action.CANARY, forced=True, share=0.1, shadow=0.25)]
    append_events(model, told[:1])
    append_events(model, told[1:])
    assert read_history(model) == told


def test_a_line_is_an_object_for_any_program(model: Path) -> None:
    """The file is JSON lines, one event each, and words of any script stay one line."""
    append_events(model, [Event(TIME, Action.REJECT, 3, "änne", "línea\none\u2028two")])
    (line,) = history_path(model).read_text().splitlines()
    assert json.loads(line)["action"] == "reject"
    assert read_history(model)[0].why == "línea\none\u2028two"


def test_no_history(model: Path) -> None:
    """Where there is none, nothing was done, and there is no mark."""
    assert read_history(model) == []
    assert history_mark(model) is None


@pytest.mark.parametrize("left", ['{"time": "2026', "{", json.dumps({"time": TIME})], ids=len)
def test_what_a_killed_writer_left_never_counted(model: Path, left: str) -> None:
    """A last line without its end is passed over, and the next event takes its place."""
    append_events(model, [event(1)])
    with history_path(model).open("a") as stream:
        stream.write(left)
    assert read_history(model) == [event(1)]
    append_events(model, [event(2)])
    assert read_history(model) == [event(1), event(2)]
    assert len(history_path(model).read_text().splitlines()) == 2


@pytest.mark.parametrize(
    "line",
    [
        *("", "no JSON", "[]", "null", "3", '{"version": 3}', '{"action": "praise", "version": 1}'),
        json.dumps({"time": TIME, "action": "publish", "version": "two", "who": "ann", "why": ""}),
        json.dumps(
            {"time": TIME, "action": "publish", "version": 2, "who": "ann", "why": "", "mood": "good"}
        ),
        json.dumps({"time": TIME, "action": "publish", "version": 2, "who": "ann"}),
        json.dumps({"time": TIME, "action": "canary", "version": 2, "who": "", "why": "", "share": "much"}),
    ],
)
def test_a_broken_line_is_named(model: Path, line: str) -> None:
    """A line that is no event is refused with its file and number, wherever it stands."""
    append_events(model, [event(1), event(2)])
    whole = history_path(model).read_text().splitlines()
    history_path(model).write_text("\n".join([whole[0], line, whole[1], ""]))
    with pytest.raises(RegistryError, match=r"history\.jsonl: line 2 is no event"):
        read_history(model)


def test_bytes_that_are_no_text(model: Path) -> None:
    """A file of something else is refused by its name."""
    append_events(model, [event(1)])
    history_path(model).write_bytes(b"\xff\xfe\n")
    with pytest.raises(RegistryError, match=r"history\.jsonl: not a readable history"):
        read_history(model)


def test_the_mark_changes_with_every_event(model: Path) -> None:
    """Who looks at the mark alone sees each event, and nothing where there was none."""
    marks = []
    for version in range(1, 6):
        append_events(model, [event(version)])
        marks.append(history_mark(model))
        assert history_mark(model) == marks[-1]
    assert len(set(marks)) == 5


def test_a_folder_that_cannot_be_written(model: Path) -> None:
    """The file is named, and what stands there stays."""
    (model.parent / "registry").write_text("a file where the folder should be")
    with pytest.raises(WriteError, match=r"history\.jsonl: cannot be written"):
        append_events(model, [event(1)])


def test_readers_beside_a_writer(model: Path) -> None:
    """Whoever reads while events are added sees the first so many of them, whole."""
    told = [event(version) for version in range(1, 201)]

    def look(_: int) -> list[list[Event]]:
        return [read_history(model) for _ in range(100)]

    with ThreadPoolExecutor(3) as pool:
        looks = pool.map(look, range(2))
        for each in told:
            append_events(model, [each])
        seen = [found for found_by_one in looks for found in found_by_one]
    assert all(found == told[: len(found)] for found in seen)
    assert read_history(model) == told


def test_a_writer_killed_at_any_moment(model: Path) -> None:
    """After kill -9 the history holds what the writer had said was written, and can be gone on with."""
    endless = (
        "import sys; from pathlib import Path\n"
        "from contract.history import Action, Event, append_events\n"
        "for version in range(1, 1_000_000):\n"
        "    append_events(Path(sys.argv[1]), [Event('', Action.PUBLISH, version, 'ann', 'x' * 5000)])\n"
        "    print(version, flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", endless, model], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(20):
            said = int(process.stdout.readline())
        os.kill(process.pid, signal.SIGKILL)
    found = [each.version for each in read_history(model)]
    assert found == list(range(1, len(found) + 1))
    assert len(found) >= said
    append_events(model, [event(7)])
    assert read_history(model)[-1] == event(7)


def test_a_history_at_its_former_place_is_not_passed_over(model: Path) -> None:
    """Without it the newest version would answer; the words say what to type."""
    append_events(model, [event(1)])
    former = model / "registry"
    history_path(model).parent.rename(former)
    with pytest.raises(RegistryError, match="lie beside the models' folders now") as refused:
        read_history(model)
    assert refused.value.hint is not None
    subprocess.run(refused.value.hint.removeprefix("move it: "), shell=True, check=True)
    assert read_history(model) == [event(1)]
