"""Runs the ablation ladder, each rung once per seed, and sets what came out beside each other."""

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean

from rich.console import Console

from contract.errors import ConfigurationError
from contract.files import written_whole
from training.checkpoint import CHECKPOINT_FILE, Checkpoint, load_checkpoint
from training.datasets import Dataset
from training.prepare import Plan, resume_point
from training.recipes.ladder import Rung
from training.recipes.recipe import Recipe
from training.run import train

HEADER = ("run", "what", "reads")
HEAD_LINES = 2
FOOTER = ("hours", "commit", "machine")

BEGIN, END = "<!-- ladder: made by `box2seg ablate --write` -->", "<!-- end of ladder -->"
"""Marks in a Markdown file, each on a line of its own; the table stands between them."""


def climb(
    base: Recipe,
    rungs: Mapping[str, Rung],
    seeds: Sequence[int],
    dataset: Dataset,
    plan: Plan,
    console: Console,
) -> None:
    """
    Train each rung with each seed; finished runs are left alone, broken ones go on.

    Args:
        base: What all rungs share.
        rungs: By name, each after those that it needs.
        seeds: Of the runs.
        dataset: For all.
        plan: Its folder holds a run's folder per rung and seed.
        console: Where people look.

    Raises:
        Box2SegError: As `train`.
    """
    for seed in seeds:
        folders = {name: str(run_folder(plan.out, name, seed)) for name in rungs}
        seeded = dataclasses.replace(base, seed=seed)
        # All recipes first: what cannot work is refused before the first row has taken its hours.
        recipes = {name: rung.recipe(seeded, folders) for name, rung in rungs.items()}
        for name, recipe in recipes.items():
            out = Path(folders[name])
            row = dataclasses.replace(plan, out=out, resume=True)
            resume_point(recipe, dataset, row)  # refuses a row that was trained otherwise
            if finished_run(out):
                console.print(f"{out}: finished before", highlight=False)
                continue
            console.print(f"{out}: {rungs[name].title}", highlight=False)
            train(recipe, dataset, row, console)


def run_folder(out: Path, name: str, seed: int) -> Path:
    """Name the folder of a rung's run."""
    return out / f"{name}-{seed}"


def seeds_in(out: Path, rungs: Mapping[str, Rung]) -> list[int]:
    """Give the seeds of all runs in a ladder's folder, in order."""
    parts = (folder.name.rpartition("-") for folder in out.glob("*-*"))
    return sorted({int(seed) for name, _, seed in parts if name in rungs and seed.isdecimal()})


def finished_run(folder: Path) -> Checkpoint | None:
    """Read a run that came to its last epoch and was scored; None for any other."""
    if not (folder / CHECKPOINT_FILE).is_file():
        return None
    checkpoint = load_checkpoint(folder)
    ended = checkpoint.training["epoch"] + 1 == checkpoint.recipe["epochs"]
    return checkpoint if ended and checkpoint.scores else None


def results_table(out: Path, rungs: Mapping[str, Rung], seeds: Sequence[int]) -> str:
    """
    Set the finished runs' mean IoUs beside each other, in Markdown: the mean over seeds, and each seed's.

    Args:
        out: The ladder's folder.
        rungs: Rows, in order; those without a finished run are left out.
        seeds: Runs to look for.
    """
    lines: list[tuple[str, ...]] = []
    scores: list[str] = []
    for name, rung in rungs.items():
        found = (finished_run(run_folder(out, name, seed)) for seed in seeds)
        runs = [run for run in found if run is not None]
        if runs:
            scores = scores or [score for score in runs[0].scores if "mIoU" in score]
            lines.append((name, rung.title, runs[0].origin.reads, *_figures(runs, scores), *_origin(runs)))
    table = [(*HEADER, *scores, *FOOTER), *lines]
    table.insert(1, ("---",) * len(table[0]))
    return "\n".join(f"| {' | '.join(line)} |" for line in table)


def write_table(table: str, path: Path) -> Path:
    """
    Put a table in the place of the one between a Markdown file's two marks; gives the file's path.

    Raises:
        ConfigurationError: As `around_table`, or if the table has no rows.
        WriteError: If it cannot be written; the file is then as it was.
    """
    if len(table.splitlines()) <= HEAD_LINES:
        raise ConfigurationError(f"{path}: no finished row to write", hint="is --out the ladder's folder?")
    before, after = around_table(path)
    with written_whole(path) as stream:
        stream.write(f"{before}{BEGIN}\n{table}\n{END}{after}".encode())
    return path


def around_table(path: Path) -> tuple[str, str]:
    """
    Give what stands before the first mark of a Markdown file and after the second.

    Raises:
        ConfigurationError: If the file cannot be read, or has not each mark once, in their order.
    """
    try:
        before, rest = path.read_text(encoding="utf-8").split(BEGIN)
        _, after = rest.split(END)
    except (OSError, ValueError) as error:  # too few parts or too many, or no UTF-8
        problem = error.strerror if isinstance(error, OSError) else "expected each of the two marks once"
        raise ConfigurationError(
            f"{path}: no place for the table ({problem})", hint=f"put there: {BEGIN} and, below it, {END}"
        ) from error
    return before, after


def _figures(runs: Sequence[Checkpoint], scores: Sequence[str]) -> list[str]:
    figures = []
    for score in scores:
        values = [run.scores[score] for run in runs]
        each = ", ".join(f"{value:.3f}" for value in values)
        figures.append(f"**{mean(values):.3f}** ({each})")
    return figures


def _origin(runs: Sequence[Checkpoint]) -> list[str]:
    origins = [run.origin for run in runs]
    return [
        f"{mean(origin.hours for origin in origins):.2f}",
        ", ".join(sorted({origin.commit for origin in origins})),
        ", ".join(sorted({origin.machine for origin in origins})),
    ]
