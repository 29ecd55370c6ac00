"""Whether a photo that was found is to be segmented: by what the ledger knows of it and of its name."""

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from serving.batch.findings import Failure, Finding
from serving.batch.items import Item, Stamp, Trouble, stem
from serving.batch.outputs import Outputs
from serving.batch.places import Place, is_taken
from serving.batch.remote import Remote

Change = tuple[str, tuple[Any, ...]]
"""A statement for the ledger's database, and its values."""

BY_NAME = "SELECT name, origin, size, mtime_ns, state, run, sha256 FROM photos WHERE name = ?"
BY_STEM = "SELECT origin FROM photos WHERE stem = ?"


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A photo that this run segments.

    Args:
        item: It.
        known: The sha256 of the content whose masks lie there already, if any do.
        other: The origin of the photo that those masks are of, where it is not this one's.
    """

    item: Item
    known: str | None = None
    other: str | None = None


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    A photo that this run does not segment.

    Args:
        kind: "before" where its masks lie there since an earlier run, "twice" where this run has it already.
        trouble: Why not, where it is "failed".
    """

    kind: Literal["before", "twice", "failed"]
    trouble: Trouble | None = None


def judge(
    database: sqlite3.Connection, outputs: Outputs, out: Place, item: Item, run: int
) -> Claim | Verdict:
    """
    Tell what is to be done with a photo.

    Args:
        database: The ledger's.
        outputs: Where masks lie.
        out: The folder that they lie in.
        item: The photo.
        run: The number of this run.
    """
    row = database.execute(BY_NAME, (item.name,)).fetchone()
    if row is None:
        return _judge_new(database, outputs, out, item)
    _, origin, size, mtime_ns, state, seen, sha256 = row
    stamp = Stamp(size, mtime_ns) if size is not None else None
    if seen == run:
        return _judge_second(item, origin, stamp)
    if state != "done" or not _are_there(outputs, out, item):
        return Claim(item)
    if item.origin != origin:  # such as another archive with the same names in it, lengths and times too
        return Claim(item, sha256, origin)
    return Verdict("before") if stamp is not None and stamp == item.stamp else Claim(item, sha256)


def note(result: Claim | Verdict, item: Item, run: int) -> Iterator[Change]:
    """
    Say what was judged of a photo.

    What lies there of another photo stays that one's until the contents are known to be the same.
    """
    if isinstance(result, Claim) and result.other is None:
        size, mtime_ns = (item.stamp.size, item.stamp.mtime_ns) if item.stamp else (None, None)
        yield (
            "INSERT INTO photos (name, stem, origin, size, mtime_ns, state, run)"
            " VALUES (?, ?, ?, ?, ?, 'begun', ?)"
            " ON CONFLICT (name) DO UPDATE SET origin = excluded.origin, size = excluded.size,"
            " mtime_ns = excluded.mtime_ns, state = 'begun', run = excluded.run",
            (item.name, stem(item.name), item.origin, size, mtime_ns, run),
        )
    elif isinstance(result, Verdict) and result.kind == "before":
        yield "UPDATE photos SET run = ? WHERE name = ?", (run, item.name)


def finished(claim: Claim, sha256: str, finding: Finding) -> Iterator[Change]:
    """Say that a photo's masks lie there."""
    name = claim.item.name
    height, width = finding.size
    areas = None if finding.areas is None else json.dumps(finding.areas)
    yield (
        "UPDATE photos SET state = 'done', sha256 = ?, reason = NULL, height = ?, width = ?, version = ?,"
        " confidence = ?, areas = ? WHERE name = ?",
        (sha256, height, width, finding.version, finding.confidence, areas, name),
    )
    if finding.rle is not None:
        yield "INSERT OR REPLACE INTO masks VALUES (?, ?)", (name, finding.rle)
    yield _draw(name, "done", finding.confidence or 0.0, finding.picture)


def kept(claim: Claim, run: int) -> Iterator[Change]:
    """Say that a photo is the same as before."""
    item = claim.item
    size, mtime_ns = (item.stamp.size, item.stamp.mtime_ns) if item.stamp else (None, None)
    yield (
        "UPDATE photos SET state = 'done', sha256 = ?, origin = ?, size = ?, mtime_ns = ?, run = ?"
        " WHERE name = ?",
        (claim.known, item.origin, size, mtime_ns, run, item.name),
    )


def left(claim: Claim, reason: str) -> Iterator[Change]:
    """Say that nothing is known of a photo but the masks that it had, or that those are another's."""
    yield "INSERT INTO troubles VALUES (?, ?)", (claim.item.origin, reason)
    if claim.other is None:  # without a stamp its content decides the next time
        yield (
            "UPDATE photos SET state = 'done', sha256 = ?, size = NULL, mtime_ns = NULL WHERE name = ?",
            (claim.known, claim.item.name),
        )


def failed(claim: Claim, failure: Failure) -> Iterator[Change]:
    """Say that a photo has no masks."""
    name = claim.item.name
    yield (
        "UPDATE photos SET state = 'failed', sha256 = NULL, reason = ?, confidence = NULL, areas = NULL"
        " WHERE name = ?",
        (failure.reason, name),
    )
    yield "DELETE FROM masks WHERE name = ?", (name,)
    yield _draw(name, "failed", 0.0, failure.picture)


def _judge_new(database: sqlite3.Connection, outputs: Outputs, out: Place, item: Item) -> Claim | Verdict:
    other = database.execute(BY_STEM, (stem(item.name),)).fetchone()
    if other is not None:
        return _refused(
            item, f"its masks would be those of {other[0]}; segment the two into different folders"
        )
    if outputs.is_reserved(stem(item.name)):
        return _refused(item, "its masks would take the place of the batch's own files; rename the photo")
    for target in outputs.targets(out, stem(item.name)).values():
        if is_taken(target):
            there = str(target).removeprefix(f"{out}/")
            return _refused(item, f"{there} is there already, and not of this batch; name another --out")
    return Claim(item)


def _are_there(outputs: Outputs, out: Place, item: Item) -> bool:
    """Tell whether all of a photo's files lie there; of those at a URI it is believed, as of `is_taken`."""
    targets = outputs.targets(out, stem(item.name)).values()
    return isinstance(out, Remote) or all(is_taken(target) for target in targets)


def _judge_second(item: Item, origin: str, stamp: Stamp | None) -> Verdict:
    """Judge a name that this run has had: the same photo once more, or another of its name."""
    if item.origin != origin:
        return _refused(item, f"has the name of {origin}; segment the two into different folders")
    if stamp in (None, item.stamp):
        return Verdict("twice")
    return _refused(item, "is there more than once, with another length or time; the first has the masks")


def _refused(item: Item, reason: str) -> Verdict:
    return Verdict("failed", Trouble(item.origin, reason))


def _draw(name: str, state: str, confidence: float, picture: bytes | None) -> Change:
    if picture is None:
        return "DELETE FROM pictures WHERE name = ?", (name,)
    return "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)", (name, state, confidence, picture)
