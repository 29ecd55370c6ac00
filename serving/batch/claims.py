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

Change = tuple[str, tuple[Any, ...]]

BY_NAME = "SELECT name, origin, size, mtime_ns, state, run, sha256 FROM photos WHERE name = ?"
BY_STEM = "SELECT origin FROM photos WHERE stem = ?"


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A photo that this run segments.

    Args:
        item: It.
        known: The sha256 of the content whose masks lie there already, if any do.
    """

    item: Item
    known: str | None = None


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
    Tell what is to be done with a photo, and write it down.

    Args:
        database: The ledger's, in a transaction.
        outputs: Where masks lie.
        out: The folder that they lie in.
        item: The photo.
        run: The number of this run.
    """
    row = database.execute(BY_NAME, (item.name,)).fetchone()
    if row is None:
        return _judge_new(database, outputs, out, item, run)
    _, origin, size, mtime_ns, state, seen, sha256 = row
    if seen == run:
        return _judge_second(item, origin)
    stamp = Stamp(size, mtime_ns) if size is not None else None
    if state == "done" and stamp is not None and stamp == item.stamp:
        database.execute(
            "UPDATE photos SET run = ?, origin = ? WHERE name = ?", (run, item.origin, item.name)
        )
        return Verdict("before")
    _begin(database, item, run)
    return Claim(item, sha256 if state == "done" else None)


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


def kept(claim: Claim) -> Change:
    """Say that a photo is the same as before."""
    return (
        "UPDATE photos SET state = 'done', sha256 = ? WHERE name = ?",
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


def _judge_new(
    database: sqlite3.Connection, outputs: Outputs, out: Place, item: Item, run: int
) -> Claim | Verdict:
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
    _begin(database, item, run)
    return Claim(item)


def _judge_second(item: Item, origin: str) -> Verdict:
    """A name that this run has had: the same photo once more, or another of its name."""
    if item.origin == origin:
        return Verdict("twice")
    return _refused(item, f"has the name of {origin}; segment the two into different folders")


def _refused(item: Item, reason: str) -> Verdict:
    return Verdict("failed", Trouble(item.origin, reason))


def _begin(database: sqlite3.Connection, item: Item, run: int) -> None:
    size, mtime_ns = (item.stamp.size, item.stamp.mtime_ns) if item.stamp else (None, None)
    database.execute(
        "INSERT INTO photos (name, stem, origin, size, mtime_ns, state, run)"
        " VALUES (?, ?, ?, ?, ?, 'begun', ?)"
        " ON CONFLICT (name) DO UPDATE SET origin = excluded.origin, size = excluded.size,"
        " mtime_ns = excluded.mtime_ns, state = 'begun', run = excluded.run",
        (item.name, stem(item.name), item.origin, size, mtime_ns, run),
    )


def _draw(name: str, state: str, confidence: float, picture: bytes | None) -> Change:
    if picture is None:
        return "DELETE FROM pictures WHERE name = ?", (name,)
    return "INSERT OR REPLACE INTO pictures VALUES (?, ?, ?, ?)", (name, state, confidence, picture)
