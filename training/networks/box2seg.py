"""The three networks of Box2Seg on one encoder; two of them are left behind after training."""

from typing import NamedTuple

from torch import Tensor, nn

from training.networks.attention import AttentionHead
from training.networks.embedding import EmbeddingHead
from training.networks.segmentation import Decoder, NetworkSpec, SegmentationNetwork


class Prediction(NamedTuple):
    """
    What the three networks say about a batch, at a quarter of its size.

    A named tuple, since Fabric and distributed training walk through outputs and refuse frozen dataclasses.

    Args:
        logits_BKhw: Class scores of the segmentation network (the paper's y before softmax).
        attention_BLhw: Attention per foreground class in [0, 1] (alpha).
        embedding_BDhw: Unit embedding (b).
    """

    logits_BKhw: Tensor
    attention_BLhw: Tensor
    embedding_BDhw: Tensor


class Box2Seg(nn.Module):
    """
    Segmentation, attention and embedding networks on one encoder.

    Args:
        spec: What to build; its `shared_decoder` chooses one decoder with three heads or three decoders.
        detached_helpers: Attention and embedding learn from the shared features without changing them; what
            their losses say to the class scores still reaches encoder and decoder.
    """

    def __init__(self, spec: NetworkSpec, *, detached_helpers: bool = False) -> None:
        super().__init__()
        self.spec = spec
        self.detached_helpers = detached_helpers
        self.segmentation = SegmentationNetwork(spec)
        self.attention = AttentionHead(spec.width, spec.classes - 1)
        self.embedding = EmbeddingHead(spec.width, spec.embedding)
        channels = self.segmentation.encoder.channels
        self.attention_decoder = None if spec.shared_decoder else Decoder(channels, spec.width)
        self.embedding_decoder = None if spec.shared_decoder else Decoder(channels, spec.width)

    def forward(self, images_B3HW: Tensor) -> Prediction:
        """Predict for uint8 RGB images; H and W are multiples of 32."""
        images = self.segmentation.normalise(images_B3HW)
        features = list(self.segmentation.encoder(images))
        decoded = self.segmentation.decoder(features)
        logits_BKhw = self.segmentation.head(decoded).float()
        if self.detached_helpers:
            features, decoded = [feature.detach() for feature in features], decoded.detach()
        attended = self.attention_decoder(features) if self.attention_decoder else decoded
        embedded = self.embedding_decoder(features) if self.embedding_decoder else decoded
        return Prediction(
            logits_BKhw=logits_BKhw,
            attention_BLhw=self.attention(attended).float(),
            embedding_BDhw=self.embedding(embedded),
        )
