"""Encoder, UPerNet decoder and class scores: the network that is kept after training."""

from dataclasses import dataclass

import torch
from segmentation_models_pytorch.decoders.upernet.decoder import UPerNetDecoder
from torch import Tensor, nn
from torch.nn import functional as F

from contract.errors import ConfigurationError
from training.networks.encoders import Encoder

UNUSED_CHANNELS = [3, 16]
"""Strides 1 and 2, which the decoder lists but does not look at."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """
    All that is needed to build the networks again.

    Args:
        encoder: timm's name.
        classes: Number of classes K, background included.
        width: Channels of the decoders.
        embedding: Channels D of the pixel embedding.
        shared_decoder: One decoder with three heads (small encoders), or three decoders (the paper).

    Raises:
        ConfigurationError: If a number is too small.
    """

    encoder: str
    classes: int
    width: int
    embedding: int
    shared_decoder: bool

    def __post_init__(self) -> None:
        if self.classes < 2 or self.width < 1 or self.embedding < 1:
            raise ConfigurationError(f"network: expected classes >= 2, width and embedding >= 1, got {self}")


class Decoder(nn.Module):
    """UPerNet (Xiao et al., ECCV 2018): pyramid pooling and feature pyramid, (B, width, H/4, W/4)."""

    def __init__(self, channels: list[int], width: int) -> None:
        super().__init__()
        self.body = UPerNetDecoder(
            encoder_channels=[*UNUSED_CHANNELS, *channels], encoder_depth=5, decoder_channels=width
        )

    def forward(self, features: list[Tensor]) -> Tensor:
        """Join the encoder's features into one map at a quarter of the input's size."""
        decoded: Tensor = self.body([None, None, *features])
        return decoded


class SegmentationNetwork(nn.Module):
    """
    The segmentation branch.

    Args:
        spec: What to build.
    """

    def __init__(self, spec: NetworkSpec) -> None:
        super().__init__()
        self.encoder = Encoder(spec.encoder)
        self.decoder = Decoder(self.encoder.channels, spec.width)
        self.head = nn.Conv2d(spec.width, spec.classes, kernel_size=1)

    @property
    def mean(self) -> tuple[float, float, float]:
        """Mean of the encoder's training photos, RGB in [0, 255]."""
        return self.encoder.mean

    @property
    def std(self) -> tuple[float, float, float]:
        """Their standard deviation, in the same units."""
        return self.encoder.std

    def normalise(self, images_B3HW: Tensor) -> Tensor:
        """Bring uint8 RGB to what the encoder was trained on."""
        mean, std = (
            torch.tensor(values, device=images_B3HW.device).view(1, 3, 1, 1)
            for values in (self.mean, self.std)
        )
        normalised = (images_B3HW.float() - mean) / std
        return normalised.contiguous(memory_format=torch.channels_last)

    def forward(self, images_B3HW: Tensor) -> Tensor:
        """Give class scores (B, K, H/4, W/4) of normalised images; H and W are multiples of 32."""
        scores: Tensor = self.head(self.decoder(self.encoder(images_B3HW)))
        return scores


def labels_and_confidence(logits_BKhw: Tensor, size: tuple[int, int]) -> tuple[Tensor, Tensor]:
    """
    Give each pixel's winning class and how sure the network is of it.

    Args:
        logits_BKhw: Class scores.
        size: (H, W) wanted; scores are interpolated before the decision, so edges are smooth.

    Returns:
        Labels (B, H, W) uint8 and the winner's probability times 255, (B, H, W) uint8.
    """
    # Classes last: OpenVINO then takes the largest of neighbours in memory, a tenth less for the whole graph.
    logits_BHWK = F.interpolate(logits_BKhw, size, mode="bilinear", align_corners=False).permute(0, 2, 3, 1)
    best, labels = logits_BHWK.max(dim=-1)
    # The winner's softmax is 1 / sum(exp(other - best)): no second pass over the classes to normalise.
    probability = (logits_BHWK - best[..., None]).exp().sum(dim=-1).reciprocal()
    return labels.to(torch.uint8), (probability * 255).round().to(torch.uint8)
