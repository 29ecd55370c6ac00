"""`box2seg evaluate` as it is typed, on drawn photos and networks that learned nothing."""

import json
from pathlib import Path

import pytest
import torch
from click.testing import Result
from PIL import Image
from typer.testing import CliRunner

from cli.__main__ import app
from contract.classes import class_map
from contract.geometry import FitRule
from contract.manifest import Origin
from tests.drawing import draw_voc
from training.checkpoint import Checkpoint, save_checkpoint
from training.networks.box2seg import Box2Seg
from training.networks.segmentation import NetworkSpec


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_voc(tmp_path_factory.mktemp("voc") / "drawn", train=1, val=4)


def make_run(folder: Path, *, seed: int, names: tuple[str, ...] = ("cat", "dog")) -> Path:
    """Write a run's checkpoint with random weights."""
    torch.manual_seed(seed)
    classes = class_map(names)
    spec = NetworkSpec("test_resnet", len(classes), width=8, embedding=4, shared_decoder=True)
    network = Box2Seg(spec)
    torch.nn.init.normal_(network.segmentation.head.weight, std=2)
    origin = Origin("tiny", "drawn train", "boxes", seed, "0123abc", "a test", 0.0)
    folder.mkdir()
    save_checkpoint(Checkpoint(classes, FitRule(96), spec, network.state_dict(), {}, origin, {}), folder)
    return folder


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "first", seed=0)


@pytest.fixture(scope="module")
def second(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp("runs") / "second", seed=1)


def evaluate(*words: object) -> Result:
    return CliRunner().invoke(app, ["evaluate", *map(str, words)])


def scores(*words: object) -> dict[str, object]:
    result = evaluate(*words, "--json")
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def test_json_keeps_its_keys_and_adds_intervals(first: Path, data: Path) -> None:
    """Scores stand by name where they always stood; their intervals have a place of their own."""
    found = scores(first, "--data", data)
    assert 0 <= found["val mIoU3"] <= 1
    assert set(found["intervals"]) == {name for name in found if name.startswith("val ")}
    interval = found["intervals"]["val mIoU3"]
    assert interval["low"] <= found["val mIoU3"] <= interval["high"]
    assert found["photos"] == 4


def test_the_table_says_score_and_interval(first: Path, data: Path) -> None:
    """A row per score, with the interval beside it; tables in files are not folded."""
    result = evaluate(first, "--data", data)
    assert result.exit_code == 0, result.stderr
    found = scores(first, "--data", data)
    low, high = (found["intervals"]["val mIoU3"][end] for end in ("low", "high"))
    rows = [" ".join(line.split()) for line in result.stdout.splitlines()]
    assert f"val mIoU3 {found['val mIoU3']:.4f} ({low:.4f} to {high:.4f})" in rows
    assert "4 photos; in brackets 95 % intervals over photos" in rows


def test_a_run_beside_itself_shows_no_difference(first: Path, data: Path) -> None:
    """Given twice, a run differs from itself by 0 between 0 and 0, in words and in JSON."""
    said = evaluate(first, first, "--data", data).stdout
    assert f"{first} less {first}, paired photo by photo" in said
    assert "+0.0000 (+0.0000 to +0.0000)" in said
    assert "no difference shown" in said
    assert "higher" not in said
    (same,) = scores(first, first, "--data", data)["compared"]
    assert same["differences"]["val mIoU3"] == {"value": 0, "low": 0, "high": 0, "shown": False}


def test_runs_are_compared_with_the_first(first: Path, second: Path, data: Path) -> None:
    """The first run's scores stay at the top; the others' are beside it, less it."""
    both = scores(first, second, "--data", data)
    (other,) = both["compared"]
    assert other["run"] == str(second)
    assert other["scores"]["val mIoU3"] == scores(second, "--data", data)["val mIoU3"]
    difference = other["differences"]["val mIoU3"]["value"]
    assert difference == pytest.approx(other["scores"]["val mIoU3"] - both["val mIoU3"], abs=2e-4)


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["--scales", "0.67,1"], "val multi-scale mIoU3"),
        (["--flip"], "val mirrored mIoU3"),
        (["--long-side", "128"], "val 128 px mIoU3"),
        (["--long-side", "64", "--scales", "1,1.5", "--flip"], "val 64 px multi-scale mirrored mIoU3"),
    ],
)
def test_other_views_have_other_names(first: Path, data: Path, words: list[str], name: str) -> None:
    """A score at another size, at several scales or mirrored is never taken for the plain one."""
    found = scores(first, "--data", data, *words)
    assert name in found
    assert "val mIoU3" not in found


