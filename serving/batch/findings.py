"""What a batch keeps of each photo besides its masks."""

from collections.abc import Callable
from dataclasses import dataclass

from contract.arrays import Size


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What is known of a segmented photo.

    Args:
        size: Its (height, width) [px].
        version: Of the model that segmented it.
        areas: Pixels by class name, background and void included; None where nobody counted.
        confidence: The mean of the winner's probability over all pixels, in [0, 1]; None where not known.
        rle: The answer in the format "rle", where an output is made of it.
        picture: A small JPEG with the mask over it, where it may be among those shown.
    """

    size: Size
    version: int
    areas: dict[str, int] | None = None
    confidence: float | None = None
    rle: bytes | None = None
    picture: bytes | None = None


@dataclass(frozen=True, slots=True)
class Product:
    """
    What segmenting a photo gave.

    Args:
        files: What to write, by the format's name.
        finding: What to keep.
    """

    files: dict[str, bytes]
    finding: Finding


@dataclass(frozen=True, slots=True)
class Failure:
    """
    Why there is no mask of a photo.

    Args:
        reason: In a sentence.
        picture: A small JPEG of what can be seen of it, if anything can.
    """

    reason: str
    picture: bytes | None = None


Read = Callable[[], bytes]
Keep = Callable[[Product], None]
