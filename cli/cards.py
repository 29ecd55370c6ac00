"""What is known of each version of a model, for tables and for programs."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.errors import ManifestError, RegistryError
from contract.history import Event, read_history
from contract.manifest import Manifest, read_manifest
from contract.permission import check_model, objections
from contract.registry import Standing, State, read_standing
from contract.verdict import Verdict, read_verdict, report_folder


@dataclass(frozen=True, slots=True)
class Card:
    """
    One version.

    Args:
        folder: Where it lies.
        version: Its number.
        state: Where it stands.
        standing: Where all stand.
        manifest: What it says of itself; None where that cannot be read.
        verdict: What the gate found; None where it has not looked, or that cannot be read.
        problem: What cannot be read, or nothing.
        events: What was done to it, oldest first.
    """

    folder: Path
    version: int
    state: State
    standing: Standing
    manifest: Manifest | None
    verdict: Verdict | None
    problem: str
    events: tuple[Event, ...]

    @property
    def size_bytes(self) -> int:
        """The size of its files."""
        return sum(path.stat().st_size for path in self.folder.glob("*") if path.is_file())

    @property
    def precision(self) -> str:
        """What its network computes in."""
        return self.manifest.precision if self.manifest else ""

    @property
    def report(self) -> Path:
        """Where the gate's report lies, if it has looked."""
        return report_folder(self.folder.parent, self.version)

    def objections(self) -> list[str]:
        """Say what stands against letting it answer, a line each."""
        if self.state is State.LIVE:
            return []
        if self.problem:
            return [self.problem]
        return objections(self.folder.parent, self.version, self.standing)


def read_cards(model: Path) -> list[Card]:
    """
    Read what is known of a model's versions, oldest first; what cannot be read of one is said in its card.

    Raises:
        UnknownModel: If there is no such model.
        RegistryError: If the history cannot be read.
    """
    check_model(model)
    standing = read_standing(model)
    events = read_history(model)
    return [_read_card(model / str(version), standing, events) for version in sorted(standing.states)]


def summary(card: Card) -> dict[str, Any]:
    """Give a version in a few fields, as JSON has them."""
    manifest, verdict = card.manifest, card.verdict
    canary = card.state is State.CANARY
    return {
        "version": card.version,
        "state": str(card.state),
        **({"share": card.standing.share, "shadow": card.standing.shadow} if canary else {}),
        "created": manifest.created if manifest else None,
        "precision": card.precision or None,
        "bytes": card.size_bytes,
        "scores": _known(manifest.scores) if manifest else None,
        "gate": {"passed": verdict.passed, "against": verdict.against} if verdict else None,
        "problem": card.problem or None,
        "last": event_content(card.events[-1]) if card.events else None,
    }


def everything(card: Card) -> dict[str, Any]:
    """Give a version in full, as JSON has it."""
    manifest = dataclasses.asdict(card.manifest) if card.manifest else None
    if manifest:
        manifest |= {"scores": _known(manifest["scores"]), "parity": _known(manifest["parity"])}
    return {
        **summary(card),
        "folder": str(card.folder),
        "manifest": manifest,
        "verdict": dataclasses.asdict(card.verdict) if card.verdict else None,
        "report": str(card.report) if card.verdict else None,
        "objections": card.objections(),
        "history": [event_content(event) for event in card.events],
    }


def event_content(event: Event) -> dict[str, Any]:
    """Give an event as JSON has it, as it stands in the history."""
    return dataclasses.asdict(event)


def _read_card(folder: Path, standing: Standing, events: list[Event]) -> Card:
    version = int(folder.name)
    manifest, verdict, problems = None, None, []
    try:
        manifest = read_manifest(folder)
    except ManifestError as error:
        problems.append(error.message if folder.is_dir() else f"{folder}: its files are gone")
    try:
        verdict = read_verdict(report_folder(folder.parent, version))
    except RegistryError as error:
        problems.append(error.message)
    own = tuple(event for event in events if event.version == version)
    problem = "; ".join(problems)
    return Card(folder, version, standing.states[version], standing, manifest, verdict, problem, own)


def _known(scores: dict[str, float]) -> dict[str, float | None]:
    """JSON has no word for NaN, the score of a class seen nowhere."""
    return {name: value if math.isfinite(value) else None for name, value in scores.items()}
