"""Plain cross entropy on the prior's mask: the warm start, and the baseline."""

from torch import Tensor
from torch.nn import functional as F

from contract.classes import IGNORE
from training.data import Batch
from training.losses import masked_mean
from training.networks.box2seg import Prediction


def grabcut_loss(prediction: Prediction, batch: Batch) -> Tensor:
    """
    Believe the GrabCut mask.

        L_GC = - 1/m sum_c sum_i M(i,c) log y(i,c)

    IGNORE pixels of the mask are in no sum; m counts the others. Where a person's mask is known it takes
    the prior's place, and this is the usual cross entropy of full supervision.
    """
    pixels_Bhw = F.cross_entropy(
        prediction.logits_BKhw, batch.guess_BHW, ignore_index=IGNORE, reduction="none"
    )
    return masked_mean(pixels_Bhw, (batch.guess_BHW != IGNORE).float()).mean()
