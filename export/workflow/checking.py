"""The first stage: is there something to learn, is it whole, and does it leave the golden photos alone?"""

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.errors import DataError
from contract.files import written_whole
from contract.images import read_image
from export.workflow.order import Order
from training.datasets import open_dataset, open_folder
from training.pictures import save_sheet, spread
from training.priors.grabcut import GrabCut
from training.progress import progress_bar
from training.recipes.recipe import Recipe
from training.survey import SAMPLE, SplitSurvey, Wanted, sheet_images, survey_split

FOLDER = "data"
SHEET_FILE = "sheet.jpg"
SURVEY_FILE = "survey.json"
SHOWN = 5


def check_data(order: Order, recipe: Recipe, console: Console) -> dict[str, int]:
    """
    Look at all photos, and draw a dozen with boxes and GrabCut masks; gives their counts.

    Raises:
        DataError: If photos are broken, there are none, or golden photos are among them.
    """
    folder, wanted = open_folder(order.data), Wanted(recipe.classes, order.renames)
    splits = [order.split, *([order.evaluate_split] if order.evaluate_split else [])]
    surveys = [survey_split(folder, split, wanted, console) for split in dict.fromkeys(splits)]
    _write_survey(surveys, order.out / FOLDER / SURVEY_FILE)
    _refuse_broken(order, surveys)
    learned = (
        open_dataset(order.data, recipe.class_map, order.renames).load(order.split, skip_bad=True).images
    )
    golden = open_dataset(order.golden, recipe.class_map, order.renames).load(order.golden_split).images
    if not golden:
        raise DataError(f"{order.golden}: no golden photo in {order.golden_split}")
    _refuse_leaks(learned, golden, console)
    found = sheet_images(surveys, wanted)
    if found is not None:
        save_sheet(order.out / FOLDER / SHEET_FILE, spread(found[0], SAMPLE), _masks, found[1], boxes=True)
    console.print(f"{len(learned):,} photos to learn from, {len(golden):,} golden ones to compare on")
    return {"photos": len(learned), "golden": len(golden)}


def _masks(image: AnnotatedImage) -> Uint8:
    return GrabCut().guess(read_image(image.path), image.boxes)


def _write_survey(surveys: Sequence[SplitSurvey], path: Path) -> None:
    with written_whole(path) as stream:
        content = {survey.split: survey.as_dict() for survey in surveys}
        stream.write(json.dumps(content, indent=2).encode() + b"\n")


def _refuse_broken(order: Order, surveys: Sequence[SplitSurvey]) -> None:
    broken = [error for survey in surveys for error in survey.broken]
    if not broken or order.skip_bad:
        return
    first = "; ".join(error.message for error in broken[:SHOWN])
    raise DataError(
        f"{order.data}: {len(broken)} photos cannot be used: {first}",
        hint=f"all of them: {order.out / FOLDER / SURVEY_FILE}; mend them, or leave them out with --skip-bad",
    )


def _refuse_leaks(
    learned: Sequence[AnnotatedImage], golden: Sequence[AnnotatedImage], console: Console
) -> None:
    """Refuse golden photos that are learned from: on those any network looks better than it is."""
    with progress_bar(console, "comparing photos with the golden ones", len(learned) + len(golden)) as bar:
        known = {_digest(image.path): image.name for image in bar.around(golden)}
        leaks = [image.name for image in bar.around(learned) if _digest(image.path) in known]
    if leaks:
        raise DataError(
            f"{len(leaks)} golden photos are among those to learn from, the first {leaks[0]}",
            hint="take them out of one of the two; scores on photos that were learned from mean nothing",
        )


def _digest(path: Path) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()
