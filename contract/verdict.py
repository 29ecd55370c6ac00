"""What the gate found of a candidate beside the live version, and whether it may take its place."""

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path

from contract.errors import RegistryError
from contract.files import written_whole
from contract.history import registry_folder

VERDICT_FILE = "gate.json"
REPORT_FILE = "report.html"


@dataclass(frozen=True, slots=True)
class Check:
    """
    One thing that was looked at.

    Args:
        name: Such as "mIoU".
        passed: Whether it lets the candidate through.
        seen: What was measured, in words with numbers.
        wanted: The limit, in words with numbers.
    """

    name: str
    passed: bool
    seen: str
    wanted: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """
    The gate's decision about one version.

    Args:
        version: The candidate.
        against: The version that was live then; None where there was none.
        files: sha256 by file name, of the candidate that was looked at.
        checks: All that was looked at.
        created: UTC, ISO 8601.
        commit: Of the code that decided.
        machine: Where it was measured.
        manifest_sha256: Of the candidate's manifest; see `contract.manifest.manifest_sha256`.
    """

    version: int
    against: int | None
    files: dict[str, str]
    checks: tuple[Check, ...]
    created: str
    commit: str
    machine: str
    manifest_sha256: str = ""

    @property
    def passed(self) -> bool:
        """Whether each check passed."""
        return all(check.passed for check in self.checks)

    def reasons(self) -> list[str]:
        """Say what stands against the candidate, a line each."""
        return [f"{each.name}: {each.seen}, wanted {each.wanted}" for each in self.checks if not each.passed]


def report_folder(model: Path, version: int) -> Path:
    """Give the folder of what the gate wrote about a version, from the model's folder."""
    return registry_folder(model) / "reports" / str(version)


def write_verdict(verdict: Verdict, folder: Path) -> Path:
    """Write a verdict into a report's folder, whole or not at all; gives its path."""
    path = folder / VERDICT_FILE
    with written_whole(path) as stream:
        stream.write(json.dumps(dataclasses.asdict(verdict), indent=2).encode() + b"\n")
    return path


def read_verdict(folder: Path) -> Verdict | None:
    """
    Read the verdict in a report's folder; None where there is none.

    Raises:
        RegistryError: If it is there and cannot be read.
    """
    path = folder / VERDICT_FILE
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        checks = tuple(Check(**check) for check in content["checks"])
        return Verdict(**content | {"checks": checks})
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RegistryError(f"{path}: not a readable verdict ({error})", hint="run the gate again") from error
