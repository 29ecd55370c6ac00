"""Retraining from end to end: each stage is done unless its stamp says that it was, of the same inputs."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from contract.errors import Box2SegError, ConfigurationError
from contract.manifest import file_sha256, read_manifest
from contract.registry import State, read_standing
from contract.verdict import Verdict
from export.gate.contender import Opener
from export.publish import EXPORT_FOLDER
from export.workflow.checking import check_data
from export.workflow.logged import logged
from export.workflow.order import Order, Stage
from export.workflow.stages import (
    RUN_FOLDER,
    export_stage,
    find_published,
    gate_stage,
    kept_verdict,
    promote_stage,
    publish_stage,
    train_stage,
)
from export.workflow.stamps import Stamps, fingerprint, working_in
from export.workflow.start import find_start
from training.checkpoint import CHECKPOINT_FILE, load_checkpoint
from training.prepare import recipe_fields, recipe_of
from training.recipes import find_recipe
from training.recipes.recipe import Recipe
from training.recipes.recipe import change as change_recipe
from training.recipes.retrain import retrain as go_on

Work = Callable[[Console], dict[str, Any]]
"""A stage: gives what its stamp keeps."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    Where a retraining ended.

    Args:
        stage: The last stage that was done.
        verdict: What the gate found; None where it has not looked.
        version: The published version; None where there is none.
        state: Where that stands.
    """

    stage: Stage
    verdict: Verdict | None = None
    version: int | None = None
    state: State | None = None


def retrain(order: Order, opener: Opener, console: Console) -> Outcome:
    """
    Do all stages that are asked for and not done yet.

    A refused candidate is published all the same, as a candidate with its report; but not where nothing is
    live, for there a published version answers at once.

    Args:
        order: What is asked for.
        opener: Opens files in the engine that serves them.
        console: Where people look; each stage's lines go into a log of its own, too.

    Raises:
        ConfigurationError: If the run's folder is of other data or another recipe, or is worked in.
        Box2SegError: As each stage does; the same command goes on from there.
    """
    with working_in(order.out) as stamps:
        return _Retraining(order, opener, console, stamps).run()


@dataclass(frozen=True, slots=True)
class _Retraining:
    """One retraining under way."""

    order: Order
    opener: Opener
    console: Console
    stamps: Stamps

    def run(self) -> Outcome:
        order = self.order
        data = {"data": fingerprint(order.data), "split": order.split, "renames": dict(order.renames)}
        recipe = self._check(data)
        if order.until is Stage.CHECK:
            return Outcome(Stage.CHECK)
        self._train(recipe, data)
        if order.until is Stage.TRAIN:
            return Outcome(Stage.TRAIN)
        files = self._export()
        if order.until is Stage.EXPORT:
            return Outcome(Stage.EXPORT)
        return self._go_live(files)

    def _check(self, data: dict[str, Any]) -> Recipe:
        """Check both data sets; gives the recipe, of the start that was found when this was first done."""
        order = self.order
        inputs = {
            **data,
            "golden": fingerprint(order.golden),
            "golden split": order.golden_split,
            "start": order.start,
            "recipe": order.recipe,
            "set": list(order.changes),
        }

        def work(console: Console) -> dict[str, Any]:
            start = find_start(order)
            counts = check_data(order, _recipe(order, str(start or "")), console)
            return {"start": str(start or ""), **counts}

        # The live version may be another by the time that a kill is mended.
        return _recipe(order, str(self._do(Stage.CHECK, inputs, work)["start"]))

    def _train(self, recipe: Recipe, data: dict[str, Any]) -> None:
        inputs = {**data, "recipe": recipe_fields(recipe), "evaluate": self.order.evaluate_split}
        changed = self.stamps.changed(Stage.TRAIN, inputs)
        if changed:
            raise ConfigurationError(
                f"{self.order.out} was trained with another {', '.join(changed)}",
                hint="choose another --out; this run's weights are of what was there before",
            )
        self._do(Stage.TRAIN, inputs, lambda console: train_stage(self.order, recipe, console))

    def _export(self) -> dict[str, str]:
        weights = file_sha256(self.order.out / RUN_FOLDER / CHECKPOINT_FILE)
        self._do(Stage.EXPORT, {"weights": weights}, lambda console: export_stage(self.order, console))
        return read_manifest(self.order.out / EXPORT_FOLDER).files

    def _go_live(self, files: dict[str, str]) -> Outcome:
        order = self.order
        own = find_published(order.model, files)
        standing = read_standing(order.model)
        if own is not None and own in (standing.live, standing.canary, standing.previous):
            self.console.print(f"{order.model.name} version {own} is {standing.states[own]} already")
            return Outcome(Stage.PROMOTE, kept_verdict(order), own, standing.states[own])
        verdict = self._gate(files, standing.live)
        if order.until is Stage.GATE:
            return Outcome(Stage.GATE, verdict)
        if not verdict.passed and standing.live is None:
            self.console.print("not published: where nothing is live, what is published answers at once")
            return Outcome(Stage.GATE, verdict)
        version = self._publish(files, verdict)
        if verdict.passed and order.until is Stage.PROMOTE and (order.promote or order.canary is not None):
            self._promote(version)
            return self._outcome(Stage.PROMOTE, verdict, version)
        return self._outcome(Stage.PUBLISH, verdict, version)

    def _gate(self, files: dict[str, str], live: int | None) -> Verdict:
        order = self.order
        inputs = {
            "files": files,
            "live": live,
            "live files": read_manifest(order.model / str(live)).files if live is not None else None,
            "model": str(order.model.resolve()),
            "limits": dataclasses.asdict(order.limits),
            "map": order.pairs,
            "golden": [fingerprint(order.golden), order.golden_split, dict(order.renames)],
        }

        def work(console: Console) -> dict[str, Any]:
            return {"passed": gate_stage(order, live, self.opener, console).passed}

        self._do(Stage.GATE, inputs, work)
        verdict = kept_verdict(order)
        if verdict is None:
            raise ConfigurationError(
                f"{order.out}: the gate's verdict is gone", hint=f"remove {order.out}/stages/gate.json"
            )
        return verdict

    def _publish(self, files: dict[str, str], verdict: Verdict) -> int:
        inputs = {"files": files, "model": str(self.order.model), "verdict": dataclasses.asdict(verdict)}

        def work(console: Console) -> dict[str, Any]:
            version = publish_stage(self.order, verdict)
            console.print(f"published as version {version}")
            return {"version": version}

        return int(self._do(Stage.PUBLISH, inputs, work)["version"])

    def _promote(self, version: int) -> None:
        order = self.order
        if read_standing(order.model).live == version:  # nothing was live: publishing did it
            return

        def work(console: Console) -> dict[str, Any]:
            promote_stage(order, version)
            return {}

        inputs = {"version": version, "canary": order.canary, "model": str(order.model.resolve())}
        self._do(Stage.PROMOTE, inputs, work)

    def _outcome(self, stage: Stage, verdict: Verdict, version: int) -> Outcome:
        return Outcome(stage, verdict, version, read_standing(self.order.model).states[version])

    def _do(self, stage: Stage, inputs: dict[str, Any], work: Work) -> dict[str, Any]:
        """Do a stage unless it is done; gives what it left."""
        before = self.stamps.done(stage, inputs)
        if before is not None:
            self.console.print(f"{stage}: done before", style="dim")
            return before
        self.stamps.begin(stage, inputs)
        with logged(self.console, self.order.out, stage) as console:
            console.rule(str(stage), align="left", style="dim")
            try:
                found = work(console)
            except Box2SegError as error:
                console.print(f"{stage} failed: {error.message}", markup=False, highlight=False)
                raise
        self.stamps.finish(stage, inputs, found)
        return found


def _recipe(order: Order, start: str) -> Recipe:
    """Give the recipe that is asked for: by name, or that of the start gone on with."""
    if not start:
        return change_recipe(find_recipe(order.recipe), order.changes)
    if order.recipe:
        chosen = dataclasses.replace(find_recipe(order.recipe), start=start)
    else:
        chosen = go_on(recipe_of(load_checkpoint(Path(start))), start=start)
    return change_recipe(chosen, order.changes)
