"""One file per format of annotated images on disk, and the promise they all keep."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.errors import AnnotationError, DataError


@dataclass(frozen=True, slots=True)
class Listing:
    """
    The images of one split.

    Args:
        images: Those that can be used, in the split's order.
        bad: What was wrong with the others; empty unless bad ones were to be skipped.
    """

    images: tuple[AnnotatedImage, ...]
    bad: tuple[AnnotationError, ...] = ()


class Dataset(Protocol):
    """Annotated images in splits. Masks are read by `truth` alone, so box-only training never sees one."""

    @property
    def name(self) -> str:
        """The data set's name for records: its folder's."""

    @property
    def classes(self) -> ClassMap:
        """What the labels of its boxes and masks mean."""

    def load(self, split: str, *, skip_bad: bool = False) -> Listing:
        """
        List a split's images with their boxes.

        Raises:
            DataError: If there is no such split.
            AnnotationError: For the first bad image, unless `skip_bad`.
        """

    def truth(self, image: AnnotatedImage) -> Uint8:
        """
        Read an image's mask: (H, W) uint8 labels, IGNORE where void.

        Raises:
            AnnotationError: If there is none or it does not fit the image.
        """


def open_dataset(root: Path, classes: ClassMap) -> Dataset:
    """
    Open a folder with the reader that fits its layout.

    Args:
        root: A VOC devkit folder (Annotations/, ImageSets/) or a COCO one (annotations/instances_*.json).
        classes: Classes to read; boxes of others count as background.

    Raises:
        DataError: If the folder is missing or has neither layout.
    """
    from training.datasets.coco import CocoDataset
    from training.datasets.voc import VocDataset

    if (root / "Annotations").is_dir() and (root / "ImageSets").is_dir():
        return VocDataset(root, classes)
    if any((root / "annotations").glob("instances_*.json")):
        return CocoDataset(root, classes)
    problem = "holds neither layout" if root.is_dir() else "is no folder"
    raise DataError(
        f"{root}: {problem}",
        hint="expected a VOC devkit folder (JPEGImages/, Annotations/, ImageSets/Segmentation/) "
        "or a COCO one (annotations/instances_SPLIT.json beside SPLIT/)",
    )
