import subprocess
import sys
from pathlib import Path

import pytest

from contract.errors import ConfigurationError
from tests.drawing import draw_voc
from tests.training.small import plan, small_recipe
from training.launch import STARTERS, launch

ROOT = Path(__file__).parents[2]


def test_several_machines_need_a_starter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Started by hand on one of two machines, a run says how to start both, and waits for nobody."""
    for name in STARTERS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="2 machines") as refused:
        launch(small_recipe(), plan(tmp_path, nodes=2))
    assert "torchrun --nnodes 2" in str(refused.value.hint)


def test_torchrun_without_devices_is_refused(tmp_path: Path) -> None:
    """Two processes that were told of one device each would train two runs into one folder."""
    data, out = draw_voc(tmp_path / "voc", train=4, val=0), tmp_path / "run"
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m"]
    words += ["cli", "train", "--data", str(data), "--out", str(out), "--set", "classes=cat,dog"]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, timeout=250, check=False)
    assert done.returncode != 0
    assert "torchrun started 2 processes" in done.stderr
    assert "--devices 2 --nodes 1" in done.stderr
    assert not out.exists()
