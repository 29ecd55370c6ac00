"""A disk that is full, by the limit of a file's size: a write that goes beyond it fails as on a full disk."""

import io
import itertools
import sys
import threading
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from cli.__main__ import app
from contract.classes import ClassMap
from contract.errors import WriteError
from contract.files import written_whole
from tests.full_disk import limit
from tests.training.small import SMALL, plan, small_recipe
from tests.training.test_run import Interrupting
from tests.untrained import untrained
from training.checkpoint import load_checkpoint, save_checkpoint
from training.datasets.voc import VocDataset
from training.figures import save_picture
from training.priors.boxes import FilledBoxes
from training.priors.cache import PriorCache
from training.record import Record
from training.run import train


@pytest.fixture(autouse=True)
def no_bytecode(monkeypatch: pytest.MonkeyPatch) -> None:
    """Compile no module while files are limited: Python would keep half of one for good."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file())


def test_the_checkpoint_before_is_kept(tmp_path: Path) -> None:
    """A checkpoint that cannot be written is named; the one before is as it was, and nothing is beside it."""
    path = save_checkpoint(untrained("cat"), tmp_path)
    before = path.read_bytes()
    words = r"checkpoint\.pt: cannot be written \(File too large\)\n  hint: make room"
    with limit(len(before) // 2), pytest.raises(WriteError, match=words):
        save_checkpoint(untrained("dog"), tmp_path)
    assert path.read_bytes() == before
    assert files(tmp_path) == ["checkpoint.pt"]
    assert load_checkpoint(tmp_path).classes.foreground == ("cat",)


@pytest.mark.parametrize("name", ["sheet.png", "sheet.jpg"])
def test_a_picture_is_whole_or_not_there(name: str, tmp_path: Path) -> None:
    """A picture that does not fit is named and leaves nothing."""
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with limit(1000), pytest.raises(WriteError, match=f"{name}: cannot be written"):
        save_picture(Image.fromarray(noise), tmp_path / name)
    assert files(tmp_path) == []


def test_the_last_bytes_count_too(tmp_path: Path) -> None:
    """Bytes that wait in memory until the file is closed are written, or the file is not replaced."""
    (tmp_path / "table.csv").write_bytes(b"before")
    with limit(10), pytest.raises(WriteError), written_whole(tmp_path / "table.csv") as stream:
        stream.write(b"11 letters.")
    assert (tmp_path / "table.csv").read_bytes() == b"before"
    assert files(tmp_path) == ["table.csv"]


def test_a_prior_that_does_not_fit_is_named(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """The error comes back from the process that guessed; the cache keeps no half of a mask."""
    images = VocDataset(drawn_voc, classes).load("val").images[:2]
    with limit(50), pytest.raises(WriteError, match=r"\.png: cannot be written"):
        dict(PriorCache(FilledBoxes(), tmp_path).fill(images, workers=1))
    assert files(tmp_path) == []


def test_half_a_row_is_dropped(tmp_path: Path) -> None:
    """A row that did not fit ends the run by the table's name; resumed, the run drops it."""
    terms = {"loss": 1.0}
    with Record(tmp_path, Console(quiet=True), steps=1) as record:
        for epoch in (0, 1):
            record.step(epoch, epoch, rate=0.1, waited=0.5, took=2, terms=terms)
        size = (tmp_path / "steps.csv").stat().st_size
        record.board.flush()  # its thread writes when it likes, and the limit is the whole process's
        # There is room for the first digit of epoch 12.
        with limit(size + 1), pytest.raises(WriteError, match=r"steps\.csv: cannot be written"):
            record.step(12, 12, rate=0.1, waited=0.5, took=2, terms=terms)
    assert (tmp_path / "steps.csv").stat().st_size == size + 1
    with Record(tmp_path, Console(quiet=True), first_epoch=12, steps=1):
        assert (tmp_path / "steps.csv").stat().st_size == size


def test_tensorboard_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What its thread cannot write ends the run, but does not hide what ended it before."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    (tmp_path / "second").mkdir()
    first, second = (Record(folder, Console(quiet=True)) for folder in (tmp_path, tmp_path / "second"))
    # TensorBoard's file is longer than that from the beginning, the table is shorter.
    with limit(80), pytest.raises(WriteError, match=r"tensorboard: cannot be written"), first:
        first.diagnostics(0, {"a": 1.0})
    with limit(80), pytest.raises(KeyError, match="before"):
        break_off(second)


def break_off(record: Record) -> None:
    """End a record by another error, with a number left that could not be written."""
    with record:
        with suppress(WriteError):
            record.diagnostics(0, {"a": 1.0})
        raise KeyError("before")


def test_a_run_goes_on_when_there_is_room(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """At the terminal a full disk is a sentence; the epoch before is kept, and with room the run goes on."""
    # The look for masks reads four; the first epoch's score is broken off.
    once = Interrupting(drawn_voc, classes, itertools.count(1), 4)
    with pytest.raises(KeyboardInterrupt):
        train(small_recipe(), once, plan(tmp_path), Console(file=io.StringIO()))
    sets = [word for change in (*SMALL, "unscored=dog") for word in ("--set", change)]
    words = ["train", "--data", str(drawn_voc), "--out", str(tmp_path / "run"), "--resume", *sets]
    words += ["--cache", str(tmp_path / "cache"), "--device", "cpu", "--workers", "0"]
    with limit(1_000_000):
        full = CliRunner().invoke(app, words)
    assert full.exit_code == 2
    assert f"error: {tmp_path / 'run' / 'checkpoint.pt'}: cannot be written (File too large)" in full.stderr
    assert "Traceback" not in full.output
    assert load_checkpoint(tmp_path / "run").training["epoch"] == 0
    assert not list((tmp_path / "run").rglob("*.partial"))
    resumed = CliRunner().invoke(app, words)
    assert resumed.exit_code == 0, resumed.output
    assert "of the time for photos" in resumed.stderr
    assert load_checkpoint(tmp_path / "run").training["epoch"] == 1
