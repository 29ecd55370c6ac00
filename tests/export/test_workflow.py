"""Retraining: stages that are done once, and what they refuse."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from contract.errors import CheckpointError, ConfigurationError, DataError
from contract.history import Action, read_history
from contract.manifest import published_versions
from contract.registry import State
from contract.verdict import REPORT_FILE, read_verdict, report_folder
from export.gate.limits import Limits
from export.workflow.order import Order, Stage
from tests.export.small import LEARNING, LIMITS, draw_data, order, run
from training.checkpoint import load_checkpoint

CHECKOUT = Path(__file__).parents[2]
PATIENCE_S = 400.0

CHANGES = (*LEARNING, "epochs=4")
CHILD = """
import sys
from pathlib import Path
from tests.export.small import order, run
from tests.export.test_workflow import CHANGES
run(order(Path(sys.argv[1]), Path(sys.argv[2]), changes=CHANGES))
"""
"""What is killed: the same order as the one that the test itself ends."""


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_data(tmp_path_factory.mktemp("data") / "pets")


@pytest.fixture(scope="module")
def first(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Order:
    """A retraining that went through: its version is live. Not to be changed."""
    asked = order(data, tmp_path_factory.mktemp("first") / "run")
    outcome = run(asked)
    assert (outcome.version, outcome.state) == (1, State.LIVE), "where nothing is live, what is published is"
    return asked


def test_each_stage_leaves_what_it_made(first: Order) -> None:
    """Data sheet, curves, checkpoint, export, report, and a log of each stage lie in the run's folder."""
    wanted = ("data/sheet.jpg", "data/survey.json", "train/curves.png", "train/checkpoint.pt")
    wanted += ("export/model.onnx", "export/manifest.json", "gate/report.html", "gate/gate.json")
    wanted += tuple(f"logs/{stage}.log" for stage in Stage if stage is not Stage.PROMOTE)
    assert [name for name in wanted if not (first.out / name).is_file()] == []
    assert "onnxruntime label agreement" in (first.out / "logs" / "export.log").read_text()
    assert "12 photos to learn from, 6 golden ones" in (first.out / "logs" / "check.log").read_text()


def test_a_finished_retraining_is_not_done_again(first: Order) -> None:
    """The same command finds all done: no epoch is trained, no version published, nothing written down."""
    weights = first.out / "train" / "checkpoint.pt"
    before = weights.stat().st_mtime_ns, read_history(first.model)
    outcome = run(first)
    assert (outcome.version, outcome.state) == (1, State.LIVE)
    assert (weights.stat().st_mtime_ns, read_history(first.model)) == before


def test_until_stops_there_and_goes_on_later(first: Order, data: Path, tmp_path: Path) -> None:
    """Each --until ends at its stage; the next goes on from it, on the live version's weights."""
    asked = order(
        data,
        tmp_path / "run",
        model=first.model,
        start="live",
        recipe="",
        changes=("epochs=1",),
        limits=Limits(),
    )
    assert run(replace(asked, until=Stage.CHECK)).stage is Stage.CHECK
    assert not (asked.out / "train").exists()
    assert run(replace(asked, until=Stage.EXPORT)).stage is Stage.EXPORT
    trained = load_checkpoint(asked.out / "train")
    assert trained.recipe["start"].endswith("/checkpoints/1")
    assert "retrain" in trained.origin.recipe
    weights = (asked.out / "train" / "checkpoint.pt").stat().st_mtime_ns
    before = published_versions(first.model)
    outcome = run(replace(asked, promote=True))
    assert (asked.out / "train" / "checkpoint.pt").stat().st_mtime_ns == weights
    assert outcome.verdict is not None
    assert "golden photos: 6, wanted at least 20" in outcome.verdict.reasons()
    assert published_versions(first.model) == [*before, outcome.version]
    assert outcome.state is State.CANDIDATE, "a refused one is published, and answers nobody"
    assert outcome.version is not None
    kept = read_verdict(report_folder(first.model, outcome.version))
    assert kept is not None
    assert (kept.version, kept.against, kept.passed) == (outcome.version, 1, False)
    assert (
        f"Version {outcome.version} beside version 1"
        in (report_folder(first.model, outcome.version) / REPORT_FILE).read_text()
    )


