"""One check for arrays at a type's birth."""

from typing import Any

import numpy as np
import numpy.typing as npt

from contract.errors import ShapeError

Uint8 = npt.NDArray[np.uint8]
Size = tuple[int, int]
"""(height, width) [px]."""


def check_array(
    name: str, array: npt.NDArray[Any], *, shape: tuple[int | None, ...], dtype: npt.DTypeLike
) -> None:
    """
    Refuse an array of another shape or dtype.

    Args:
        name: The array's name in the message.
        array: Any numpy array.
        shape: Expected length per axis; None allows any.
        dtype: Expected dtype, exactly.

    Raises:
        ShapeError: Saying expected and got.
    """
    fits = len(array.shape) == len(shape) and all(
        want is None or want == have for want, have in zip(shape, array.shape, strict=True)
    )
    if not fits or array.dtype != np.dtype(dtype):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise ShapeError(
            name,
            expected=f"({wanted}) {np.dtype(dtype)}",
            got=f"{array.shape} {array.dtype}",
        )
