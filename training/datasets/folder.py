"""A data set's files in one format, classes by name; and the same with the classes that were chosen."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import ClassVar

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.errors import AnnotationError, DataError
from training.datasets import Listing
from training.datasets.entries import Entry, annotate
from training.datasets.renames import Renames, label_names


@dataclass(frozen=True)
class Folder(ABC):
    """A folder of photos and annotations; each format is one of these. Labels come with a `FolderDataset`."""

    root: Path
    layout: ClassVar[str]
    """The format's name for people."""

    @staticmethod
    @abstractmethod
    def fits(root: Path) -> bool:
        """Tell whether a folder has this format."""

    @abstractmethod
    def splits(self) -> tuple[str, ...]:
        """Name all splits there are."""

    @abstractmethod
    def keys(self, split: str) -> Sequence[str]:
        """
        List a split's photos, each by the key that `read` takes; none is opened.

        Raises:
            DataError: If there is no such split, or its list is broken.
        """

    @abstractmethod
    def read(self, split: str, key: str) -> Entry:
        """
        Read one photo's header and annotations.

        Raises:
            AnnotationError: If either is missing or broken.
        """

    @abstractmethod
    def declared(self, split: str) -> tuple[str, ...]:
        """Name the classes that the format declares apart from its boxes; none where it does not."""

    def knows(self, split: str, name: str) -> bool:
        """Tell whether a class that no box of the split has is one of the data set's all the same."""
        return name in self.declared(split)

    def forget(self) -> None:  # noqa: B027 (most formats keep nothing)
        """Let go of what was kept in memory for listing; it is read again when needed."""

    def photo_name(self, photo: Path) -> str:
        """Name a photo by its path in the folder, or by its whole path where it lies elsewhere."""
        return photo.relative_to(self.root).as_posix() if photo.is_relative_to(self.root) else str(photo)

    @abstractmethod
    def mask(self, image: AnnotatedImage, labels: Mapping[str, int]) -> Uint8:
        """Read an image's mask with labels by class name; see `Dataset.truth`."""


@dataclass(frozen=True)
class FolderDataset:
    """
    A folder with the classes to read; see `Dataset`.

    Args:
        root: The folder.
        classes: Classes to read, by name; boxes and masks of others count as background.
        renames: Class names that are read as another.
    """

    root: Path
    classes: ClassMap
    renames: Renames = field(default_factory=dict, kw_only=True)
    kind: ClassVar[type[Folder]]
    """The format."""

    @cached_property
    def folder(self) -> Folder:
        """The files."""
        return self.kind(self.root)

    @property
    def name(self) -> str:
        """The folder's name, and what is renamed."""
        own = self.root.resolve().name
        renamed = ", ".join(f"{old}={new}" for old, new in self.renames.items())
        return f"{own} ({renamed})" if renamed else own

    def load(self, split: str, *, skip_bad: bool = False) -> Listing:
        """List a split's images; see `Dataset.load`."""
        labels = label_names(self.classes, self.renames)
        found: set[str] = set()

        def read(key: str) -> AnnotatedImage:
            entry = self.folder.read(split, key)
            found.update(box.name for box in entry.boxes)
            return annotate(entry, labels)

        try:
            listing = gather(self.folder.keys(split), read, skip_bad=skip_bad)
            self._refuse_unknown(split, labels, found)
        finally:
            self.folder.forget()
        return listing

    def truth(self, image: AnnotatedImage) -> Uint8:
        """Read an image's mask; see `Dataset.truth`."""
        return self.folder.mask(image, label_names(self.classes, self.renames))

    def _refuse_unknown(self, split: str, labels: Mapping[str, int], found: Collection[str]) -> None:
        """Refuse names that the data set has nowhere: someone mistyped them."""

        def is_there(name: str) -> bool:
            return name in found or self.folder.knows(split, name)

        meant = {label for name, label in labels.items() if is_there(name)}
        unknown = [name for name in self.classes.foreground if self.classes.index(name) not in meant]
        unknown += [old for old in self.renames if not is_there(old)]
        if unknown:
            there = ", ".join(sorted({*found, *self.folder.declared(split)})) or "none"
            problem = f"{self.name} {split}: no category {', '.join(unknown)}"
            raise DataError(problem, hint=f"there are: {there}")
        lost = [f"{old}={new}" for old, new in self.renames.items() if new not in self.classes.names]
        if lost:
            raise DataError(
                f"{self.name}: renamed to no class that is learned: {', '.join(lost)}",
                hint=f"rename to one of {', '.join(self.classes.names)}",
            )


def gather(keys: Iterable[str], read: Callable[[str], AnnotatedImage], *, skip_bad: bool) -> Listing:
    """
    Read each key's image; bad ones are collected where they are to be skipped.

    Raises:
        AnnotationError: For the first bad one otherwise.
    """
    images, bad = [], []
    for key in keys:
        try:
            images.append(read(key))
        except AnnotationError as error:
            if not skip_bad:
                raise
            bad.append(error)
    return Listing(tuple(images), tuple(bad))
