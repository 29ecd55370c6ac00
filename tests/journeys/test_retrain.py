"""From a first version to a better one, a damaged one and back: the whole loop, as commands."""

import dataclasses
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner, Result

from cli.__main__ import app
from contract.history import read_history
from contract.registry import State, read_standing
from contract.verdict import read_verdict, report_folder
from export.draft import export_checkpoint
from export.pictures import drawn_pictures
from tests.export.small import FEW, LEARNING, draw_data, one_thread
from training.checkpoint import load_checkpoint

LIMITS = ("least_photos=4", "latency_ratio=1000", "memory_ratio=1000", "boundary_loss=0.2", "class_loss=0.2")


class Person:
    """Somebody at a terminal in a folder of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.data = folder, draw_data(folder / "data")
        self.model = folder / "repository" / "pets"
        self.place = ["--repository", str(folder / "repository"), "--model", "pets"]

    def retrain(self, out: str, *words: str) -> Result:
        """Retrain into a folder of this name."""
        places = ["--data", str(self.data), "--golden", str(self.data), "--out", str(self.folder / out)]
        machine = ["--device", "cpu", "--workers", "0", "--cache", str(self.folder / "cache")]
        return self.type("retrain", *places, *machine, *self.limits(), *words)

    def gate(self, version: int) -> Result:
        """Have the gate look at a version."""
        return self.type("gate", str(version), "--golden", str(self.data), *self.limits())

    def publish(self, exported: Path) -> Result:
        """Publish an export as the next version."""
        words = [str(exported), "--name", "pets", "--repository", str(self.folder / "repository")]
        return CliRunner().invoke(app, ["publish", *words])

    def type(self, *words: str) -> Result:
        """Type a command that is about the model."""
        with one_thread():
            return CliRunner().invoke(app, [*words, *self.place])

    def limits(self) -> list[str]:
        """Give the limits as words."""
        return [word for limit in LIMITS for word in ("--limit", limit)]

    def states(self) -> dict[int, State]:
        """Tell where the versions stand."""
        return read_standing(self.model).states


@pytest.mark.timeout(900)  # two trainings and three looks of the gate, beside whatever else the machine does
def test_retrain_promote_refuse_roll_back(tmp_path: Path) -> None:
    """A better version goes live through a canary, a damaged one does not; the history tells all of it."""
    person = Person(tmp_path)
    changes = [word for change in (*LEARNING, "epochs=2") for word in ("--set", change)]
    first = person.retrain("first", "--from", "imagenet", "--recipe", "voc_boxes", "--split", FEW, *changes)
    assert first.exit_code == 0, first.output
    assert person.states() == {1: State.LIVE}

    better = person.retrain("better", "--set", "epochs=8", "--canary", "0.1", "--why", "8 photos more")
    assert better.exit_code == 0, better.output
    assert person.states() == {1: State.LIVE, 2: State.CANARY}
    verdict = read_verdict(report_folder(person.model, 2))
    assert verdict is not None
    assert "better" in next(check.seen for check in verdict.checks if check.name == "mean IoU")
    assert person.type("models", "promote", "2", "--why", "the canary did well").exit_code == 0
    assert person.states() == {1: State.PREVIOUS, 2: State.LIVE}

    _damage(tmp_path / "better" / "train", tmp_path / "damaged")
    assert person.publish(tmp_path / "damaged").exit_code == 0
    refused = person.gate(3)
    assert refused.exit_code == 1
    assert "mean IoU" in refused.output
    assert "refused beside version 2" in refused.output
    assert person.type("models", "promote", "3").exit_code != 0
    assert person.states() == {1: State.PREVIOUS, 2: State.LIVE, 3: State.CANDIDATE}

    assert person.type("models", "rollback", "--why", "cats look odd").exit_code == 0
    assert person.states() == {1: State.LIVE, 2: State.REJECTED, 3: State.CANDIDATE}
    told = [(event.action, event.version, event.why) for event in read_history(person.model)]
    assert told[1:3] == [("publish", 2, "8 photos more"), ("canary", 2, "8 photos more")]
    assert [(action, version) for action, version, _ in told] == [
        *(("publish", 1), ("publish", 2), ("canary", 2), ("promote", 2), ("publish", 3), ("rollback", 1)),
    ]


def _damage(run: Path, folder: Path) -> None:
    """Export a run's network with noise on its weights: the file is proved, the network is bad."""
    checkpoint = load_checkpoint(run)
    torch.manual_seed(0)
    weights = {
        name: value + 2 * value.std() * torch.randn_like(value) if value.ndim > 1 else value
        for name, value in checkpoint.weights.items()
    }
    damaged = dataclasses.replace(checkpoint, weights=weights)
    export_checkpoint(damaged, folder, photos=drawn_pictures())
