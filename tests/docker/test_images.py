"""Dockerfiles: what they copy is there, what they end as is small, pinned and nobody's root."""

import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from serving.settings import Settings
from tests.docker.files import (
    DOCKER,
    DOCKERFILES,
    ROOT,
    copied_sources,
    is_pinned,
    our_variables,
    read_stages,
)

SERVERS = [file for file in DOCKERFILES if file.stem not in ("cluster", "trainer")]

images = pytest.mark.parametrize("file", DOCKERFILES, ids=lambda file: file.stem)
servers = pytest.mark.parametrize("file", SERVERS, ids=lambda file: file.stem)


def is_sent(path: str) -> bool:
    """Tell whether .dockerignore, which leaves all out that it does not name with a "!", sends a path."""
    first, *rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert first == "*"
    named = [rule.removeprefix("!") for rule in rules if rule.startswith("!")]
    return any(path == each or path.startswith(f"{each}/") for each in named)


def test_there_are_four() -> None:
    """Gateway, all in one, trainer, and the machines of a cluster."""
    assert [file.stem for file in DOCKERFILES] == ["all-in-one", "cluster", "gateway", "trainer"]


@images
def test_hadolint_finds_nothing(file: Path) -> None:
    """The linter for Dockerfiles is content, without a rule silenced."""
    done = subprocess.run(
        [Path(sys.executable).with_name("hadolint"), file], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")
    assert "hadolint" not in file.read_text(encoding="utf-8")


@images
def test_what_is_copied_is_there(file: Path) -> None:
    """Each source of a COPY is in the checkout and gets to the builder, and --from names a stage."""
    stages = read_stages(file)
    for stage in stages:
        for source in copied_sources(stage):
            assert (ROOT / source).exists(), source
            assert is_sent(source), f".dockerignore leaves {source} out"
        names = re.findall(r"--from=(\S+)", " ".join(stage.all("COPY")))
        assert set(names) <= {each.name for each in stages}


@images
def test_every_package_goes_along(file: Path) -> None:
    """What one copied package imports of the project is copied too: the rooms below it."""
    copied = {source for stage in read_stages(file) for source in copied_sources(stage)}
    rooms = {"contract", "cli", "client"} | (
        {"training", "export"} if file.stem == "trainer" else {"serving"}
    )
    assert rooms <= copied


@images
def test_bases_are_pinned(file: Path) -> None:
    """Each stage begins with one version of an image, the same for all."""
    bases = {stage.base for stage in read_stages(file)}
    assert len(bases) == 1
    assert all(is_pinned(base) for base in bases)


@images
def test_nobody_is_root(file: Path) -> None:
    """The image runs as a user by number, which orchestrators can tell from root."""
    (user,) = read_stages(file)[-1].all("USER")
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user)


@images
def test_the_last_stage_builds_nothing(file: Path) -> None:
    """What is installed comes from the stage before; pip is taken out, and no compiler comes in."""
    said = " ".join(read_stages(file)[-1].all("RUN"))
    assert "uninstall --yes wheel setuptools pip" in said
    assert not re.search(r"apt|pip install|gcc|build-essential|curl|make\b", said)


@images
def test_packages_are_those_pinned_by_hash(file: Path) -> None:
    """Only files of hashes are installed from, before our own code is copied: code changes no large layer."""
    build = read_stages(file)[0]
    order = [words for name, words in build.steps if name in ("RUN", "COPY")]
    installed = next(index for index, words in enumerate(order) if "--require-hashes" in words)
    assert "--only-binary :all:" in order[installed]
    assert not any("contract" in words for words in order[:installed])
    assert all("--no-deps" in words for words in order[installed + 1 :] if "pip install" in words)
    named = re.search(r"-r requirements/(\w+)\.txt", order[installed])
    assert named
    assert f"pin,{named[1]}," in (ROOT / "Makefile").read_text(encoding="utf-8")


@servers
def test_it_is_started_with_the_word_serve(file: Path) -> None:
    """The entry point is the command, so that `docker run IMAGE serve`, as SageMaker does, serves."""
    last = read_stages(file)[-1]
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    assert last.all("ENTRYPOINT") == ['["box2seg"]']
    assert "box2seg" in scripts
    assert last.all("CMD") == ['["serve"]']


@servers
def test_settings_are_ours(file: Path) -> None:
    """Variables are settings that there are, all addresses are listened on, at the port of the default."""
    last = read_stages(file)[-1]
    variables = last.variables()
    assert our_variables(variables) <= set(Settings.model_fields)
    assert variables["BOX2SEG_HOST"] == "0.0.0.0"
    assert last.all("EXPOSE") == [str(Settings().port)]
    assert "BOX2SEG_OPEN" not in variables


@servers
def test_health_is_asked(file: Path) -> None:
    """The health check runs the script that is copied to where it is called."""
    last = read_stages(file)[-1]
    (check,) = last.all("HEALTHCHECK")
    assert '["python", "/health.py"]' in check
    assert "docker/health.py /health.py" in last.all("COPY")


@pytest.mark.parametrize("name", ["trainer", "cluster"])
def test_what_ends_by_itself_has_no_health(name: str) -> None:
    """No check takes a run for dead."""
    assert read_stages(DOCKER / f"{name}.Dockerfile")[-1].all("HEALTHCHECK") == ["NONE"]


def test_health_reads_the_ports_variables() -> None:
    """The script looks for the port where the settings do."""
    said = (DOCKER / "health.py").read_text(encoding="utf-8")
    choices = Settings.model_fields["port"].validation_alias.choices  # type: ignore[union-attr]
    assert re.findall(r'"([A-Z0-9_]+)"[,\n]', said) == choices


def test_nothing_large_goes_to_the_builder() -> None:
    """Data, runs and environments stay out of every image."""
    for path in (".git", ".venv", "runs", "docs", "tests", "docker/metrics.key", "keys.json"):
        assert not is_sent(path)
    rules = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert "**/__pycache__" in rules
