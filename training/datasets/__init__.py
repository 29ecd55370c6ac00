"""One file per format of annotated images on disk, and the promise they all keep."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.errors import AnnotationError, DataError

if TYPE_CHECKING:
    from training.datasets.folder import Folder, FolderDataset

NO_RENAMES: Mapping[str, str] = MappingProxyType({})


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
        """The data set's name for records: its folder's, and what is renamed."""

    @property
    def classes(self) -> ClassMap:
        """What the labels of its boxes and masks mean."""

    def load(self, split: str, *, skip_bad: bool = False) -> Listing:
        """
        List a split's images with their boxes.

        Raises:
            DataError: If there is no such split, or the data set knows nothing of a class.
            AnnotationError: For the first bad image, unless `skip_bad`.
        """

    def truth(self, image: AnnotatedImage) -> Uint8:
        """
        Read an image's mask: (H, W) uint8 labels, IGNORE where void.

        Raises:
            AnnotationError: If there is none or it does not fit the image.
        """


def open_dataset(root: Path, classes: ClassMap, renames: Mapping[str, str] = NO_RENAMES) -> Dataset:
    """
    Open a folder with the reader that fits its layout.

    Args:
        root: A VOC folder (Annotations/, ImageSets/), a COCO one (annotations/instances_*.json) or a YOLO one
            (data.yaml).
        classes: Classes to read; boxes of others count as background.
        renames: New name by the name in the annotations.

    Raises:
        DataError: If the folder is missing or has none of the layouts.
    """
    return _find_format(root)(root, classes, renames=dict(renames))


def open_folder(root: Path) -> Folder:
    """Open a folder whatever its classes; otherwise as `open_dataset`."""
    return _find_format(root).kind(root)


def _find_format(root: Path) -> type[FolderDataset]:
    from training.datasets.coco import CocoDataset
    from training.datasets.voc import VocDataset
    from training.datasets.yolo import YoloDataset

    for dataset in (VocDataset, CocoDataset, YoloDataset):
        if dataset.kind.fits(root):
            return dataset
    problem = "has none of the known layouts" if root.is_dir() else "is no folder"
    raise DataError(
        f"{root}: {problem}",
        hint="expected a VOC devkit folder (JPEGImages/, Annotations/, ImageSets/Main/SPLIT.txt), "
        "a COCO one (annotations/instances_SPLIT.json beside SPLIT/ or images/) "
        "or a YOLO one (data.yaml, images/, labels/)",
    )
