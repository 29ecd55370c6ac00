"""
The loss terms of Box2Seg (Kulharia et al., ECCV 2020); each a function of Prediction and Batch.

Shapes in names: B images, K classes with background, L = K - 1 foreground classes, D embedding channels,
h x w pixels. The batch's labels are at the prediction's size (`Batch.at`). The paper's symbols:
B(i,c) pixel i lies in a box of class c, and B(i,0) outside all boxes; M(i,c) the GrabCut mask; y the
softmax of the segmentation network; alpha the attention; b the embedding; m the number of pixels.
Each term is computed per image and averaged over images; pixels of padding are in no sum.
"""

from torch import Tensor

from contract.classes import BACKGROUND
from training.data import Batch


def in_boxes(batch: Batch) -> Tensor:
    """Give B(i,c) of the foreground classes: (B, L, h, w) float."""
    return batch.candidates_BKHW[:, BACKGROUND + 1 :].float()


def outside_boxes(batch: Batch) -> Tensor:
    """Give B(i,0), where background alone is allowed: (B, h, w) float."""
    allowed = batch.candidates_BKHW
    return (allowed[:, BACKGROUND] & ~allowed[:, BACKGROUND + 1 :].any(dim=1)).float()


def valid_pixels(batch: Batch) -> Tensor:
    """Give the pixels that are no padding: (B, h, w) float."""
    return batch.candidates_BKHW.any(dim=1).float()


def masked_mean(values: Tensor, mask: Tensor) -> Tensor:
    """Average over the last two axes where the mask is 1; 0 where it is nowhere 1."""
    return (values * mask).sum(dim=(-2, -1)) / mask.sum(dim=(-2, -1)).clamp(min=1)
