"""Layers that export with a free height and width, in place of equal ones that do not."""

import copy

import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn


class MatrixPool(nn.Module):
    """
    `nn.AdaptiveAvgPool2d` for any input size, also one the exporter never saw.

    The exporter can write the original only for sizes that are known when it runs. Pooling an axis is a
    product with a matrix of bin shares, and that matrix is a formula of the axis' length.

    Args:
        bins: Length of both output axes.
    """

    def __init__(self, bins: int) -> None:
        super().__init__()
        self.bins = bins

    def forward(self, features_BCHW: Tensor) -> Tensor:
        """Average over the bins: (B, C, H, W) float32 to (B, C, bins, bins)."""
        height, width = features_BCHW.shape[-2:]
        return self._shares(height) @ features_BCHW @ self._shares(width).T

    def _shares(self, length: int) -> Tensor:
        """Give (bins, length) float32: the share of each position in each bin; rows sum to one."""
        # torch's rule: bin i is [floor(i * length / bins), ceil((i + 1) * length / bins)); bins may overlap.
        index = torch.arange(self.bins).unsqueeze(1)
        position = torch.arange(length).unsqueeze(0)
        # Nothing here is negative, and truncating is one operator in ONNX where flooring is six.
        first = torch.div(index * length, self.bins, rounding_mode="trunc")
        last = torch.div((index + 1) * length + self.bins - 1, self.bins, rounding_mode="trunc")
        inside = ((position >= first) & (position < last)).float()
        return inside / inside.sum(dim=1, keepdim=True)


def padded_convolution(same: Conv2dSame) -> nn.Sequential:
    """
    Give TensorFlow's "same" convolution with its padding worked out beforehand.

    The original works it out from each input's size, which turns the free sizes into formulas that take
    the exporter many minutes. An input of whole strides, which every input of ours is, has one padding.

    Args:
        same: The convolution; its weights are shared.
    """
    convolution = nn.Conv2d(
        same.in_channels,
        same.out_channels,
        _pair(same.kernel_size),
        _pair(same.stride),
        dilation=_pair(same.dilation),
        groups=same.groups,
        bias=same.bias is not None,
    )
    convolution.weight, convolution.bias = same.weight, same.bias
    top, bottom = _same_padding(same, axis=0)
    left, right = _same_padding(same, axis=1)
    return nn.Sequential(nn.ZeroPad2d((left, right, top, bottom)), convolution)


def exportable(network: nn.Module) -> nn.Module:
    """Copy a network and put an equal layer in place of each one that does not export with free sizes."""
    network = copy.deepcopy(network)
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.AdaptiveAvgPool2d) and isinstance(child.output_size, int):
                setattr(parent, name, MatrixPool(child.output_size))
            if isinstance(child, Conv2dSame):
                setattr(parent, name, padded_convolution(child))
    return network


def _same_padding(convolution: nn.Conv2d, *, axis: int) -> tuple[int, int]:
    """Give the padding before and after an axis whose length is a multiple of the stride [px]."""
    reach = (convolution.kernel_size[axis] - 1) * convolution.dilation[axis] + 1
    total = max(0, reach - convolution.stride[axis])
    return total // 2, total - total // 2


def _pair(lengths: tuple[int, ...]) -> tuple[int, int]:
    height, width = lengths
    return height, width
