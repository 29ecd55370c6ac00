"""What indices and colours in mask files mean: the devkit's order, or that of a labelmap.txt."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from contract.arrays import Uint8
from contract.classes import BACKGROUND, IGNORE, Colour, voc_colour
from contract.errors import AnnotationError
from training.datasets.entries import read_text

VOC_CLASSES = (
    *("background", "aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train"),
    "tvmonitor",
)
"""The devkit's label order in its indexed masks."""

LABELMAP_FILE = "labelmap.txt"
FORM = "NAME:RED,GREEN,BLUE:PARTS:ACTIONS"


@dataclass(frozen=True, slots=True)
class LabelMap:
    """
    The classes of mask files.

    Args:
        names: By index.
        colours: By index, for masks in colour.
    """

    names: tuple[str, ...] = VOC_CLASSES
    colours: tuple[Colour, ...] = tuple(map(voc_colour, range(len(VOC_CLASSES))))

    def decode(self, file: Path, mask: Uint8, labels: Mapping[str, int]) -> Uint8:
        """
        Turn a mask file's pixels into labels.

        Args:
            file: The mask's, for messages.
            mask: (H, W) uint8 indices or (H, W, 3) uint8 colours; void is IGNORE or the devkit's colour.
            labels: Label by name; classes without one become BACKGROUND.

        Returns:
            (H, W) uint8 labels.

        Raises:
            AnnotationError: If a label has no index here, or the mask an index or colour without a name.
        """
        self._refuse_unnamed(file, labels)
        indices = mask if mask.ndim == 2 else self._indices(file, mask)
        beyond = indices[(indices >= len(self.names)) & (indices != IGNORE)]
        if beyond.size:
            raise AnnotationError(
                file, f"index {beyond[0]} has no name", hint=f"there are {len(self.names)}, counted from 0"
            )
        table = np.full(256, BACKGROUND, dtype=np.uint8)
        table[: len(self.names)] = [labels.get(name, BACKGROUND) for name in self.names]
        table[IGNORE] = IGNORE
        decoded: Uint8 = table[indices]
        return decoded

    def _refuse_unnamed(self, file: Path, labels: Mapping[str, int]) -> None:
        known = {labels[name] for name in self.names if name in labels}
        unnamed = [name for name, label in labels.items() if label not in known]
        if unnamed:
            raise AnnotationError(
                file,
                f"no index is known for {', '.join(unnamed)}",
                hint=f"masks of classes that are not VOC's need a {LABELMAP_FILE} in the data's folder: "
                f"a line {FORM} per index",
            )

    def _indices(self, file: Path, mask: Uint8) -> Uint8:
        indices = np.full(mask.shape[:2], BACKGROUND, dtype=np.uint8)
        codes = _codes(mask)
        index_by_code = {int(_codes(np.array(voc_colour(IGNORE)))): IGNORE}
        index_by_code |= {int(_codes(np.array(colour))): index for index, colour in enumerate(self.colours)}
        for code in np.unique(codes):
            if int(code) not in index_by_code:
                colour = tuple(int(code) >> shift & 0xFF for shift in (16, 8, 0))
                raise AnnotationError(
                    file, f"colour {colour} has no name", hint=f"name it in {LABELMAP_FILE}"
                )
            indices[codes == code] = index_by_code[int(code)]
        return indices


def find_labelmap(root: Path) -> LabelMap:
    """
    Give a folder's label map: its own, or the devkit's where it has none.

    Raises:
        AnnotationError: If it cannot be read; names the line.
    """
    path = root / LABELMAP_FILE
    if not path.is_file():
        return LabelMap()
    rows = [
        _parse_line(path, number, line)
        for number, line in enumerate(read_text(path).splitlines(), start=1)
        if line.strip() and not line.startswith("#")
    ]
    if not 2 <= len(rows) <= IGNORE:
        raise AnnotationError(path, f"expected 2 to {IGNORE} classes, got {len(rows)}")
    return LabelMap(tuple(name for name, _ in rows), tuple(colour for _, colour in rows))


def _parse_line(path: Path, number: int, line: str) -> tuple[str, Colour]:
    try:
        name, colour = line.strip().split(":")[:2]
        red, green, blue = bytes(map(int, colour.split(",")))  # bytes refuse what is not in [0, 255]
    except ValueError as error:
        raise AnnotationError(path, f"line {number}: {line!r} is not of the form {FORM}") from error
    return name, (red, green, blue)


def _codes(colours: npt.NDArray[np.integer]) -> npt.NDArray[np.integer]:
    """Give each RGB colour, on the last axis, as one number."""
    red, green, blue = np.moveaxis(colours.astype(np.int32), -1, 0)
    codes: npt.NDArray[np.integer] = red << 16 | green << 8 | blue
    return codes
