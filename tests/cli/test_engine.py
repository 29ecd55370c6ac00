import dataclasses
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.__main__ import app
from contract.manifest import MODEL_FILE, file_sha256, read_manifest, write_manifest
from export.publish import CONFIG_TEMPLATE
from tests.serving.colours import publish_colours

NO_TENSORRT = pytest.mark.skipif(find_spec("tensorrt") is not None, reason="TensorRT is installed here")


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """Give a published version beside the shipped configuration."""
    publish_colours(tmp_path)
    (tmp_path / "box2seg" / CONFIG_TEMPLATE.name).write_bytes(CONFIG_TEMPLATE.read_bytes())
    return tmp_path / "box2seg" / "1"


@NO_TENSORRT
@pytest.mark.parametrize("verb", ["build", "check"])
def test_without_tensorrt(version: Path, tmp_path: Path, verb: str) -> None:
    """Where TensorRT is absent a sentence says what to install or where to run it; nothing is written."""
    out = tmp_path / "engines"
    refused = CliRunner().invoke(app, ["engine", verb, str(version), "--out", str(out)])
    assert refused.exit_code == 1
    assert "TensorRT is not installed here" in refused.stderr
    assert "pip install tensorrt" in refused.stderr
    assert "tritonserver" in refused.stderr
    assert not out.exists()


def test_a_version_that_was_changed(version: Path) -> None:
    """No engine is built of a file that is not the published one."""
    (version / MODEL_FILE).write_bytes(b"other")
    refused = CliRunner().invoke(app, ["engine", "build", str(version)])
    assert refused.exit_code == 2
    assert "sha256" in refused.stderr


def test_int8_is_for_processors(version: Path) -> None:
    """TensorRT does not take our int8; the message says what to export instead."""
    change_precision(version, "int8")
    refused = CliRunner().invoke(app, ["engine", "build", str(version)])
    assert refused.exit_code == 2
    assert "--precision fp16" in refused.stderr


def test_whether_the_configuration_fits(version: Path) -> None:
    """It fits the precision that it was made for; for another one the exit code is 1, with the reason."""
    fits = CliRunner().invoke(app, ["engine", "config", str(version)])
    assert (fits.exit_code, fits.stdout.strip()) == (0, f"{version.parent / 'config.pbtxt'}: fits")
    change_precision(version, "fp16")
    other = CliRunner().invoke(app, ["engine", "config", str(version)])
    assert other.exit_code == 1
    assert "which wants FP16" in other.stdout


def change_precision(version: Path, precision: str) -> None:
    """Have a version's manifest say another precision."""
    files = {MODEL_FILE: file_sha256(version / MODEL_FILE)}
    write_manifest(dataclasses.replace(read_manifest(version), precision=precision, files=files), version)
