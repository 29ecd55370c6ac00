"""The weighted sum of all terms."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from training.data import Batch
from training.losses.affinity import affinity_loss, embedding_loss
from training.losses.attention_weighted import background_loss, foreground_loss
from training.losses.filling_rate import filling_rate_loss
from training.losses.grabcut import grabcut_loss
from training.networks.box2seg import Prediction


@dataclass(frozen=True, slots=True)
class LossWeights:
    """
    Weight of each term; one that is 0 is not computed.

    Args:
        foreground: Of L_fg.
        background: Of L_bg.
        filling: Of L_fr (lambda_fr).
        affinity: Of L_A (lambda_A).
        grabcut: Of L_GC (lambda_GC).
        embedding: Of L_pre.
    """

    foreground: float = 0.0
    background: float = 0.0
    filling: float = 0.0
    affinity: float = 0.0
    grabcut: float = 0.0
    embedding: float = 0.0


WARM_START = LossWeights(grabcut=1.0, embedding=1.0)
"""Stage 1: the embedding learns GrabCut's pairs while the segmentation starts from its masks."""


def total_loss(
    prediction: Prediction, batch: Batch, weights: LossWeights, *, gamma: float
) -> tuple[Tensor, dict[str, Tensor]]:
    """
    Sum the terms.

        L = w_fg L_fg + w_bg L_bg + lambda_fr L_fr + lambda_A L_A + lambda_GC L_GC + w_pre L_pre

    Args:
        prediction: Of the three networks.
        batch: At the images' size; labels are brought to the prediction's.
        weights: Of the terms.
        gamma: See `filling_rate_loss`.

    Returns:
        The sum, and each computed term before weighting, detached.
    """
    labels = batch.at((prediction.logits_BKhw.shape[-2], prediction.logits_BKhw.shape[-1]))
    terms: dict[str, Callable[[], Tensor]] = {
        "foreground": lambda: foreground_loss(prediction, labels),
        "background": lambda: background_loss(prediction, labels),
        "filling": lambda: filling_rate_loss(prediction, labels, gamma=gamma),
        "affinity": lambda: affinity_loss(prediction, labels),
        "grabcut": lambda: grabcut_loss(prediction, labels),
        "embedding": lambda: embedding_loss(prediction, labels),
    }
    computed = {name: term() for name, term in terms.items() if getattr(weights, name)}
    total = sum((getattr(weights, name) * value for name, value in computed.items()), start=_zero(prediction))
    return total, {name: value.detach() for name, value in computed.items()}


def _zero(prediction: Prediction) -> Tensor:
    # Every output takes part, so that distributed training finds a gradient for each parameter.
    return 0.0 * (
        prediction.logits_BKhw.sum() + prediction.attention_BLhw.sum() + prediction.embedding_BDhw.sum()
    )
