"""Two processes on one machine, started as a user starts them."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from tests.training.small import SMALL


def losses(out: Path) -> list[float]:
    with (out / "steps.csv").open() as stream:
        return [float(row["loss"]) for row in csv.DictReader(stream)]


def run(launcher: list[str], data: Path, out: Path, *options: str) -> str:
    settings = [option for field in (*SMALL, "frozen_norm=true", "epochs=2") for option in ("--set", field)]
    command = [*launcher, "-m", "cli", "train", "--data", str(data), "--out", str(out), "--device", "cpu"]
    command += ["--workers", "0", "--evaluate", "none", "--cache", str(out.parent / "cache"), *settings]
    done = subprocess.run([*command, *options], capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stderr


@pytest.mark.parametrize("way", ["--devices", "torchrun"])
def test_two_processes_give_one_curve(drawn_voc: Path, tmp_path: Path, way: str) -> None:
    """
    Two processes with half a batch each give the losses of one with the whole.

    Batch norms are frozen: each process would otherwise see the statistics of its own half. What is left
    is the order of sums in float32.
    """
    run([sys.executable], drawn_voc, tmp_path / "one")
    launcher = [sys.executable]
    if way == "torchrun":
        launcher += ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    said = run(launcher, drawn_voc, tmp_path / "two", "--devices", "2")
    assert "Starting with 2 processes" in said
    assert len(losses(tmp_path / "one")) == 6
    assert losses(tmp_path / "two") == pytest.approx(losses(tmp_path / "one"), rel=1e-3)
