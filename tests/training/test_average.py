"""The running average, by hand."""

import pytest
import torch
from torch import nn

from training.average import WeightAverage


def test_average_by_hand() -> None:
    """The first step's weights begin it; then the old counts 2/11 at first, and at most the decay."""
    network = nn.BatchNorm1d(1)
    average = WeightAverage(network, decay=0.2)
    for value in (1.0, 2.0, 4.0):
        with torch.no_grad():
            network.weight.fill_(value)
            network.running_mean.fill_(10 * value)  # type: ignore[union-attr]
        average.update(network)
    second = 2 / 11 * 1 + 9 / 11 * 2
    third = 0.2 * second + 0.8 * 4
    averaged = average.network.state_dict()
    assert averaged["weight"].item() == pytest.approx(third)
    assert averaged["running_mean"].item() == pytest.approx(10 * third)
