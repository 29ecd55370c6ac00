import io
from pathlib import Path

import pytest
from rich.console import Console

from contract.classes import ClassMap
from contract.errors import AnnotationError, ConfigurationError
from tests.drawing import draw_yolo
from tests.training.small import plan, small_recipe
from training.datasets import open_dataset
from training.prepare import Evaluation, Plan, evaluation_images, refuse_what_is_no_folder, resume_point


def look(folder: Path, classes: ClassMap) -> tuple[Evaluation, str]:
    console = Console(file=io.StringIO(), soft_wrap=True)
    found = evaluation_images(open_dataset(folder, classes), Plan(folder / "run", folder / "cache"), console)
    return found, console.file.getvalue()  # type: ignore[attr-defined]


def write_val(folder: Path, *labels: str) -> None:
    for path, text in zip(sorted((folder / "labels" / "val").iterdir()), labels, strict=True):
        path.write_text(text)


def test_boxes_alone_are_drawn_not_scored(tmp_path: Path, classes: ClassMap) -> None:
    """Photos without objects have a mask of background; where no other has one, nothing is scored."""
    folder = draw_yolo(tmp_path / "yolo", train=0, val=2)
    write_val(folder, "", "0 0.5 0.5 0.2 0.2\n")
    found, said = look(folder, classes)
    assert (len(found.images), found.has_masks) == (2, False)
    assert "val has no masks: the run is drawn, not scored" in said
    assert "1.txt: line 1: a box, no polygon" in said


def test_masks_and_photos_without_objects_are_scored(tmp_path: Path, classes: ClassMap) -> None:
    """A photo without objects does no harm to the scores of the others."""
    folder = draw_yolo(tmp_path / "yolo", train=0, val=2)
    write_val(folder, "", "0 0.1 0.1 0.5 0.1 0.5 0.5\n")
    assert look(folder, classes)[0].has_masks


def test_one_missing_mask_is_refused_beforehand(tmp_path: Path, classes: ClassMap) -> None:
    """Where some photos have masks, one without is named before the first step."""
    folder = draw_yolo(tmp_path / "yolo", train=0, val=2)
    write_val(folder, "0 0.1 0.1 0.5 0.1 0.5 0.5\n", "0 0.5 0.5 0.2 0.2\n")
    with pytest.raises(AnnotationError, match=r"1\.txt: line 1: a box, no polygon"):
        look(folder, classes)


@pytest.mark.parametrize("below", ["", "runs"])
def test_a_file_in_the_place_of_the_run_is_refused_first(
    tmp_path: Path, drawn_voc: Path, classes: ClassMap, below: str
) -> None:
    """Where the run's folder can never be made, that is said before anything is read."""
    taken = tmp_path / "look.jpg"
    taken.write_text("")
    with pytest.raises(ConfigurationError, match=r"look\.jpg is no folder"):
        resume_point(small_recipe(), open_dataset(drawn_voc, classes), plan(tmp_path, out=taken / below))


def test_a_folder_to_come_is_taken(tmp_path: Path) -> None:
    """Folders in between need not be there, and a relative path begins here."""
    refuse_what_is_no_folder(tmp_path / "runs" / "first")
    refuse_what_is_no_folder(Path("nowhere") / "first")
