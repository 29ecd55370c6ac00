"""Folders of many small photos, and what a batch leaves behind."""

import io
import tarfile
from pathlib import Path

from serving.batch.outputs import OWN, REPORT
from tests.serving.colours import draw_photo, encode


def fill(folder: Path, count: int, *, bad: int = 0) -> Path:
    """Make a folder of photos of several sizes; every so many are broken, `bad` in all."""
    folder.mkdir(parents=True, exist_ok=True)
    kinds = [encode(draw_photo(32 + 16 * number, 64), "JPEG", quality=90) for number in range(5)]
    every = count // bad if bad else count + 1
    for number in range(count):
        whole = kinds[number % len(kinds)]
        broken = (number + 1) % every == 0
        (folder / f"{number:04d}.jpg").write_bytes(whole[: len(whole) * 3 // 4] if broken else whole)
    return folder


def pack(folder: Path, archive: Path) -> Path:
    """Put a folder's files into a tar archive, packed as its name says."""
    kind = archive.suffix.removeprefix(".").replace("tar", "")
    with tarfile.open(archive, f"w:{kind}") as tar:  # type: ignore[call-overload]
        for path in sorted(folder.rglob("*")):
            tar.add(path, f"packed/{path.relative_to(folder)}", recursive=False)
    return archive


def add_member(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    """Put a file into an open tar archive under any name."""
    member = tarfile.TarInfo(name)
    member.size = len(data)
    tar.addfile(member, io.BytesIO(data))


def results(out: Path) -> dict[str, bytes]:
    """Give all files of a batch but its ledger and its report, which tell times, by their names."""
    files = {path.relative_to(out).as_posix(): path for path in out.rglob("*") if path.is_file()}
    return {
        name: path.read_bytes() for name, path in files.items() if name != REPORT and not name.startswith(OWN)
    }