def test_what_is_refused_is_not_published_where_nothing_is_live(data: Path, tmp_path: Path) -> None:
    """There it would answer at once; an export that lost its parity stops before the repository."""
    asked = order(data, tmp_path / "run", limits=replace(LIMITS, least_photos=7))
    outcome = run(asked)
    assert outcome.verdict is not None
    assert not outcome.verdict.passed
    assert outcome.version is None
    assert published_versions(asked.model) == []


def test_golden_photos_are_not_learned_from(data: Path, tmp_path: Path) -> None:
    """A photo in both sets is found by its bytes, before anything is trained."""
    with pytest.raises(DataError, match="12 golden photos are among those to learn from"):
        run(order(data, tmp_path / "run", golden_split="train"))
    assert "failed" in (tmp_path / "run" / "logs" / "check.log").read_text()


def test_other_data_is_another_run(tmp_path: Path) -> None:
    """Weights of other photos are not gone on with under the same name."""
    data = draw_data(tmp_path / "data")
    asked = order(data, tmp_path / "run", until=Stage.TRAIN)
    run(asked)
    (data / "notes.txt").write_text("one file more")
    with pytest.raises(ConfigurationError, match="was trained with another data"):
        run(asked)


def test_a_live_version_without_its_checkpoint_says_what_to_do(data: Path, tmp_path: Path) -> None:
    """As the shipped model's; and where nothing is live there is nothing to go on from."""
    shipped = CHECKOUT / "model_repository" / "box2seg"
    with pytest.raises(CheckpointError, match="published without its checkpoint") as refused:
        run(order(data, tmp_path / "run", start="live", recipe="", model=shipped))
    assert "--from" in str(refused.value.hint)
    with pytest.raises(CheckpointError, match="no live version to go on from"):
        run(order(data, tmp_path / "run", start="live", recipe=""))


def test_wishes_that_exclude_each_other_are_refused(data: Path, tmp_path: Path) -> None:
    """Before anything is read."""
    with pytest.raises(ConfigurationError, match="one or the other"):
        order(data, tmp_path, promote=True, canary=0.1)
    with pytest.raises(ConfigurationError, match="part of the requests"):
        order(data, tmp_path, canary=1.5)
    with pytest.raises(ConfigurationError, match="needs a recipe"):
        order(data, tmp_path, recipe="")


@pytest.mark.timeout(900)  # two processes load torch, beside whatever else the machine does
def test_killed_while_training_and_while_exporting(data: Path, tmp_path: Path) -> None:
    """After kill -9 in either stage the same order ends right: each step once, one version."""
    asked = order(data, tmp_path / "run", changes=CHANGES)
    _kill_when(asked, lambda: (asked.out / "train" / "checkpoint.pt").exists())
    assert not (asked.out / "export").exists()
    _kill_when(asked, lambda: any((asked.out / "export").glob(".export-*")))
    assert not (asked.out / "export" / "manifest.json").exists()
    assert published_versions(asked.model) == []
    weights = (asked.out / "train" / "checkpoint.pt").stat().st_mtime_ns
    outcome = run(asked)
    assert (outcome.version, outcome.state) == (1, State.LIVE)
    assert (asked.out / "train" / "checkpoint.pt").stat().st_mtime_ns == weights, "it was trained before"
    steps = [line.split(",")[1] for line in (asked.out / "train" / "steps.csv").read_text().splitlines()[1:]]
    assert len(steps) == len(set(steps)) == 4 * 3
    assert list((asked.out / "export").glob(".export-*")) == []
    assert [event.action for event in read_history(asked.model)] == [Action.PUBLISH]
    assert json.loads((asked.out / "stages" / "publish.json").read_text())["found"] == {"version": 1}


def _kill_when(asked: Order, there: Callable[[], bool]) -> None:
    """Begin or go on with an order in a process of its own, and kill that as soon as something is there."""
    command = [sys.executable, "-c", CHILD, asked.data, asked.out]
    with subprocess.Popen(command, cwd=CHECKOUT) as process:
        until = time.monotonic() + PATIENCE_S
        while not there():
            assert process.poll() is None, "it ended before it was killed"
            assert time.monotonic() < until
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
