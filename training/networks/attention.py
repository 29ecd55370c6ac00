"""The label-specific attention head: how far each pixel of a box is to be believed."""

from torch import Tensor, nn

FIRST_BIAS = 2.0
"""Attention starts near 0.88 everywhere: as plain box supervision, which training then sharpens."""


class AttentionHead(nn.Module):
    """
    One attention map per foreground class (the paper's alpha).

    Args:
        width: Channels C of the decoder.
        foreground: Number of foreground classes L.
    """

    def __init__(self, width: int, foreground: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, foreground, kernel_size=1),
        )
        last = self.layers[-1]
        assert isinstance(last, nn.Conv2d)
        assert last.bias is not None
        nn.init.constant_(last.bias, FIRST_BIAS)

    def forward(self, decoded_BChw: Tensor) -> Tensor:
        """Give attention (B, L, h, w) in [0, 1]."""
        attention: Tensor = self.layers(decoded_BChw)
        return attention.sigmoid()
