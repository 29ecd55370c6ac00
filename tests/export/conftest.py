"""A small checkpoint and its export, made once."""

from pathlib import Path

import pytest
import torch

from contract.classes import ClassMap
from contract.geometry import FitRule
from contract.manifest import Origin
from export.draft import export_checkpoint
from export.pictures import drawn_pictures
from training.checkpoint import Checkpoint
from training.networks.box2seg import Box2Seg
from training.networks.segmentation import NetworkSpec

SPEC = NetworkSpec(encoder="test_resnet", classes=4, width=8, embedding=4, shared_decoder=True)
ORIGIN = Origin(
    recipe="tiny", data="drawn train", reads="boxes", seed=1, commit="0123abc", machine="a test", hours=0.01
)


def make_checkpoint(seed: int) -> Checkpoint:
    """Make a checkpoint of untrained networks."""
    torch.manual_seed(seed)
    return Checkpoint(
        classes=ClassMap(("background", "circle", "square", "star")),
        fit=FitRule(96),
        network=SPEC,
        weights=Box2Seg(SPEC).state_dict(),
        recipe={},
        origin=ORIGIN,
        scores={"val mIoU4": 0.5, "val IoU star": float("nan")},
    )


@pytest.fixture(scope="session")
def checkpoint() -> Checkpoint:
    """Give a checkpoint of a tiny network."""
    return make_checkpoint(seed=1)


@pytest.fixture(scope="session")
def other_checkpoint() -> Checkpoint:
    """Give a checkpoint of the same network with other weights."""
    return make_checkpoint(seed=2)


@pytest.fixture(scope="session")
def exported(checkpoint: Checkpoint, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give the folder that the checkpoint was exported to; not to be changed."""
    folder = tmp_path_factory.mktemp("run") / "export"
    export_checkpoint(checkpoint, folder, photos=drawn_pictures())
    return folder
