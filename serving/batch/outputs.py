"""What a batch writes, and where: files for each photo, for each video, and for all of them together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from contract.errors import UnknownFormat
from serving.batch.places import Place

TOGETHER = {
    "coco": "coco.json",
    "panoptic": "panoptic.json",
    "parquet": "masks.parquet",
    "sheet": "least_confident.jpg",
}
"""Files for all photos, by the name of their format; written at the end."""

DERIVED = {"panoptic": ".png"}
"""What files of photos end in that a batch makes itself, besides those that a server answers with."""

VIDEOS = {"overlay-video": ".overlay.mp4", "mask-video": ".mask.mkv"}
"""What is added to a video's name, by the name of the format; written at the end."""

REPORT = "report.html"
OWN = ".box2seg"
MARK = f"{OWN}/batch.json"
"""Says at a URI that there is a batch, whose ledger is elsewhere."""

NEED_RLE = {"coco", "panoptic", "parquet", *VIDEOS}
"""Made of the run lengths that the ledger keeps."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """
    The formats asked for.

    Args:
        suffixes: What a photo's files end in, by format.
        together: Formats of files for all photos.
        videos: Formats of a video's files.
    """

    suffixes: Mapping[str, str]
    together: tuple[str, ...] = ()
    videos: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All formats, in order."""
        return tuple(sorted({*self.suffixes, *self.together, *self.videos}))

    @property
    def answered(self) -> tuple[str, ...]:
        """The formats of photos' files that a server answers with."""
        return tuple(name for name in self.suffixes if name not in DERIVED)

    @property
    def needs_rle(self) -> bool:
        """Tell whether a file for all photos, or of a video, is made of their run lengths."""
        return bool(NEED_RLE.intersection(self.names))

    def targets(self, out: Place, stem: str) -> dict[str, Place]:
        """Give where a photo's files go, by format; several formats have a folder each."""
        return {name: out / path for name, path in self._paths(stem).items()}

    def own_files(self, out: Place) -> list[Place]:
        """Give the files that are made of all photos."""
        return [out / name for name in (REPORT, *(TOGETHER[each] for each in self.together))]

    def is_reserved(self, stem: str) -> bool:
        """Tell whether a photo's file would have the place of one of the batch's own, or lie below it."""
        taken = {REPORT, OWN, *TOGETHER.values()}
        return any(PurePosixPath(path).parts[0] in taken for path in self._paths(stem).values())

    def _paths(self, stem: str) -> dict[str, str]:
        if len(self.suffixes) == 1 and not DERIVED.keys() & self.suffixes:
            return {name: f"{stem}{suffix}" for name, suffix in self.suffixes.items()}
        return {name: f"{name}/{stem}{suffix}" for name, suffix in self.suffixes.items()}


def choose_outputs(names: Sequence[str], suffixes: Mapping[str, str]) -> Outputs:
    """
    Give the outputs of these names.

    Args:
        names: Of formats, as typed.
        suffixes: Of a photo's files, by format, as far as there are any.

    Raises:
        UnknownFormat: If there is no such format; names those there are.
    """
    suffixes = {**suffixes, **DERIVED}
    there = dict.fromkeys((*suffixes, *TOGETHER, *VIDEOS))
    for name in names:
        if name not in there:
            raise UnknownFormat(f"no format {name!r}", hint=f"there are: {', '.join(there)}")
    return Outputs(
        {name: suffixes[name] for name in dict.fromkeys(names) if name in suffixes},
        tuple(name for name in TOGETHER if name in names),
        tuple(name for name in VIDEOS if name in names),
    )
