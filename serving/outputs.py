"""What a network gave, before anybody believes it."""

import numpy as np

from contract.arrays import Uint8
from contract.errors import ModelOutputInvalid
from contract.manifest import CONFIDENCE, LABELS, Manifest


def check_maps(labels: Uint8, confidence: Uint8, *, frames: Uint8, manifest: Manifest) -> None:
    """
    Make sure that maps are those of frames.

    Args:
        labels: What came, expected as (N, H, W) uint8.
        confidence: As the labels.
        frames: (N, H, W, 3) uint8.
        manifest: Of the version that gave them.

    Raises:
        ModelOutputInvalid: If shape or type are others, or a label is of no class.
    """
    for name, array in ((LABELS, labels), (CONFIDENCE, confidence)):
        if array.shape != frames.shape[:3] or array.dtype != np.uint8:
            raise ModelOutputInvalid(
                f"{name} came as {array.shape} {array.dtype}, expected {frames.shape[:3]} uint8",
                hint="export the model again",
            )
    check_labels(labels, manifest)


def check_labels(labels: Uint8, manifest: Manifest) -> None:
    """
    Make sure that each label is of a class.

    Raises:
        ModelOutputInvalid: If one is not.
    """
    if labels.max() >= len(manifest.classes):
        raise ModelOutputInvalid(
            f"the network gave label {labels.max()}, the model has {len(manifest.classes)} classes",
            hint="another version may do; whoever runs this server can go back to the one before",
        )
