"""The shapes that a TensorRT engine is built for, from how photos enter the network."""

from dataclasses import dataclass

from contract.geometry import FitRule

Shape = tuple[int, int, int, int]
"""Images, height, width, and three colours."""

USUAL_RATIO = (3, 4)
"""Short to long side of most photos; TensorRT chooses its kernels for this one."""

COLOURS = 3


@dataclass(frozen=True, slots=True)
class Profile:
    """A range of input shapes, and the one in it to be fastest at."""

    least: Shape
    best: Shape
    most: Shape


def profiles(rule: FitRule, batch: int) -> tuple[Profile, ...]:
    """
    Give the profiles of a model: photos that lie, photos that stand, and all else that tensors may be.

    Photos have the rule's long side on one axis, so the first two leave one axis free; the third is for
    programs that send tensors of other multiples.

    Args:
        rule: How photos enter the network.
        batch: Most images in a request, the `max_batch_size` of config.pbtxt.
    """
    short = rule.long_side * USUAL_RATIO[0] // USUAL_RATIO[1]
    usual, step, long = (
        max(rule.multiple, short // rule.multiple * rule.multiple),
        rule.multiple,
        rule.long_side,
    )
    most = (batch, long, long, COLOURS)
    return (
        Profile((1, step, long, COLOURS), (1, usual, long, COLOURS), most),
        Profile((1, long, step, COLOURS), (1, long, usual, COLOURS), most),
        Profile((1, step, step, COLOURS), (batch, usual, long, COLOURS), most),
    )
