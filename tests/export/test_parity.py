from pathlib import Path

import pytest

from contract.errors import ParityError
from contract.geometry import FitRule
from export.agreement import check_agreement
from export.deployable import Deployable
from export.parity import measure_parity
from export.pictures import drawn_pictures
from training.checkpoint import Checkpoint

PICTURES = drawn_pictures()[:1]


def test_a_file_agrees_with_its_network(exported: Path, checkpoint: Checkpoint) -> None:
    """Each engine gives the network's labels, at three sizes of a photo in batches of three."""
    records = measure_parity(
        Deployable(checkpoint.segmentation()), exported / "model.onnx", PICTURES, FitRule(96)
    )
    assert records[0].engine == "onnxruntime"
    for record in records:
        assert record.agreement >= 0.999
        assert record.difference <= 2 / 255
        assert record.batches == 3


def test_another_networks_file_is_found_out(exported: Path, other_checkpoint: Checkpoint) -> None:
    """A file that was written from other weights does not pass."""
    records = measure_parity(
        Deployable(other_checkpoint.segmentation()), exported / "model.onnx", PICTURES, FitRule(96)
    )
    assert records[0].agreement < 0.9
    with pytest.raises(ParityError):
        check_agreement(records[0].named())
