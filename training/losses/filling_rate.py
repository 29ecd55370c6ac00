"""Attention must cover about as much of a box as GrabCut does."""

import torch
from torch import Tensor

from contract.classes import BACKGROUND
from training.data import Batch
from training.losses import in_boxes, masked_mean
from training.networks.box2seg import Prediction


def filling_rates(prediction: Prediction, batch: Batch) -> tuple[Tensor, Tensor, Tensor]:
    """
    Measure the share of its boxes that each class fills.

        eta_c  = sum_i M(i,c) / sum_i B(i,c)                 by GrabCut
        eta'_c = sum_i alpha(i,c) B(i,c) / sum_i B(i,c)      by attention

    Returns:
        eta, eta' and whether the class has a box in the image: (B, L) each, the last one bool.
    """
    boxes_BLhw = in_boxes(batch)
    labels = range(BACKGROUND + 1, batch.candidates_BKHW.shape[1])
    guesses = [(batch.guess_BHW == label).float() for label in labels]
    eta = masked_mean(torch.stack(guesses, dim=1), boxes_BLhw)
    eta_attention = masked_mean(prediction.attention_BLhw, boxes_BLhw)
    return eta, eta_attention, boxes_BLhw.sum(dim=(-2, -1)) > 0


def filling_rate_loss(prediction: Prediction, batch: Batch, *, gamma: float) -> Tensor:
    """
    Keep attention from vanishing.

        L_fr = sum_{c in C_img} max(0, gamma eta_c - eta'_c)

    One-sided: attention may cover more than GrabCut, not much less. Without it alpha = 0 would
    minimise L_fg.

    Args:
        prediction: Of the three networks.
        batch: Labels at the prediction's size.
        gamma: Share of GrabCut's filling rate that must be kept, in [0, 1].
    """
    eta, eta_attention, present = filling_rates(prediction, batch)
    hinge_BL = (gamma * eta - eta_attention).clamp(min=0) * present
    return hinge_BL.sum(dim=1).mean()
