"""Plain cross entropy on the prior's mask: the warm start, and the baseline."""

from torch import Tensor
from torch.nn import functional as F

from contract.classes import IGNORE
from training.data import Batch
from training.networks.box2seg import Prediction


def grabcut_loss(prediction: Prediction, batch: Batch) -> Tensor:
    """
    Believe the GrabCut mask.

        L_GC = - 1/m sum_c sum_i M(i,c) log y(i,c)

    IGNORE pixels of the mask are in no sum.
    """
    known = (batch.guess_BHW != IGNORE).sum().clamp(min=1)
    total = F.cross_entropy(prediction.logits_BKhw, batch.guess_BHW, ignore_index=IGNORE, reduction="sum")
    return total / known
