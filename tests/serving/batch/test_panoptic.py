"""COCO's panoptic form is read back by its own formula."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.classes import IGNORE, ClassMap
from serving.batch.panoptic import encode_panoptic, segment_ids
from tests.cli.test_predict import run
from tests.serving.batch.filling import fill, results
from tests.serving.colours import CLASSES, read_labels


@pytest.fixture(scope="module")
def done(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of 12 photos, two of them broken, as panoptic and as labels."""
    folder = fill(tmp_path_factory.mktemp("photos") / "deep", 12, bad=2).parent
    out = tmp_path_factory.mktemp("out")
    words = ("--format", "png", "--format", "panoptic", "--repository", repository)
    assert run(folder, "--out", out, *words).exit_code == 1
    return out


def read_ids(path: Path) -> np.ndarray:
    """Give the numbers of segments in a PNG, as the format defines them."""
    with Image.open(path) as image:
        assert image.mode == "RGB"
        red, green, blue = np.moveaxis(np.asarray(image).astype(np.int64), -1, 0)
    return red + 256 * green + 256**2 * blue


def test_every_segment_is_in_the_png(done: Path) -> None:
    """Numbers, areas, boxes and categories of the JSON are those of the pixels, and these the labels."""
    panoptic = json.loads((done / "panoptic.json").read_bytes())
    images = {each["id"]: each for each in panoptic["images"]}
    assert len(images) == len(panoptic["annotations"]) == 10
    assert {each["id"]: each["name"] for each in panoptic["categories"]} == {1: "red", 2: "green", 3: "blue"}
    assert {each["isthing"] for each in panoptic["categories"]} == {0}
    for annotation in panoptic["annotations"]:
        image = images[annotation["image_id"]]
        ids = read_ids(done / "panoptic" / annotation["file_name"])
        assert ids.shape == (image["height"], image["width"])
        assert Path(annotation["file_name"]).stem == Path(image["file_name"]).stem
        assert {0} | {each["id"] for each in annotation["segments_info"]} == set(np.unique(ids).tolist())
        assert len({each["id"] for each in annotation["segments_info"]}) == 2
        labels = np.zeros(ids.shape, np.uint8)
        for segment in annotation["segments_info"]:
            ours = ids == segment["id"]
            rows, columns = np.nonzero(ours)
            left, top, width, height = segment["bbox"]
            assert segment["area"] == ours.sum()
            assert (left, top) == (columns.min(), rows.min())
            assert (width, height) == (np.ptp(columns) + 1, np.ptp(rows) + 1)
            labels[ours] = segment["category_id"]
        np.testing.assert_array_equal(
            labels, read_labels((done / "png" / annotation["file_name"]).read_bytes())
        )


def test_a_server_fills_it_too(
    done: Path, repository: Path, gateway: str, tmp_path: Path, photos: Path
) -> None:
    """Of a server's answers the same files are made; alone they lie in their folder as well."""
    words = (photos, "--format", "panoptic")
    assert run(*words, "--out", tmp_path / "here", "--repository", repository).exit_code == 1
    assert run(*words, "--out", tmp_path / "there", "--server", gateway).exit_code == 1
    here = results(tmp_path / "here")
    assert sorted(here) == ["panoptic.json", "panoptic/deep/second.png", "panoptic/first.png"]
    assert results(tmp_path / "there") == here
    fresh = run(photos / "first.jpg", "--out", tmp_path / "here", "--repository", repository, "--fresh")
    assert fresh.exit_code == 0
    assert list(results(tmp_path / "here")) == ["first.png"]


def test_numbers_are_one_per_class() -> None:
    """A class's colour where it is its own; black means nothing, and void is nothing."""
    assert segment_ids(CLASSES) == {1: 128, 2: 128 * 256, 3: 128 + 128 * 256}
    odd = ClassMap(("background", "a", "b", "c"), ((9, 9, 9), (0, 0, 0), (5, 0, 1), (5, 0, 1)))
    assert segment_ids(odd) == {1: 1, 2: 5 + 256**2, 3: 3}
    clash = ClassMap(("background", "a", "b"), ((9, 9, 9), (2, 0, 0), (0, 0, 0)))
    assert segment_ids(clash) == {1: 1, 2: 2}
    labels = np.array([[0, 1, IGNORE]], np.uint8)
    assert encode_panoptic(labels, CLASSES).startswith(b"\x89PNG")
