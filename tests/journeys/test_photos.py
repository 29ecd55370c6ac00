"""Real photos: the boxes of a data set to a checkpoint, and the shipped model's masks against true ones."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from cli.__main__ import app
from contract.images import read_size
from contract.manifest import published_versions, read_manifest
from contract.metrics import confusion_matrix, mean_iou
from serving.triton.environment import CHECKOUT
from training.checkpoint import load_checkpoint
from training.datasets.voc import VocDataset

DATA = Path(os.environ.get("BOX2SEG_DATA", CHECKOUT.parent / "shared" / "data")) / "voc_animals"
SHIPPED = CHECKOUT / "model_repository"

pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason=f"no real photos at {DATA} (BOX2SEG_DATA)")


def box2seg(*words: object) -> None:
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, (result.output, result.exception)


@pytest.fixture
def few_photos(tmp_path: Path) -> Path:
    """The data set with splits of eight and two photos; its files are linked, not copied."""
    root = tmp_path / "few"
    lists = Path("ImageSets", "Segmentation")
    (root / lists).mkdir(parents=True)
    for folder in ("JPEGImages", "Annotations", "SegmentationClass"):
        (root / folder).symlink_to(DATA / folder)
    for split, count in (("train", 8), ("val", 2)):
        names = (DATA / lists / f"{split}.txt").read_text().split()[:count]
        (root / lists / f"{split}.txt").write_text("\n".join(names))
    return root


def test_real_boxes_become_masks(few_photos: Path, tmp_path: Path) -> None:
    """Photos, boxes and masks as the devkit has them give a scored, exported, published model."""
    changes = ("epochs=2", "warm_epochs=1", "batch_size=4", "crop=64", "long_side=96", "width=8")
    words = [word for change in changes for word in ("--set", change)]
    places = ("--data", few_photos, "--out", tmp_path / "run", "--cache", tmp_path / "cache")
    box2seg("train", *places, "--workers", 0, "--device", "cpu", *words)
    assert 0 <= load_checkpoint(tmp_path / "run").scores["val mIoU7"] <= 1
    box2seg("export", tmp_path / "run", "--photos", DATA / "JPEGImages")
    box2seg("publish", tmp_path / "run", "--repository", tmp_path / "repository")
    parity = read_manifest(tmp_path / "repository" / "box2seg" / "1").parity
    assert parity["onnxruntime label agreement"] >= 0.999
    photo = next((DATA / "JPEGImages").glob("*.jpg"))
    box2seg("predict", photo, "--out", tmp_path, "--repository", tmp_path / "repository")
    assert read_size(tmp_path / f"{photo.stem}.png") == read_size(photo)


def test_shipped_model_knows_its_classes(tmp_path: Path) -> None:
    """On photos that training never saw, the shipped model's masks come near the true ones."""
    model = SHIPPED / "box2seg"
    manifest = read_manifest(model / str(published_versions(model)[-1]))
    dataset = VocDataset(DATA, manifest.classes)
    images = dataset.load("val").images[::10]
    box2seg("predict", *(image.path for image in images), "--out", tmp_path, "--repository", SHIPPED)
    confusion = np.zeros((len(manifest.classes),) * 2, dtype=np.int64)
    for image in images:
        labels = np.asarray(Image.open(tmp_path / f"{image.name}.png"))
        confusion += confusion_matrix(dataset.truth(image), labels, len(manifest.classes))
    assert mean_iou(confusion) > 0.6
