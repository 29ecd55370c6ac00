from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import nn

from contract.errors import ExportError
from contract.manifest import CONFIDENCE, IMAGE, LABELS, Tensor
from export.deployable import Deployable
from export.onnx import read_tensors, write_onnx
from training.checkpoint import Checkpoint


@pytest.fixture(scope="module")
def model(exported: Path) -> onnx.ModelProto:
    """Give the exported graph."""
    return onnx.load(exported / "model.onnx")


def test_ancillary_networks_are_not_in_the_file(model: onnx.ModelProto, checkpoint: Checkpoint) -> None:
    """Every weight of the graph is the segmentation network's; attention and embedding are left behind."""
    weights = [tensor for tensor in model.graph.initializer if tensor.name.startswith("network.")]
    parts = {tensor.name.split(".")[1] for tensor in weights}
    assert parts == {"encoder", "decoder", "head"}
    stored = sum(int(np.prod(tensor.dims)) for tensor in model.graph.initializer)
    ours = sum(weight.numel() for weight in checkpoint.segmentation().state_dict().values())
    assert stored < ours + 1000, "more numbers in the file than the network has"


@pytest.mark.parametrize(
    "size", [(1, 384, 288), (3, 256, 384), (1, 512, 352), (1, 32, 384), (1, 32, 32)], ids=str
)
def test_sizes_the_exporter_never_saw(
    exported: Path, checkpoint: Checkpoint, size: tuple[int, int, int]
) -> None:
    """ONNX Runtime gives torch's labels at batches and sizes that were not there at the export."""
    images = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    session = onnxruntime.InferenceSession(exported / "model.onnx")
    labels, confidence = session.run([LABELS, CONFIDENCE], {IMAGE: images})
    with torch.inference_mode():
        expected, sure = Deployable(checkpoint.segmentation())(torch.from_numpy(images))
    assert np.mean(labels == expected.numpy()) >= 0.999
    assert np.abs(confidence.astype(int) - sure.numpy()).max() <= 2


def test_tensors(exported: Path) -> None:
    """Bytes go in and come out; batch, height and width are free."""
    inputs, outputs = read_tensors(exported / "model.onnx")
    assert inputs == (Tensor("image", "uint8", (-1, -1, -1, 3)),)
    assert outputs == (
        Tensor("labels", "uint8", (-1, -1, -1)),
        Tensor("confidence", "uint8", (-1, -1, -1)),
    )


def test_file_names_its_origin_and_no_machine(exported: Path, model: onnx.ModelProto) -> None:
    """The file says which commit trained it, and holds no path of the machine that exported it."""
    notes = {entry.key: entry.value for entry in model.metadata_props}
    assert notes["commit"] == "0123abc"
    assert notes["classes"] == "background,circle,square,star"
    content = (exported / "model.onnx").read_bytes()
    assert str(Path(__file__).parents[2]).encode() not in content
    assert b".py" not in content


def test_a_network_the_exporter_cannot_write(tmp_path: Path, checkpoint: Checkpoint) -> None:
    """A network whose path depends on the pixels is refused in a sentence, and no file is left."""

    class Undecided(nn.Module):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return images if images.sum() > 0 else -images

    deployable = Deployable(checkpoint.segmentation())
    deployable.network.encoder.body = Undecided()
    with pytest.raises(ExportError, match="cannot write this network"):
        write_onnx(deployable, tmp_path / "model.onnx", notes={})
    assert list(tmp_path.iterdir()) == []


def test_exporter_is_silent(
    tmp_path: Path, checkpoint: Checkpoint, capfd: pytest.CaptureFixture[str]
) -> None:
    """Nothing of the exporter's own talk reaches the terminal."""
    write_onnx(Deployable(checkpoint.segmentation()), tmp_path / "model.onnx", notes={})
    said = capfd.readouterr()
    assert (said.out, said.err) == ("", "")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]
