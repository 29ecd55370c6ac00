"""The checkpoints of published versions, kept in the registry: training can go on from what answers."""

import dataclasses
from pathlib import Path

from contract.errors import CheckpointError
from contract.history import REGISTRY
from contract.registry import read_standing
from export.workflow.order import IMAGENET, LIVE, Order
from training.checkpoint import CHECKPOINT_FILE, load_checkpoint, save_checkpoint

CHECKPOINTS = "checkpoints"


def checkpoint_folder(model: Path, version: int) -> Path:
    """Give the folder of a version's checkpoint, from the model's folder."""
    return model / REGISTRY / CHECKPOINTS / str(version)


def keep_checkpoint(run: Path, model: Path, version: int) -> Path:
    """Keep a run's weights for a version, without what resuming needs; gives their path."""
    folder = checkpoint_folder(model, version)
    folder.mkdir(parents=True, exist_ok=True)
    return save_checkpoint(dataclasses.replace(load_checkpoint(run), training={}), folder)


def find_start(order: Order) -> Path | None:
    """
    Give the checkpoint that training begins with; None for the encoder's first weights.

    Raises:
        CheckpointError: If there is none; says what to do.
        RegistryError: If the history cannot be read.
    """
    if order.start == IMAGENET:
        return None
    if order.start != LIVE:
        path = Path(order.start)
        load_checkpoint(path)
        return path
    live = read_standing(order.model).live
    if live is None:
        raise CheckpointError(
            f"{order.model.name} has no live version to go on from",
            hint="begin anew: --from imagenet --recipe voc_boxes; or name a run: --from runs/first",
        )
    folder = checkpoint_folder(order.model, live)
    if not (folder / CHECKPOINT_FILE).is_file():
        raise CheckpointError(
            f"{order.model.name} version {live} was published without its checkpoint",
            hint="name its run: --from runs/first; or begin anew: --from imagenet --recipe voc_boxes",
        )
    return folder
