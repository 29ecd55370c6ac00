"""The ablation ladder: runs of one network and schedule that differ in what they read and in their terms."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from training.recipes.finetune import cross_entropy, finetune
from training.recipes.recipe import Recipe

Change = Callable[[Recipe], Recipe]


@dataclass(frozen=True, slots=True)
class Rung:
    """
    One row of the table.

    Args:
        title: What people read.
        change: Makes the row's recipe from the one that all rows share.
        start: The rung whose weights it begins with; empty for the encoder's own.
        teacher: The rung that guesses masks, or any run's folder; empty for none.
    """

    title: str
    change: Change
    start: str = ""
    teacher: str = ""

    def recipe(self, base: Recipe, runs: Mapping[str, str]) -> Recipe:
        """
        Give the row's recipe.

        Args:
            base: What all rows share.
            runs: Folders of the rungs that it begins with or learns from, by name.
        """
        recipe = self.change(base)
        if self.start:
            recipe = dataclasses.replace(recipe, start=runs[self.start])
        if self.teacher:
            teacher = runs.get(self.teacher, self.teacher)
            recipe = dataclasses.replace(recipe, prior="teacher", teacher=teacher)
        return recipe


def ladder(few: str, *, teacher: str = "box2seg") -> dict[str, Rung]:
    """
    Give the rungs by name, each after those that it needs.

    Args:
        few: The photos of the rows that read a few masks: a split, or a text file of names.
        teacher: Who guesses the masks of second rounds: a rung, or any run's folder.
    """
    return {
        "masks": Rung("cross entropy on all masks: F", _plain(learn="masks")),
        "boxes": Rung("cross entropy on filled boxes", _plain(prior="boxes")),
        "grabcut": Rung("cross entropy on GrabCut masks", _plain()),
        "attention": Rung("L_fg + L_bg + L_fr after a warm start", _set(affinity=0.0, grabcut=0.0)),
        "affinity": Rung("the same + L_A", _set(grabcut=0.0)),
        "box2seg": Rung("the same + L_GC: Box2Seg as it is here", _set(grabcut=1.0)),
        "teacher": Rung(f"second round: cross entropy on the masks of {teacher}", _second(), teacher=teacher),
        "teacher_terms": Rung(
            "the same with Box2Seg's terms", _set(grabcut=1.0, grabcut_iterations=2), teacher=teacher
        ),
        "few": Rung("a few masks alone", _plain(learn="masks", masks=few, epochs=40, evaluate_every=40)),
        "few_tuned": Rung("Box2Seg, fine-tuned on a few masks", _tuned(few), start="box2seg"),
        "few_mixed": Rung(
            "second round, a few masks in their place",
            _second(learn="mixed", masks=few),
            teacher=teacher,
        ),
        "masks_tuned": Rung("Box2Seg, then all masks as in F", _plain(learn="masks"), start="box2seg"),
        "masks_attention": Rung("all masks + Box2Seg's other terms", _set(grabcut=1.0, learn="masks")),
    }


def with_needed(names: list[str], rungs: dict[str, Rung]) -> list[str]:
    """Give these rungs and all that they need, in the ladder's order."""
    wanted = set(names)
    for name in reversed(rungs):
        if name in wanted:
            wanted |= {rungs[name].start, rungs[name].teacher}
    return [name for name in rungs if name in wanted]


def _set(**fields: object) -> Change:
    return lambda recipe: dataclasses.replace(recipe, **fields)  # type: ignore[arg-type]


def _plain(**fields: object) -> Change:
    return lambda recipe: dataclasses.replace(cross_entropy(recipe), **fields)  # type: ignore[arg-type]


def _second(**fields: object) -> Change:
    """Two rounds of GrabCut do, begun where a network is sure."""
    return _plain(grabcut_iterations=2, **fields)


def _tuned(masks: str) -> Change:
    return lambda recipe: dataclasses.replace(finetune(recipe, start="", masks=masks), evaluate_every=20)
