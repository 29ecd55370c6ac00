"""A checkpoint of small networks that have learned nothing."""

import torch

from contract.classes import class_map
from contract.geometry import FitRule
from contract.manifest import Origin
from training.checkpoint import Checkpoint
from training.networks.box2seg import Box2Seg
from training.networks.segmentation import NetworkSpec


def untrained(*classes: str, scores: dict[str, float] | None = None) -> Checkpoint:
    """Give random networks of width 8 for these foreground classes; the same ones every time."""
    torch.manual_seed(0)
    spec = NetworkSpec("test_resnet", classes=len(classes) + 1, width=8, embedding=4, shared_decoder=True)
    return Checkpoint(
        classes=class_map(classes),
        fit=FitRule(96),
        network=spec,
        weights=Box2Seg(spec).state_dict(),
        recipe={"name": "tiny", "classes": classes},
        origin=Origin("tiny", "drawn train", "boxes", 0, "0123abc", "a test", 0.0),
        scores=scores or {},
    )
