"""What people draw on a photo, and the photo that carries it: one door for every kind of supervision."""

from dataclasses import dataclass, field
from pathlib import Path

from contract.arrays import Size
from contract.errors import AnnotationError


@dataclass(frozen=True, slots=True)
class Tag:
    """The photo shows this class somewhere."""

    label: int


@dataclass(frozen=True, slots=True)
class Box:
    """
    An object of this class lies inside; xyxy [px], ends exclusive.

    Raises:
        AnnotationError: If it has no area or a negative coordinate.
    """

    label: int
    left: int
    top: int
    right: int
    bottom: int

    def __post_init__(self) -> None:
        if not (0 <= self.left < self.right and 0 <= self.top < self.bottom):
            raise AnnotationError("box", f"expected 0 <= left < right and 0 <= top < bottom, got {self}")

    @property
    def area(self) -> int:
        """Area [px]."""
        return (self.right - self.left) * (self.bottom - self.top)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an (H, W) array."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True, slots=True)
class Point:
    """The pixel at (x, y) [px] is of this class."""

    label: int
    x: int
    y: int


@dataclass(frozen=True, slots=True)
class Scribble:
    """All pixels along the line through these (x, y) points [px] are of this class."""

    label: int
    points: tuple[tuple[int, int], ...]


Annotation = Tag | Box | Point | Scribble


@dataclass(frozen=True, slots=True)
class AnnotatedImage:
    """
    A photo and what was drawn on it.

    Args:
        name: Its id in the data set, unique there.
        path: The photo's file.
        size: (height, width) [px], upright (EXIF orientation applied).
        annotations: What was drawn; empty means nothing of interest is in the photo.

    Raises:
        AnnotationError: If a box or point lies outside the photo; names its index.
    """

    name: str
    path: Path
    size: Size
    annotations: tuple[Annotation, ...] = field(default=())

    def __post_init__(self) -> None:
        height, width = self.size
        for index, drawn in enumerate(self.annotations):
            if _outside(drawn, height, width):
                raise AnnotationError(
                    self.path, f"annotation {index} lies outside the photo of {width} x {height}: {drawn}"
                )

    @property
    def boxes(self) -> tuple[Box, ...]:
        """The boxes among the annotations, in their order."""
        return tuple(drawn for drawn in self.annotations if isinstance(drawn, Box))


def _outside(drawn: Annotation, height: int, width: int) -> bool:
    if isinstance(drawn, Box):
        return drawn.right > width or drawn.bottom > height
    if isinstance(drawn, Tag):
        return False
    points = drawn.points if isinstance(drawn, Scribble) else ((drawn.x, drawn.y),)
    return not all(0 <= x < width and 0 <= y < height for x, y in points)
