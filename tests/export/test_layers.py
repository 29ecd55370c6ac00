import pytest
import torch
from timm.layers.conv2d_same import Conv2dSame
from torch import Tensor, nn

from export.layers import MatrixPool, exportable, padded_convolution


def noise(*shape: int) -> Tensor:
    """Give the same normal numbers every time."""
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("bins", [1, 2, 3, 6])
@pytest.mark.parametrize("size", [(1, 12), (9, 12), (11, 16), (5, 6), (16, 1)], ids=str)
def test_matrix_pool_is_adaptive_average_pooling(bins: int, size: tuple[int, int]) -> None:
    """The two matrices give torch's adaptive pooling, overlapping bins and inputs below the bins included."""
    features = noise(2, 3, *size)
    # Means of up to 256 numbers near one, summed in another order: units in the last place of float32.
    torch.testing.assert_close(
        MatrixPool(bins)(features), nn.AdaptiveAvgPool2d(bins)(features), atol=1e-6, rtol=1e-5
    )


@pytest.mark.parametrize(
    ("kernel", "stride", "dilation"),
    [(3, 2, 1), (5, 2, 1), (2, 2, 1), (1, 2, 1), (7, 4, 1), (3, 1, 2)],
)
def test_padded_convolution_is_the_same_convolution(kernel: int, stride: int, dilation: int) -> None:
    """At sizes of whole strides the padding worked out beforehand gives timm's own result."""
    same = Conv2dSame(4, 6, kernel, stride, dilation=dilation, groups=2)
    images = noise(2, 4, 32, 64)
    torch.testing.assert_close(padded_convolution(same)(images), same(images))


def test_layers_are_replaced_in_a_copy() -> None:
    """Nested layers are replaced in the copy; the network itself keeps its own."""
    network = nn.Sequential(
        nn.AdaptiveAvgPool2d(2), nn.Sequential(Conv2dSame(3, 3, 3, 2), nn.AdaptiveAvgPool2d(3))
    )
    names = [type(layer).__name__ for layer in exportable(network).modules()]
    assert names.count("MatrixPool") == 2
    assert not {"Conv2dSame", "AdaptiveAvgPool2d"} & set(names)
    assert [type(layer).__name__ for layer in network.modules()].count("Conv2dSame") == 1
