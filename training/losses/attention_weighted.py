"""Cross entropy weighted by attention inside the boxes, plain outside them."""

from torch import Tensor

from contract.classes import BACKGROUND
from training.data import Batch
from training.losses import in_boxes, masked_mean, outside_boxes
from training.networks.box2seg import Prediction


def foreground_loss(prediction: Prediction, batch: Batch) -> Tensor:
    """
    Teach each box's class where attention believes it.

        L_fg = - sum_{c in C_img} 1 / sum_i B(i,c) * sum_i alpha(i,c) B(i,c) log y(i,c)

    C_img are the classes with a box in the image. Gradients reach y and alpha.
    """
    log_y_BLhw = prediction.logits_BKhw.log_softmax(dim=1)[:, BACKGROUND + 1 :]
    per_class_BL = masked_mean(-log_y_BLhw * prediction.attention_BLhw, in_boxes(batch))
    return per_class_BL.sum(dim=1).mean()


def background_loss(prediction: Prediction, batch: Batch) -> Tensor:
    """
    Teach background outside all boxes, where it is certain.

        L_bg = - 1 / sum_i B(i,0) * sum_i B(i,0) log y(i,0)

    It is 0 for a crop that lies inside boxes.
    """
    log_y_Bhw = prediction.logits_BKhw.log_softmax(dim=1)[:, BACKGROUND]
    return masked_mean(-log_y_Bhw, outside_boxes(batch)).mean()
