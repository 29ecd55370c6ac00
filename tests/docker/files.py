"""What lies in docker/, read as the programs that are given it read it."""

import os
import re
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
DOCKER = ROOT / "docker"
DOCKERFILES = sorted(DOCKER.glob("*.Dockerfile"))

Part = dict[str, Any]
"""A piece of YAML."""


@dataclass
class Stage:
    """One stage of a Dockerfile: its base, and each instruction's words by its name, in their order."""

    base: str
    name: str
    steps: list[tuple[str, str]] = field(default_factory=list)

    def all(self, name: str) -> list[str]:
        """Give what all instructions of one name say."""
        return [words for each, words in self.steps if each == name]

    def variables(self) -> dict[str, str]:
        """Give what ENV sets."""
        words = [word for each in self.all("ENV") for word in shlex.split(each)]
        return dict(word.split("=", 1) for word in words)


def read_stages(dockerfile: Path) -> list[Stage]:
    """Read a Dockerfile's stages."""
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(encoding="utf-8"), flags=re.MULTILINE)
    stages: list[Stage] = []
    for line in filter(None, text.replace("\\\n", " ").splitlines()):
        name, _, words = line.partition(" ")
        if name == "FROM":
            base, _, stage = words.partition(" AS ")
            stages.append(Stage(base, stage))
        else:
            stages[-1].steps.append((name, words.strip()))
    return stages


def copied_sources(stage: Stage) -> list[str]:
    """List what a stage copies from the checkout."""
    lines = [words.split() for words in stage.all("COPY") if "--from=" not in words]
    return [word for words in lines for word in words[:-1] if not word.startswith("--")]


def read_documents(file: Path) -> list[Part]:
    """Read a YAML file's documents."""
    return [each for each in yaml.safe_load_all(file.read_text(encoding="utf-8")) if each]


def read_services(file: Path) -> dict[str, Part]:
    """Read a compose file's services with what they extend, and variables at their defaults."""
    text = re.sub(r"\$\{\w+:-(.*?)\}", r"\1", file.read_text(encoding="utf-8"))
    services: dict[str, Part] = yaml.safe_load(text)["services"]
    return {name: _extended(service, file) for name, service in services.items()}


def _extended(service: Part, file: Path) -> Part:
    if "extends" not in service:
        return service
    extends = service["extends"]
    base = read_services(file.parent / extends["file"])[extends["service"]]
    lists = {name: [*base.get(name, []), *service.get(name, [])] for name in ("volumes", "ports", "networks")}
    return {**base, **service, **{name: value for name, value in lists.items() if value}}


def is_pinned(image: str) -> bool:
    """Tell whether an image's tag names one version: digits with dots, not a moving word."""
    return re.search(r":v?\d+\.\d+(\.\d+)?(-[a-z0-9]+)*$", image) is not None


def settings_of(variables: dict[str, Any], monkeypatch: Any) -> Any:
    """Read our settings from a container's variables, and from no others."""
    from serving.settings import read_settings

    for name in os.environ:
        if name.startswith(("BOX2SEG_", "AIP_")):
            monkeypatch.delenv(name)
    for name, value in variables.items():
        monkeypatch.setenv(name, str(value))
    return read_settings()


def our_variables(variables: dict[str, Any]) -> set[str]:
    """Give those that are settings of ours by their name."""
    return {name.removeprefix("BOX2SEG_").lower() for name in variables if name.startswith("BOX2SEG_")}
