"""What a batch writes, and where: files for each photo, and files for all of them together."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from contract.errors import UnknownFormat

TOGETHER = {
    "coco": "coco.json",
    "parquet": "masks.parquet",
    "sheet": "least_confident.jpg",
}
"""Files for all photos, by the name of their format; written at the end."""

REPORT = "report.html"
OWN = ".box2seg"


@dataclass(frozen=True, slots=True)
class Outputs:
    """
    The formats asked for.

    Args:
        suffixes: What a photo's files end in, by format.
        together: Formats of files for all photos.
    """

    suffixes: Mapping[str, str]
    together: tuple[str, ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """All formats, in order."""
        return tuple(sorted((*self.suffixes, *self.together)))

    @property
    def needs_rle(self) -> bool:
        """Tell whether a file for all photos is made of their run lengths."""
        return "coco" in self.together or "parquet" in self.together

    def targets(self, out: Path, stem: str) -> dict[str, Path]:
        """Give where a photo's files go, by format; several formats have a folder each."""
        if len(self.suffixes) == 1:
            return {name: out / f"{stem}{suffix}" for name, suffix in self.suffixes.items()}
        return {name: out / name / f"{stem}{suffix}" for name, suffix in self.suffixes.items()}

    def is_reserved(self, stem: str) -> bool:
        """Tell whether a photo's file would have the place of one of the batch's own."""
        taken = {Path(name) for name in (REPORT, OWN, *TOGETHER.values())}
        files = self.targets(Path(), stem).values()
        return any(file in taken or file.parts[0] == OWN for file in files)


def choose_outputs(names: Sequence[str], suffixes: Mapping[str, str]) -> Outputs:
    """
    Give the outputs of these names.

    Args:
        names: Of formats, as typed.
        suffixes: Of a photo's files, by format, as far as there are any.

    Raises:
        UnknownFormat: If there is no such format; names those there are.
    """
    for name in names:
        if name not in suffixes and name not in TOGETHER:
            there = ", ".join((*suffixes, *TOGETHER))
            raise UnknownFormat(f"no format {name!r}", hint=f"there are: {there}")
    return Outputs(
        {name: suffixes[name] for name in dict.fromkeys(names) if name in suffixes},
        tuple(name for name in TOGETHER if name in names),
    )
