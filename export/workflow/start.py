"""What training begins with: the live version's weights, another run's, or the encoder's first ones."""

from pathlib import Path

from contract.errors import CheckpointError
from contract.registry import checkpoint_folder, read_standing
from export.workflow.order import IMAGENET, LIVE, Order
from training.checkpoint import CHECKPOINT_FILE, load_checkpoint


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
