"""What brings a graph into a precision."""

from collections.abc import Sequence
from functools import partial

from contract.arrays import Uint8
from contract.errors import ConfigurationError
from contract.geometry import FitRule
from export.narrowing import narrow
from export.onnx import Change, as_it_is
from export.quantisation import quantise


def lowering(precision: str, photos: Sequence[Uint8], rule: FitRule) -> Change:
    """
    Give the change of a graph that has it compute in a precision.

    Args:
        precision: One of `contract.manifest.PRECISIONS`.
        photos: (H, W, 3) uint8 RGB each, for int8's ranges; the others look at none.
        rule: How photos enter the network.

    Raises:
        ConfigurationError: If int8 has no photos, or another precision has some.
    """
    if precision == "int8":
        if not photos:
            raise ConfigurationError(
                "int8 needs photos to measure its ranges on",
                hint="--calibrate FOLDER: photos like those to come, without labels",
            )
        return partial(quantise, frames=[_frame(photo, rule) for photo in photos])
    if photos:
        raise ConfigurationError(f"{precision} measures no ranges", hint="--calibrate goes with int8 alone")
    if precision == "fp16":
        return partial(narrow, precision="fp16")
    if precision == "bf16":
        return partial(narrow, precision="bf16")
    return as_it_is


def _frame(photo: Uint8, rule: FitRule) -> Uint8:
    return rule.fit((photo.shape[0], photo.shape[1])).fit_image(photo)[None]
