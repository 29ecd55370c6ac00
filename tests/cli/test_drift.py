"""`box2seg models drift`: what live traffic looks like beside the golden photos."""

import json
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest
from typer.testing import CliRunner, Result

from cli.__main__ import app
from contract.history import Action
from contract.profile import BRIGHTNESS_BINS, Look, profile_of, write_profile
from contract.registry import changing
from contract.verdict import report_folder
from tests.serving.colours import CLASSES, publish_colours

GOLDEN = [Look((90, 10, 0, 0), 0.9, 0.55), Look((70, 10, 0, 20), 0.8, 0.45)]
DARK = [Look((100, 0, 0, 0), 0.6, 0.05), Look((100, 0, 0, 0), 0.6, 0.05)]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository whose version 1 is live, with the golden set's profile."""
    model = publish_colours(tmp_path / "repository").parent
    with changing(model) as changes:
        changes.record(Action.PROMOTE, 1, who="a test", why="")
    folder = report_folder(model, 1)
    folder.mkdir(parents=True)
    write_profile(profile_of(GOLDEN, CLASSES), folder)
    return model.parent


def metrics(path: Path, looks: list[Look]) -> Path:
    """Write what a gateway's metrics say after these photos, under the names that it gives them."""
    registry = CollectorRegistry()
    labels = ["model", "version"]
    edges = [edge / BRIGHTNESS_BINS for edge in range(1, BRIGHTNESS_BINS)]
    pixels = Counter("box2seg_class_pixels", "Pixels.", [*labels, "class"], registry=registry)
    sure = Histogram("box2seg_confidence", "Confidence.", labels, registry=registry)
    bright = Histogram("box2seg_photo_brightness", "Brightness.", labels, buckets=edges, registry=registry)
    for look in looks:
        for name, count in zip(CLASSES.names, look.pixels, strict=True):
            pixels.labels("box2seg", "1", name).inc(count)
        sure.labels("box2seg", "1").observe(look.confidence)
        bright.labels("box2seg", "1").observe(look.brightness)
    path.write_bytes(generate_latest(registry))
    return path


def ask(root: Path, *words: str) -> Result:
    return CliRunner().invoke(app, ["models", "drift", "--repository", str(root), *words])


def test_the_same_photos_have_not_drifted(root: Path, tmp_path: Path) -> None:
    """Metrics of the golden photos themselves give both indices as 0, and both profiles alike."""
    answer = ask(root, "--metrics", str(metrics(tmp_path / "metrics", GOLDEN)), "--json")
    assert answer.exit_code == 0, answer.output
    found = json.loads(answer.stdout)
    assert found["drift"] == {"classes": pytest.approx(0), "brightness": pytest.approx(0)}
    assert found["seen"]["confidence"] == pytest.approx(found["golden"]["confidence"])
    assert found["seen"]["bins"] == pytest.approx(found["golden"]["bins"])
    assert found["seen"]["photos"] == 2


def test_the_dark_has_drifted(root: Path, tmp_path: Path) -> None:
    """Photos at night without an object are told from the golden ones, by the exit code too."""
    answer = ask(root, "--metrics", str(metrics(tmp_path / "metrics", DARK)))
    assert answer.exit_code == 1
    assert "much has changed" in answer.output
    assert ask(root, "--metrics", str(tmp_path / "metrics"), "--limit", "1000").exit_code == 0


@pytest.mark.parametrize(
    ("words", "message"),
    [
        pytest.param(["--metrics", "no/such/file"], "no metrics", id="no file"),
        pytest.param(["--metrics", "http://127.0.0.1:9/metrics"], "no metrics", id="no server"),
        pytest.param(["--version", "7"], "the gate has not looked at it", id="no profile"),
        pytest.param(["--model", "cats"], "no published model 'cats'", id="no model"),
    ],
)
def test_what_is_missing_is_named(root: Path, words: list[str], message: str) -> None:
    """In a sentence, with what to do."""
    answer = ask(root, *words)
    assert answer.exit_code == 2
    assert message in " ".join(answer.output.split())


def test_before_the_first_photo_there_is_no_drift(root: Path, tmp_path: Path) -> None:
    """A server that has answered nothing yet says nothing of drift."""
    answer = ask(root, "--metrics", str(metrics(tmp_path / "metrics", [])))
    assert answer.exit_code == 2
    assert "has answered no photo yet" in answer.output
