"""A network as it is served: uint8 photos in, uint8 labels and confidence out, nothing left to do outside."""

import torch
from torch import Tensor, nn

from export.layers import exportable
from training.networks.segmentation import SegmentationNetwork, labels_and_confidence


class Deployable(nn.Module):
    """
    Normalisation, segmentation branch, upsampling and decision; the ancillary networks are left behind.

    Args:
        network: The trained branch; it is copied and stays as it is.
    """

    shift: Tensor
    scale: Tensor

    def __init__(self, network: SegmentationNetwork) -> None:
        super().__init__()
        self.network = exportable(network)
        self.register_buffer("shift", torch.tensor(network.mean).view(1, 3, 1, 1))
        self.register_buffer("scale", 1 / torch.tensor(network.std).view(1, 3, 1, 1))
        self.eval()

    def forward(self, image_NHW3: Tensor) -> tuple[Tensor, Tensor]:
        """
        Segment photos that were brought into the network's frame.

        Args:
            image_NHW3: uint8 RGB in [0, 255]; H and W are multiples of 32.

        Returns:
            Labels (N, H, W) uint8, and the winning class's probability times 255, (N, H, W) uint8.
        """
        images_N3HW = image_NHW3.permute(0, 3, 1, 2).float()
        logits_NKhw = self.network((images_N3HW - self.shift) * self.scale)
        height, width = image_NHW3.shape[1:3]
        return labels_and_confidence(logits_NKhw, (height, width))
