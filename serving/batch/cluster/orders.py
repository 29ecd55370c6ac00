"""What travels between the ledger's machine and the workers: photos there, what came of them back."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from contract.manifest import MANIFEST_FILE
from serving.batch.findings import Failure, Product
from serving.batch.items import Stamp
from serving.batch.outputs import Outputs
from serving.versions import Version, verified_version


@dataclass(frozen=True, slots=True)
class Order:
    """
    One photo to segment.

    Args:
        ticket: Names it in the answer.
        origin: What to call it in a worker's log.
        path: Where it lies, if a worker may have that file too.
        stamp: The file's, by which a worker knows that its own is the same.
        data: Its bytes, where they are sent.
        known: The sha256 of the content whose masks lie there already, if any do.
    """

    ticket: int
    origin: str
    path: str | None = None
    stamp: Stamp | None = None
    data: bytes | None = None
    known: str | None = None

    @property
    def length(self) -> int:
        """About how many bytes the photo has."""
        if self.data is not None:
            return len(self.data)
        return self.stamp.size if self.stamp else 0


@dataclass(frozen=True, slots=True)
class Parcel:
    """
    Photos that go to one worker together.

    Args:
        number: Of the parcel.
        orders: The photos.
        threshold: A photo of less confidence may be among those shown.
        alone: Nothing else is done beside it: a worker died with one of these photos.
    """

    number: int
    orders: tuple[Order, ...]
    threshold: float
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What came of a photo; one of those below the ticket and the sha256 is told.

    Args:
        ticket: The order's.
        sha256: Of its content, as far as it was read.
        product: Its files.
        failure: Why there are none.
        unchanged: The content is the known one.
        wants: "bytes" where the worker does not have the file, "alone" where workers died with its parcel.
    """

    ticket: int
    sha256: str = ""
    product: Product | None = None
    failure: Failure | None = None
    unchanged: bool = False
    wants: Literal["bytes", "alone"] | None = None


@dataclass(frozen=True, slots=True)
class Equipment:
    """
    What a worker needs once: the model's files themselves, so that no worker has to reach them.

    Args:
        model: Its name.
        version: Of it.
        files: Of the version's folder, by name.
        outputs: What is made of each photo.
        max_pixels: Photos with more are refused.
        threads: Processors that a worker may keep busy.
        gpu: Whether a worker computes on a GPU.
    """

    model: str
    version: int
    files: dict[str, bytes]
    outputs: Outputs
    max_pixels: int
    threads: int
    gpu: bool


def pack_version(version: Version) -> dict[str, bytes]:
    """Read the files of a published version."""
    names = (MANIFEST_FILE, *version.manifest.files)
    return {name: (version.folder / name).read_bytes() for name in names}


def unpack_version(equipment: Equipment, folder: Path) -> Version:
    """
    Lay the files of a published version into a folder and prove that they are what its manifest says.

    Raises:
        ManifestError: If they are not.
    """
    place = folder / equipment.model / str(equipment.version)
    place.mkdir(parents=True)
    for name, content in equipment.files.items():
        (place / name).write_bytes(content)
    return verified_version(place)
