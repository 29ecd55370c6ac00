"""How much worse than the live version a candidate may be: each limit a setting with a default."""

import dataclasses
import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from contract.errors import ConfigurationError


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What the gate asks for; any field can be changed from the command line or a TOML file.

    Raises:
        ConfigurationError: If a value is none that can be asked for.
    """

    least_photos: int = 20
    """Golden photos needed; of fewer, an interval says too little."""
    score_loss: float = 0.01
    """Mean IoU that may be lost at worst: minus this is below the difference's whole 95 % interval."""
    class_loss: float = 0.05
    """IoU that any one class may lose, by its value; of single classes the intervals are wide."""
    boundary_loss: float = 0.02
    """Mean boundary F-score that may be lost at worst, by the lower end as for mean IoU."""
    agreement: float = 0.995
    """Least share of pixels to which torch, ONNX Runtime and the engine as served give the same label."""
    latency_ratio: float = 1.25
    """Most time per photo, as a multiple of the live version's in the same run."""
    memory_ratio: float = 1.25
    """Most memory of a process that runs it, as a multiple of the live version's."""
    precision_loss: float = 0.01
    """Share of the fp32 version's mean IoU that one of fewer bits may lose."""

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value) or value < 0 or (field.name == "agreement" and value > 1):
                raise ConfigurationError(f"limit {field.name}: expected a number from 0, got {value}")


def read_limits(path: Path | None, assignments: Iterable[str] = ()) -> Limits:
    """
    Give the limits of a TOML file, changed by "name=value" words; the defaults where neither says any.

    Raises:
        ConfigurationError: If the file cannot be read, or a name or value is none; names the right ones.
    """
    given = dict(_read_file(path)) if path else {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise ConfigurationError(f"{assignment!r}: expected NAME=VALUE", hint="--limit score_loss=0.02")
        given[name] = value
    changes: dict[str, Any] = {name: _number(name, value) for name, value in given.items()}
    return dataclasses.replace(Limits(), **changes)


def _read_file(path: Path) -> Mapping[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"{path}: not a readable TOML file of limits ({error})", hint="a line for each: score_loss = 0.02"
        ) from error


def _number(name: str, value: Any) -> float:
    fields = {field.name: field.type for field in dataclasses.fields(Limits)}
    if name not in fields:
        raise ConfigurationError(f"no limit {name!r}; there are {', '.join(fields)}")
    try:
        if isinstance(value, bool):
            raise ValueError
        return int(value) if fields[name] is int else float(value)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(f"limit {name}: expected a number, got {value!r}") from error