def test_worst_and_best_are_named_and_drawn(first: Path, data: Path, tmp_path: Path) -> None:
    """Photos are listed by their own mean IoU, and drawn in that order into one sheet."""
    sheet = tmp_path / "sheet.png"
    words = (first, "--data", data, "--worst", 3, "--best", 1, "--pictures", sheet)
    found = scores(*words)
    worst = [entry["mIoU"] for entry in found["worst"]]
    assert worst == sorted(worst)
    assert found["best"][0]["mIoU"] >= worst[-1]
    assert f"{worst[0]:.4f}  {found['worst'][0]['photo']}" in evaluate(*words).stdout
    with Image.open(sheet) as drawn:
        assert drawn.format == "PNG"


def test_pictures_alone_are_of_the_split(first: Path, data: Path, tmp_path: Path) -> None:
    """Without --worst and --best the sheet shows photos from all over the split."""
    assert evaluate(first, "--data", data, "--pictures", tmp_path / "sheet.jpg").exit_code == 0
    assert (tmp_path / "sheet.jpg").is_file()


def test_a_teacher_is_told_the_boxes(first: Path, data: Path) -> None:
    """As a teacher, even a network that learned nothing labels nothing outside the boxes."""
    found = scores(first, "--as-teacher", "--data", data)
    assert found["val out-of-box error"] == 0
    assert found["val mIoU3"] > scores(first, "--data", data)["val mIoU3"]  # type: ignore[operator]


def test_grabcut_is_scored_alike(data: Path) -> None:
    """A prior has the same scores; classes that no photo shows have none, and JSON says null."""
    found = scores("--grabcut", "--data", data)
    assert found["val IoU cat"] > 0.8
    assert found["val IoU horse"] is None
    assert found["intervals"]["val IoU horse"] == {"low": None, "high": None}
    assert "val IoU horse -" in " ".join(evaluate("--grabcut", "--data", data).stdout.split())


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ([], "name a run, or say --grabcut"),
        (["RUN", "--grabcut"], "name a run, or say --grabcut"),
        (["--grabcut", "--flip"], "GrabCut sees the photo as it is"),
        (["RUN", "--as-teacher", "--flip"], "sees mirror images anyhow"),
        (["RUN", "RUN", "--worst", "1"], "show one run, got 2"),
        (["RUN", "--scales", "large"], "expected numbers with commas between them, got 'large'"),
        (["RUN", "--scales", "0"], "expected numbers above 0"),
        (["RUN", "--long-side", "100"], "long_side must be a positive multiple of 32, got 100"),
        (["RUN", "--device", "abacus"], "device abacus: not to be had here"),
        (["RUN", "--split", "test"], "no such split"),
        (["RUN", "--pictures", "sheet.gif"], "a picture's name ends in .png, .jpg, .jpeg"),
    ],
)
def test_what_cannot_be_is_refused(first: Path, data: Path, words: list[str], problem: str) -> None:
    """A sentence that says what to do, exit code 2, and nothing on stdout."""
    typed = [first if word == "RUN" else word for word in words]
    refused = evaluate(*typed, "--data", data)
    assert refused.exit_code == 2
    assert problem in " ".join(refused.stderr.split())
    assert refused.stdout == ""


def test_runs_of_other_classes_are_not_compared(first: Path, data: Path, tmp_path: Path) -> None:
    """Two runs that mean other things by their labels are refused, with both lists."""
    other = make_run(tmp_path / "other", seed=2, names=("dog",))
    refused = evaluate(first, other, "--data", data)
    assert refused.exit_code == 2
    assert "(background, cat, dog), got background, dog" in " ".join(refused.stderr.split())


def test_a_split_without_photos_is_refused(first: Path, tmp_path: Path) -> None:
    """An empty list has nothing to score, and says so."""
    empty = draw_voc(tmp_path / "empty", train=1, val=0)
    refused = evaluate(first, "--data", empty)
    assert refused.exit_code == 2
    assert "empty val: no photo to score" in refused.stderr
