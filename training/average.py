"""A running average of the weights over the last steps, which scores more steadily than any one step's."""

from collections.abc import Sequence

from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn


class WeightAverage:
    """
    Exponential moving average of weights and batch statistics (Polyak and Juditsky, 1992).

    Args:
        network: What is averaged; its weights after the first step are the first average.
        decay: Weight of the old average at each step, in (0, 1); less at first, so that the first
            weights are soon forgotten.
    """

    def __init__(self, network: nn.Module, decay: float) -> None:
        self.decay = decay
        self.model = AveragedModel(network, multi_avg_fn=self._average, use_buffers=True)

    @property
    def network(self) -> nn.Module:
        """The network with averaged weights."""
        averaged: nn.Module = self.model.module
        return averaged

    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        self.model.update_parameters(network)

    def state_dict(self) -> dict[str, Tensor]:
        """Give what resuming needs."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Go on from a state."""
        self.model.load_state_dict(state)

    def _average(self, averaged: Sequence[Tensor], current: Sequence[Tensor], updates: Tensor | int) -> None:
        decay = min(self.decay, (1 + float(updates)) / (10 + float(updates)))
        get_ema_multi_avg_fn(decay)(averaged, current, updates)  # type: ignore[no-untyped-call]
