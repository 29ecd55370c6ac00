"""From a first version to a better one, a damaged one and back: the whole loop, as commands."""

import dataclasses
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
import torch
from typer.testing import CliRunner, Result

from cli.__main__ import app
from contract.history import read_history
from contract.registry import State, read_standing
from contract.verdict import read_verdict, report_folder
from export.draft import export_checkpoint
from export.pictures import drawn_pictures
from serving.engines.local import LocalEngine
from serving.settings import Settings
from tests.export.small import FEW, LEARNING, draw_data, one_thread
from tests.serving.processes import wait_until
from tests.serving.running import running_gateway
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


@contextmanager
def people_asking(person: Person) -> Iterator[list[tuple[int, int]]]:
    """Have somebody ask a server for masks all the time; gives each answer's status and version."""
    settings = Settings(engine="local", repository=person.model.parent, watch_every_s=0.2)
    photo = next(person.data.rglob("*.jpg")).read_bytes()
    answers: list[tuple[int, int]] = []
    over = threading.Event()

    def ask(address: str) -> None:
        with httpx.Client(base_url=address, timeout=30.0) as client:
            while not over.wait(0.05):
                answer = client.post("/v1/segment?model=pets", content=photo)
                answers.append((answer.status_code, int(answer.headers.get("x-model-version", 0))))

    with running_gateway(settings, LocalEngine(threads=1)) as address, ThreadPoolExecutor(1) as people:
        asking = people.submit(ask, address)
        try:
            yield answers
        finally:
            over.set()
            asking.result()


def next_version(answers: list[tuple[int, int]]) -> int:
    """Wait for answers to requests that begin from now on; gives the version of the last."""
    count = len(answers)
    wait_until(lambda: len(answers) > count + 1)
    return answers[-1][1]


@pytest.mark.timeout(900)  # two trainings and three looks of the gate, beside whatever else the machine does
def test_retrain_promote_refuse_roll_back(tmp_path: Path) -> None:
    """A better version goes live by a canary, a damaged one does not; who asks gets masks all the time."""
    person = Person(tmp_path)
    changes = [word for change in (*LEARNING, "epochs=2") for word in ("--set", change)]
    first = person.retrain("first", "--from", "imagenet", "--recipe", "voc_boxes", "--split", FEW, *changes)
    assert first.exit_code == 0, first.output
    assert person.states() == {1: State.LIVE}

    with people_asking(person) as answers:
        better = person.retrain("better", "--set", "epochs=8", "--canary", "0.1", "--why", "8 photos more")
        assert better.exit_code == 0, better.output
        assert person.states() == {1: State.LIVE, 2: State.CANARY}
        verdict = read_verdict(report_folder(person.model, 2))
        assert verdict is not None
        assert "better" in next(check.seen for check in verdict.checks if check.name == "mean IoU")
        wait_until(lambda: (200, 2) in answers)  # the canary has its share
        assert person.type("models", "promote", "2", "--why", "the canary did well").exit_code == 0
        assert person.states() == {1: State.PREVIOUS, 2: State.LIVE}
        assert next_version(answers) == 2

        _damage(tmp_path / "better" / "train", tmp_path / "damaged")
        assert person.publish(tmp_path / "damaged").exit_code == 0
        refused = person.gate(3)
        assert refused.exit_code == 1
        assert "mean IoU" in refused.output
        assert "refused beside version 2" in refused.output
        assert person.type("models", "promote", "3").exit_code != 0
        assert person.states() == {1: State.PREVIOUS, 2: State.LIVE, 3: State.CANDIDATE}
        assert next_version(answers) == 2

        assert person.type("models", "rollback", "--why", "cats look odd").exit_code == 0
        assert person.states() == {1: State.LIVE, 2: State.REJECTED, 3: State.CANDIDATE}
        assert next_version(answers) == 1
        assert {status for status, _ in answers} == {200}
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
