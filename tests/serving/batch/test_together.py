"""Files for all photos of a batch say what the files of each photo say."""

import io
import json
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image
from pycocotools.coco import COCO

from serving.batch.claims import Claim
from serving.batch.findings import Finding
from serving.batch.identity import Identity
from serving.batch.items import Item, Stamp
from serving.batch.ledger import Ledger
from serving.batch.outputs import Outputs
from serving.batch.together.coco import write_coco
from tests.cli.test_predict import run
from tests.serving.batch.filling import fill, results
from tests.serving.browser import chromium
from tests.serving.colours import CLASSES, read_labels


@pytest.fixture(scope="module")
def done(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A batch of 30 photos, three of them broken, in all forms."""
    folder = fill(tmp_path_factory.mktemp("photos"), 30, bad=3)
    (folder / "<b>&.jpg").write_bytes(b"<script>document.title = 'no'</script>")
    out = tmp_path_factory.mktemp("out")
    words = [word for name in ("png", "rle", "coco", "parquet", "sheet") for word in ("--format", name)]
    result = run(folder, "--out", out, "--repository", repository, *words)
    assert result.exit_code == 1, result.output
    return out


def test_several_formats_have_a_folder_each(done: Path) -> None:
    """Each photo's files lie below their format's name."""
    files = results(done)
    assert len([name for name in files if name.startswith("png/")]) == 27
    assert len([name for name in files if name.startswith("rle/")]) == 27
    assert {"coco.json", "masks.parquet", "least_confident.jpg"} <= files.keys()
    assert len(files) == 57


def test_the_coco_file_has_every_mask(done: Path) -> None:
    """COCO's own reader decodes the labels that the PNGs have, photo by photo."""
    coco = COCO(done / "coco.json")
    assert len(coco.imgs) == 27
    assert {each["name"] for each in coco.cats.values()} == {"red", "green", "blue", "void"}
    for number, image in coco.imgs.items():
        labels = np.zeros((image["height"], image["width"]), np.uint8)
        for annotation in coco.imgToAnns[number]:
            labels[coco.annToMask(annotation) == 1] = annotation["category_id"]
        mask = (done / "png" / image["file_name"]).with_suffix(".png")
        np.testing.assert_array_equal(labels, read_labels(mask.read_bytes()))


def test_annotations_are_on_their_photo(tmp_path: Path) -> None:
    """What an earlier run knew of a photo that is not done any more stands on no other photo."""
    outputs, identity = Outputs({}, ("coco",)), Identity("colours", 1, "0123", ("coco",))
    names = ("a.jpg", "b.jpg", "c.jpg")
    with Ledger(tmp_path, identity, outputs) as ledger:
        with ledger.transaction():
            begun = [ledger.sift(Item(name, name, lambda: b"", Stamp(1, 1))) for name in names]
        for claim in begun:
            assert isinstance(claim, Claim)
            rle = json.dumps({"annotations": [{"label": "red", "of": claim.item.name}]}).encode()
            ledger.finish(claim, claim.item.name, Finding((1, 1), 1, rle=rle))
    with Ledger(tmp_path, identity, outputs) as ledger:
        with ledger.transaction():
            ledger.sift(Item("a.jpg", "a.jpg", lambda: b"", Stamp(2, 2)))  # begun, and then came a power cut
        write_coco(tmp_path / "coco.json", ledger, CLASSES, identity)
    coco = json.loads((tmp_path / "coco.json").read_bytes())
    files = {image["id"]: image["file_name"] for image in coco["images"]}
    assert [files[each["image_id"]] for each in coco["annotations"]] == ["b.jpg", "c.jpg"]
    assert [each["of"] for each in coco["annotations"]] == ["b.jpg", "c.jpg"]


def test_the_table_has_every_photo(done: Path) -> None:
    """A row each in the order of names, with areas that add up and the run lengths of the JSON files."""
    rows = pq.read_table(done / "masks.parquet").to_pylist()
    assert [row["name"] for row in rows] == sorted(row["name"] for row in rows)
    assert len(rows) == 27
    for row in rows:
        assert sum(area for _, area in row["areas"]) == row["height"] * row["width"]
        assert row["model"] == "box2seg"
        alone = json.loads((done / "rle" / row["name"]).with_suffix(".json").read_text())
        assert [each["counts"] for each in row["masks"]] == [
            each["segmentation"]["counts"] for each in alone["annotations"]
        ]


def test_the_sheet_shows_the_least_confident(done: Path) -> None:
    """It has a cell for each of 24 photos, in the classes' colours."""
    with Image.open(io.BytesIO((done / "least_confident.jpg").read_bytes())) as sheet:
        assert sheet.size == (6 * 246 + 6, 4 * 262 + 6)
        colours = np.asarray(sheet).reshape(-1, 3)
    red = np.array(CLASSES.colours[1]) * 0.55 + np.array([250, 10, 10]) * 0.45
    assert (np.abs(colours - red).max(axis=1) < 25).sum() > 500


def test_the_report_tells_all(done: Path, tmp_path: Path) -> None:
    """In a browser: counts, classes, failures with reasons, pictures that show, nothing from outside."""
    with chromium(tmp_path) as browser:
        browser.get((done / "report.html").as_uri())
        text = browser.find_element("tag name", "body").text
        shown = browser.execute_script("return [...document.images].map(each => each.naturalWidth)")
        loaded = browser.execute_script(
            "return performance.getEntriesByType('resource').map(each => each.name)"
        )
        title = browser.title
    assert title == f"box2seg version 1 over {done.name}"
    for words in (
        "Photos with masks 27",
        "Failed 4",
        "red 27 100.0%",
        "0009.jpg the JPEG is damaged",
        "<b>&.jpg",
    ):
        assert words in text, text
    assert len(shown) == 27  # 24 least confident, and what can be seen of the three that are cut
    assert all(shown)
    assert not [name for name in loaded if not name.startswith("data:")]
