"""Which masks are read: those that the recipe names, and no others."""

import io
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from contract.classes import ClassMap
from contract.errors import DataError
from tests.training.small import plan, small_recipe
from training.data import Example
from training.datasets.voc import VocDataset
from training.examples import training_examples


def examples(folder: Path, classes: ClassMap, tmp_path: Path, *changes: str) -> list[Example]:
    console = Console(file=io.StringIO())
    return training_examples(small_recipe(*changes), VocDataset(folder, classes), plan(tmp_path), console)


def test_boxes_learn_from_no_mask(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """A run from boxes has guessed labels for every photo."""
    found = examples(drawn_voc, classes, tmp_path)
    assert len(found) == 12
    assert not any(example.exact for example in found)


def test_masks_of_the_named_photos_are_read(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """With learn=masks the named photos alone are learned from, each with its true mask."""
    names = tmp_path / "names.txt"
    names.write_text("drawn_0003\ndrawn_0007\n")
    found = examples(drawn_voc, classes, tmp_path, "learn=masks", f"masks={names}")
    assert [example.image.name for example in found] == ["drawn_0003", "drawn_0007"]
    dataset = VocDataset(drawn_voc, classes)
    assert all(np.array_equal(example.guess(), dataset.truth(example.image)) for example in found)


def test_mixed_keeps_the_order_and_marks_masks(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """With learn=mixed masks stand where they are named, guesses elsewhere, in the split's order."""
    names = tmp_path / "names.txt"
    names.write_text("drawn_0003")
    found = examples(drawn_voc, classes, tmp_path, "learn=mixed", f"masks={names}")
    assert [example.image.name for example in found] == [f"drawn_{index:04d}" for index in range(12)]
    assert [example.exact for example in found] == [index == 3 for index in range(12)]


def test_a_class_without_a_box_is_said(drawn_voc: Path, tmp_path: Path) -> None:
    """A class that the data set may have, but no photo has a box of, is named before training."""
    recipe = small_recipe("classes=cat,cow,dog")
    console = Console(file=io.StringIO())
    training_examples(recipe, VocDataset(drawn_voc, recipe.class_map), plan(tmp_path), console)
    assert "train: no box of cow; it cannot be learned" in console.file.getvalue()  # type: ignore[attr-defined]
    assert "no box of cat" not in console.file.getvalue()  # type: ignore[attr-defined]


def test_filled_boxes_as_prior(drawn_voc: Path, classes: ClassMap, tmp_path: Path) -> None:
    """With prior=boxes each pixel of a box has its class."""
    example = examples(drawn_voc, classes, tmp_path, "prior=boxes")[0]
    box = example.image.boxes[0]
    assert (example.guess()[box.slices] == box.label).all()


@pytest.mark.parametrize(
    ("content", "message"),
    [("drawn_0012\n", "1 photos are not in train, first drawn_0012"), ("", "is empty")],
)
def test_strange_names_are_refused(
    drawn_voc: Path, classes: ClassMap, tmp_path: Path, content: str, message: str
) -> None:
    """A photo of another split, and an empty list, are refused by name."""
    names = tmp_path / "names.txt"
    names.write_text(content)
    with pytest.raises(DataError, match=message):
        examples(drawn_voc, classes, tmp_path, "learn=masks", f"masks={names}")
