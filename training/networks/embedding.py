"""The embedding head: pixels of one object lie together, others apart."""

from torch import Tensor, nn
from torch.nn import functional as F


class EmbeddingHead(nn.Module):
    """
    Unit vectors per pixel (the paper's b); their cosine is the pixels' affinity.

    Args:
        width: Channels C of the decoder.
        embedding: Channels D of the embedding.
    """

    def __init__(self, width: int, embedding: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.Conv2d(width, width, kernel_size=3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.Conv2d(width, embedding, kernel_size=1),
        )

    def forward(self, decoded_BChw: Tensor) -> Tensor:
        """Give the embedding (B, D, h, w), of length 1 over D."""
        # Half precision would leave the lengths, and so the affinities, 1 % off.
        return F.normalize(self.layers(decoded_BChw).float(), dim=1)
