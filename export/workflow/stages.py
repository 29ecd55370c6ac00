"""What each stage does; none asks whether it was done before."""

import dataclasses
import shutil
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console

from contract.errors import ManifestError
from contract.images import read_image
from contract.manifest import published_versions, read_manifest
from contract.profile import PROFILE_FILE
from contract.promotion import promote, start_canary
from contract.verdict import Verdict, read_verdict, report_folder, write_verdict
from export.draft import export_checkpoint
from export.gate.contender import Opener
from export.gate.decision import decide
from export.gate.findings import FINDINGS_FILE
from export.gate.question import GATE_FOLDER, Question
from export.gate.report import PICTURES, write_report
from export.kept import keep_checkpoint
from export.publish import EXPORT_FOLDER, publish
from export.workflow.order import Order
from training.checkpoint import load_checkpoint
from training.datasets import open_dataset
from training.pictures import spread
from training.prepare import Plan
from training.recipes.recipe import Recipe
from training.run import train

RUN_FOLDER = "train"
PARITY_PHOTOS = 8
COPIED = (FINDINGS_FILE, PROFILE_FILE)


def train_stage(order: Order, recipe: Recipe, console: Console) -> dict[str, Any]:
    """Train, from the last finished epoch where a kill broke it off; gives the scores."""
    dataset = open_dataset(order.data, recipe.class_map, order.renames)
    plan = Plan(
        out=order.out / RUN_FOLDER,
        cache=order.cache,
        train_split=order.split,
        evaluate_split=order.evaluate_split,
        skip_bad=order.skip_bad,
        resume=True,
        accelerator=order.device,
        precision=order.precision,
        workers=order.workers,
    )
    return {"scores": train(recipe, dataset, plan, console).scores}


def export_stage(order: Order, console: Console) -> dict[str, Any]:
    """Write ONNX and prove on photos of the data set that it gives what torch gives; gives the parity."""
    folder = order.out / EXPORT_FOLDER
    for left in folder.glob(".export-*"):  # of one that was killed
        shutil.rmtree(left, ignore_errors=True)
    checkpoint = load_checkpoint(order.out / RUN_FOLDER)
    listing = open_dataset(order.data, checkpoint.classes, order.renames).load(order.split, skip_bad=True)
    photos = [read_image(image.path) for image in spread(listing.images, PARITY_PHOTOS)]
    draft = export_checkpoint(checkpoint, folder, photos=photos, console=console)
    for name, share in draft.parity.items():
        console.print(f"{name}: {share:.4%}", highlight=False)
    return {"parity": draft.parity, "files": draft.files}


def gate_stage(order: Order, live: int | None, opener: Opener, console: Console) -> Verdict:
    """Compare the export with the live version."""
    question = Question(
        order.out / EXPORT_FOLDER,
        version=0,
        live=order.model / str(live) if live is not None else None,
        against=live,
        golden=order.golden,
        split=order.golden_split,
        renames=order.renames,
        limits=order.limits,
        pairs=order.pairs,
    )
    return decide(question, opener, order.out / GATE_FOLDER, console)


def publish_stage(order: Order, verdict: Verdict) -> int:
    """Publish the export, unless that was done before a kill, with its report and its checkpoint."""
    version = find_published(order.model, verdict.files)
    if version is None:
        why = order.why or f"retrained on {order.data.name}"
        folder = publish(
            order.out / EXPORT_FOLDER, name=order.model.name, root=order.model.parent, who=order.who, why=why
        )
        version = int(folder.name)
    _copy_report(order.out / GATE_FOLDER, verdict, order.model, version)
    keep_checkpoint(order.out / RUN_FOLDER, order.model, version)
    return version


def promote_stage(order: Order, version: int) -> None:
    """
    Let a version answer all requests, or some.

    Raises:
        PromotionRefused: If another version went live since the gate compared them.
        RegistryBusy: If somebody else changes the versions now.
    """
    why = order.why or "retrained, and passed the gate"
    if order.canary is None:
        promote(order.model, version, who=order.who, why=why)
    else:
        start_canary(order.model, version, who=order.who, why=why, share=order.canary)


def find_published(model: Path, files: dict[str, str]) -> int | None:
    """Give the newest version that has these very files; damaged ones have none."""
    for version in reversed(published_versions(model)):
        with suppress(ManifestError):
            if read_manifest(model / str(version)).files == files:
                return version
    return None


def kept_verdict(order: Order) -> Verdict | None:
    """Give what the gate found of this run's export; None where it has not looked."""
    return read_verdict(order.out / GATE_FOLDER)


def _copy_report(source: Path, verdict: Verdict, model: Path, version: int) -> None:
    """Put the export's report into the registry, under the version's number."""
    folder = report_folder(model, version)
    folder.mkdir(parents=True, exist_ok=True)
    if (source / PICTURES).is_dir():
        shutil.copytree(source / PICTURES, folder / PICTURES, dirs_exist_ok=True)
    for name in COPIED:
        if (source / name).is_file():
            shutil.copyfile(source / name, folder / name)
    numbered = dataclasses.replace(verdict, version=version)
    write_report(numbered, folder)
    write_verdict(numbered, folder)  # last: where it is, all else is
