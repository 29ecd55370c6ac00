"""A recipe and a plan small enough to train within a test."""

from pathlib import Path

from training.prepare import Plan
from training.recipes import find_recipe
from training.recipes.recipe import Recipe, change

SMALL = (
    *("classes=cat,dog", "weights=none", "width=8", "embedding=4", "long_side=96", "crop=64"),
    *("batch_size=4", "epochs=2", "warm_epochs=1", "evaluate_every=1"),
)


def small_recipe(*changes: str) -> Recipe:
    return change(find_recipe("voc_boxes"), [*SMALL, "unscored=dog", *changes])


def plan(tmp_path: Path, **fields: object) -> Plan:
    fields = {"out": tmp_path / "run", "accelerator": "cpu", "workers": 0} | fields
    return Plan(cache=tmp_path / "cache", **fields)  # type: ignore[arg-type]
