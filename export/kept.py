"""The checkpoints of published versions, kept in the registry: training can go on from what answers."""

import dataclasses
from pathlib import Path

from contract.registry import checkpoint_folder
from training.checkpoint import load_checkpoint, save_checkpoint


def keep_checkpoint(run: Path, model: Path, version: int) -> Path:
    """Keep a run's weights for a version, without what resuming needs; gives their path."""
    folder = checkpoint_folder(model, version)
    folder.mkdir(parents=True, exist_ok=True)
    return save_checkpoint(dataclasses.replace(load_checkpoint(run), training={}), folder)
