"""What attention and embedding do in an epoch: numbers that show a collapse before the scores do."""

import math

import torch
from torch import Tensor

from contract.classes import BACKGROUND, IGNORE, ClassMap
from training.data import Batch
from training.losses import in_boxes, masked_mean
from training.losses.filling_rate import filling_rates
from training.networks.box2seg import Prediction

PIXELS = 256
"""Drawn per photo to compare pairs."""

BELIEVED = 0.5
"""Attention above which a pixel counts as believed."""


class Diagnostics:
    """
    Means over an epoch of this process's photos, by name.

    "attention cat" and "filling cat" are eta' and eta of `filling_rates` over photos with a cat;
    "hinge active" is the share of photos where attention falls short of gamma times the filling rate;
    "belief" is y(i,c) where attention is above one half; "pairs alike" and "pairs apart" are
    |A(i,j) - <y_i,y_j>| over pixel pairs of one guessed label, and of two.

    Args:
        classes: Gives the names.
        gamma: The recipe's.
    """

    def __init__(self, classes: ClassMap, gamma: float) -> None:
        self.classes, self.gamma = classes, gamma
        of_classes = [f"{what} {name}" for name in classes.foreground for what in ("attention", "filling")]
        names = (*of_classes, "hinge active", "belief", "pairs alike", "pairs apart")
        self.sums, self.counts = dict.fromkeys(names, 0.0), dict.fromkeys(names, 0.0)

    @torch.no_grad()
    def add(self, prediction: Prediction, batch: Batch) -> None:
        """Take in a batch."""
        labels = batch.at((prediction.logits_BKhw.shape[-2], prediction.logits_BKhw.shape[-1]))
        self._add_attention(prediction, labels)
        self._add_pairs(prediction, labels)

    def means(self) -> dict[str, float]:
        """Give the means so far; NaN for what was never seen."""
        return {
            name: round(self.sums[name] / count, 5) if count else math.nan
            for name, count in self.counts.items()
        }

    def _add_attention(self, prediction: Prediction, labels: Batch) -> None:
        eta_BL, attention_BL, present_BL = filling_rates(prediction, labels)
        for index, name in enumerate(self.classes.foreground):
            self._add(f"attention {name}", attention_BL[:, index], present_BL[:, index])
            self._add(f"filling {name}", eta_BL[:, index], present_BL[:, index])
        short_BL = (attention_BL < self.gamma * eta_BL) & present_BL
        self._add("hinge active", short_BL.any(dim=1).float(), present_BL.any(dim=1))
        y_BLhw = prediction.logits_BKhw.softmax(dim=1)[:, BACKGROUND + 1 :]
        believed_BLhw = (prediction.attention_BLhw > BELIEVED) * in_boxes(labels)
        self._add("belief", masked_mean(y_BLhw, believed_BLhw), believed_BLhw.any(dim=-1).any(dim=-1))

    def _add_pairs(self, prediction: Prediction, labels: Batch) -> None:
        for image in range(len(labels.guess_BHW)):
            guess_m = labels.guess_BHW[image].flatten()
            # Evenly over the photo, so that nothing is drawn and a resumed run is the same.
            known = torch.nonzero(guess_m != IGNORE)[:, 0]
            chosen = known[:: max(1, len(known) // PIXELS)][:PIXELS]
            b_Dn = prediction.embedding_BDhw[image].flatten(1)[:, chosen]
            y_Kn = prediction.logits_BKhw[image].softmax(dim=0).flatten(1)[:, chosen]
            apart_nn = (b_Dn.T @ b_Dn - y_Kn.T @ y_Kn).abs()
            same_nn = guess_m[chosen][:, None] == guess_m[chosen]
            self._add("pairs alike", apart_nn, same_nn)
            self._add("pairs apart", apart_nn, ~same_nn)

    def _add(self, name: str, values: Tensor, counted: Tensor) -> None:
        self.sums[name] += float((values * counted).sum())
        self.counts[name] += float(counted.sum())
