"""
Pairs of pixels: those alike in embedding should be alike in class.

Both losses compare two affinity matrices over all m x m pairs without building either: with rows b_i of
Bm (m, D) and y_i of Y (m, K), and a weight w_i per pixel,

    sum_{i,j} w_i w_j (<b_i,b_j> - <y_i,y_j>)^2 = |Bm'W Bm|^2 - 2 |Bm'W Y|^2 + |Y'W Y|^2

(Frobenius norms), so only D x D, D x K and K x K Gram matrices are formed.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from contract.classes import BACKGROUND, IGNORE
from training.data import Batch
from training.losses import valid_pixels
from training.networks.box2seg import Prediction


def affinity_loss(prediction: Prediction, batch: Batch) -> Tensor:
    """
    Make the segmentation agree with the embedding about which pixels belong together.

        L_A = 1/m^2 sum_{i,j} (A(i,j) - <y_i,y_j>)^2,   A(i,j) = <b_i,b_j>

    The mean over pairs, so that its scale does not depend on resolution. Gradients reach y and b.
    """
    y_BKhw = prediction.logits_BKhw.softmax(dim=1)
    return pair_disagreement(prediction.embedding_BDhw, y_BKhw, valid_pixels(batch)).mean()


def embedding_loss(prediction: Prediction, batch: Batch) -> Tensor:
    """
    Pre-train the embedding on GrabCut: pixels of one label together, of different labels apart.

        L_pre = sum_{i,j} w_i w_j (A(i,j) - <M_i,M_j>)^2

    The authors describe it in words; the regression is ours. w gives each class in the image the same
    total weight: the expectation of drawing as many pixels of each class, without the draw.
    """
    known = batch.guess_BHW != IGNORE
    labels = torch.where(known, batch.guess_BHW, BACKGROUND)
    mask_BKhw = F.one_hot(labels, prediction.logits_BKhw.shape[1]).movedim(-1, 1).float()
    mask_BKhw = mask_BKhw * known[:, None]
    pixels_BK = mask_BKhw.sum(dim=(-2, -1))
    share_BK = (pixels_BK > 0) / pixels_BK.clamp(min=1)
    weight_Bhw = (mask_BKhw * share_BK[..., None, None]).sum(dim=1)
    return pair_disagreement(prediction.embedding_BDhw, mask_BKhw, weight_Bhw).mean()


def pair_disagreement(first_BDhw: Tensor, second_BKhw: Tensor, weight_Bhw: Tensor) -> Tensor:
    """
    Give the weighted mean over pairs of (<first_i,first_j> - <second_i,second_j>)^2 per image: (B,).

    Args:
        first_BDhw: One vector per pixel.
        second_BKhw: Another one.
        weight_Bhw: Pixel weights >= 0; normalised to a sum of 1.
    """
    # Sums of squares over thousands of pixels: half precision would lose the difference.
    with torch.autocast(first_BDhw.device.type, enabled=False):
        weight = weight_Bhw.flatten(1).float()
        root = (weight / weight.sum(dim=1, keepdim=True).clamp(min=1e-12)).sqrt()[:, None]
        first = first_BDhw.flatten(2).float() * root
        second = second_BKhw.flatten(2).float() * root
        return _gram_norm(first, first) - 2 * _gram_norm(first, second) + _gram_norm(second, second)


def _gram_norm(left_BPm: Tensor, right_BQm: Tensor) -> Tensor:
    return (left_BPm @ right_BQm.transpose(1, 2)).square().sum(dim=(1, 2))
