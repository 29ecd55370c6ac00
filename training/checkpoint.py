"""Weights with all that is needed to use them: it rebuilds its network without asking anyone."""

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from contract.classes import ClassMap
from contract.errors import Box2SegError, CheckpointError
from contract.files import written_whole
from contract.geometry import FitRule
from contract.manifest import Origin
from training.networks.box2seg import Box2Seg
from training.networks.segmentation import NetworkSpec, SegmentationNetwork

CHECKPOINT_FILE = "checkpoint.pt"
FORMAT = "box2seg checkpoint 1"


@dataclass(frozen=True, slots=True, eq=False)
class Checkpoint:
    """
    A trained network.

    Args:
        classes: What the labels mean.
        fit: How photos enter the network.
        network: What to build.
        weights: State dict of `Box2Seg`.
        recipe: The recipe's fields, for records.
        origin: Where the weights came from.
        scores: Measured quality by name.
        training: What resuming needs: optimiser, epoch, step.
    """

    classes: ClassMap
    fit: FitRule
    network: NetworkSpec
    weights: dict[str, Tensor]
    recipe: dict[str, Any]
    origin: Origin
    scores: dict[str, float]
    training: dict[str, Any] = field(default_factory=dict)

    def box2seg(self) -> Box2Seg:
        """
        Build the three networks with these weights, in evaluation mode.

        Raises:
            CheckpointError: If the weights do not fit the network.
        """
        network = Box2Seg(self.network)
        try:
            network.load_state_dict(self.weights)
        except RuntimeError as error:
            raise CheckpointError(f"checkpoint: its weights do not fit its network ({error})") from error
        return network.eval()

    def segmentation(self) -> SegmentationNetwork:
        """Build the segmentation network alone, in evaluation mode."""
        return self.box2seg().segmentation


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> Path:
    """
    Write a run's checkpoint, whole or not at all; gives its path.

    Raises:
        WriteError: If it cannot be written; an earlier one is still there.
    """
    path = folder / CHECKPOINT_FILE
    content = {
        "format": FORMAT,
        "classes": dataclasses.asdict(checkpoint.classes),
        "fit": dataclasses.asdict(checkpoint.fit),
        "network": dataclasses.asdict(checkpoint.network),
        "origin": dataclasses.asdict(checkpoint.origin),
        **{name: getattr(checkpoint, name) for name in ("weights", "recipe", "scores", "training")},
    }
    with written_whole(path) as stream:
        try:
            torch.save(content, stream)
        except RuntimeError as error:
            # torch says that its file has the wrong length; what the disk said stands behind it.
            if isinstance(error.__context__, OSError):
                raise error.__context__ from None
            raise
    return path


def load_checkpoint(path: Path) -> Checkpoint:
    """
    Read a checkpoint; nothing in it is executed.

    Args:
        path: A run's folder or a checkpoint's file.

    Raises:
        CheckpointError: If it is missing, damaged or none of ours.
    """
    file = path / CHECKPOINT_FILE if path.is_dir() else path
    if not file.is_file():
        raise CheckpointError(f"{file}: no checkpoint", hint="train one: box2seg train --help")
    try:
        content = torch.load(file, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged zip or a foreign pickle fails in many ways
        raise CheckpointError(f"{file}: not a readable checkpoint ({type(error).__name__})") from error
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise CheckpointError(f"{file}: expected {FORMAT!r}, got another file")
    try:
        return _checkpoint(content)
    except (KeyError, TypeError, Box2SegError) as error:
        raise CheckpointError(f"{file}: incomplete checkpoint ({error})") from error


def _checkpoint(content: dict[str, Any]) -> Checkpoint:
    return Checkpoint(
        classes=ClassMap(**content["classes"]),
        fit=FitRule(**content["fit"]),
        network=NetworkSpec(**content["network"]),
        origin=Origin(**content["origin"]),
        weights=content["weights"],
        recipe=content["recipe"],
        scores=content["scores"],
        training=content["training"],
    )
