"""The ablation ladder on drawn photos: each row reads what it says, and finished rows stay."""

import io
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.__main__ import app
from contract.classes import ClassMap
from contract.errors import ConfigurationError
from tests.training.small import plan, small_recipe
from training.ablation import BEGIN, END, climb, finished_run, results_table, run_folder
from training.datasets.voc import VocDataset
from training.recipes.finetune import finetune
from training.recipes.ladder import ladder, with_needed

FEW = "few"


@pytest.fixture(scope="module")
def climbed(drawn_voc: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with some finished rows."""
    out = tmp_path_factory.mktemp("ladder")
    few = out / FEW
    few.write_text("\n".join(f"drawn_{index:04d}" for index in range(5)))
    rungs = ladder(str(few))
    wanted = with_needed(["few_tuned", "teacher", "masks"], rungs)
    base = small_recipe("epochs=1", "evaluate_every=1")
    dataset = VocDataset(drawn_voc, base.class_map)
    climb(base, {name: rungs[name] for name in wanted}, [0], dataset, plan(out, out=out), Console(quiet=True))
    return out


def test_rows_come_with_those_they_need() -> None:
    """Tuned rows need what they go on from, second rounds their teacher; the order is the ladder's."""
    wanted = ["few_tuned", "masks", "teacher"]
    assert with_needed(wanted, ladder(FEW)) == ["masks", "box2seg", "teacher", "few_tuned"]


def test_rows_that_read_masks() -> None:
    """Each row's recipe passes its own checks; masks are read by these rows and no others."""
    folders = dict.fromkeys(ladder(FEW), "runs/any")
    recipes = {name: rung.recipe(small_recipe("epochs=4"), folders) for name, rung in ladder(FEW).items()}
    masked = {name for name, recipe in recipes.items() if recipe.learn != "boxes"}
    assert masked == {"masks", "few", "few_tuned", "few_mixed", "masks_tuned", "masks_attention"}


def test_table_says_what_each_row_read(climbed: Path) -> None:
    """The table has the mean, each seed's score, and what was read through all that came before."""
    rungs = ladder(str(climbed / FEW))
    table = results_table(climbed, rungs, [0, 1]).splitlines()
    reads = {line.split("|")[1].strip(): line.split("|")[3].strip() for line in table[2:]}
    assert reads["masks"] == "12 masks of drawn train"
    assert reads["teacher"] == "boxes"
    assert reads["few_tuned"] == f"5 masks of drawn {climbed / FEW}, boxes"
    score = finished_run(run_folder(climbed, "masks", 0)).scores["val mIoU3"]  # type: ignore[union-attr]
    assert f"**{score:.3f}** ({score:.3f})" in table[2]


def test_finished_rows_stay(climbed: Path, drawn_voc: Path, classes: ClassMap) -> None:
    """Started again, the ladder trains nothing anew."""
    rungs, written = ladder(str(climbed / FEW)), (climbed / "masks-0" / "checkpoint.pt").stat().st_mtime_ns
    console = Console(file=io.StringIO(), width=200)
    chosen = {"masks": rungs["masks"]}
    climb(
        small_recipe("epochs=1"),
        chosen,
        [0],
        VocDataset(drawn_voc, classes),
        plan(climbed, out=climbed),
        console,
    )
    assert "masks-0: finished before" in console.file.getvalue()  # type: ignore[attr-defined]
    assert (climbed / "masks-0" / "checkpoint.pt").stat().st_mtime_ns == written


def test_rows_of_another_recipe_are_refused(climbed: Path, drawn_voc: Path, classes: ClassMap) -> None:
    """A finished row that was trained with other values is not taken for one of this ladder."""
    rungs, dataset = ladder(str(climbed / FEW)), VocDataset(drawn_voc, classes)
    base = small_recipe("epochs=1", "evaluate_every=1", "gamma=0.5")
    with pytest.raises(ConfigurationError, match="other values of gamma"):
        climb(base, {"masks": rungs["masks"]}, [0], dataset, plan(climbed, out=climbed), Console(quiet=True))


def test_finetune_keeps_what_the_run_was() -> None:
    """Fine-tuning keeps classes, network and frame, and sums cross entropy alone at a tenth of the rate."""
    earlier = small_recipe("learning_rate=0.01", "width=16")
    tuned = finetune(earlier, start="runs/any", masks="some")
    assert (tuned.network, tuned.fit, tuned.classes) == (earlier.network, earlier.fit, earlier.classes)
    assert tuned.learning_rate == pytest.approx(0.001)
    weights = tuned.loss_weights(0)
    assert (weights.grabcut, weights.foreground, weights.embedding) == (1.0, 0.0, 0.0)


def test_verbs(climbed: Path, drawn_voc: Path, tmp_path: Path) -> None:
    """`box2seg finetune` goes on from a row; `box2seg ablate` prints the table and names its rows."""
    few = str(climbed / FEW)
    arguments = ["finetune", str(climbed / "teacher-0"), "--masks", few, "--epochs", "1", "--workers", "0"]
    arguments += ["--data", str(drawn_voc), "--out", str(tmp_path / "tuned"), "--device", "cpu"]
    tuned = CliRunner().invoke(app, arguments)
    assert tuned.exit_code == 0, tuned.output
    assert finished_run(tmp_path / "tuned").origin.reads.startswith("5 masks")  # type: ignore[union-attr]
    common = ["ablate", "--data", str(drawn_voc), "--out", str(climbed), "--few", few]
    table = CliRunner().invoke(app, [*common, "--table-only", "--row", "masks"])
    assert "| masks | cross entropy on all masks: F | 12 masks of drawn train |" in table.output
    document = tmp_path / "results.md"
    document.write_text(f"before\n\n{BEGIN}\nold\n{END}\n\nafter\n")
    written = CliRunner().invoke(app, [*common, "--table-only", "--row", "masks", "--write", str(document)])
    whole = CliRunner().invoke(app, [*common, "--table-only"]).stdout
    assert "| teacher |" in whole
    assert "| teacher |" not in written.stdout
    assert document.read_text() == f"before\n\n{BEGIN}\n{whole}{END}\n\nafter\n"
    document.write_text(f"{BEGIN}\nold\n{END}\n")
    CliRunner().invoke(app, [*common, "--table-only", "--seed", "7", "--write", str(document)])
    assert document.read_text() == f"{BEGIN}\n{whole}{END}\n", "a seed that was not asked for is lost"
    elsewhere = [*common[:3], "--out", str(tmp_path), "--table-only", "--write", str(document)]
    assert "no finished row" in CliRunner().invoke(app, elsewhere).stderr
    assert whole in document.read_text()
    wrong = CliRunner().invoke(app, [*common, "--row", "mask"])
    assert wrong.exit_code == 2
    assert "there are masks, boxes, grabcut" in wrong.output


@pytest.mark.parametrize(
    "words", [None, "no mark", f"{BEGIN}\n", f"{END}\n{BEGIN}\n", f"{BEGIN}\n{END}\n" * 2, b"\xff"]
)
def test_a_document_without_its_place_is_refused(words: str | bytes | None, tmp_path: Path) -> None:
    """Without each mark once, in their order, nothing is trained and nothing is written."""
    document = tmp_path / "results.md"
    content = words.encode() if isinstance(words, str) else words
    if content is not None:
        document.write_bytes(content)
    common = ["ablate", "--data", str(tmp_path), "--out", str(tmp_path / "out")]
    refused = CliRunner().invoke(app, [*common, "--write", str(document)])
    assert refused.exit_code == 2
    assert "results.md: no place for the table" in refused.stderr
    assert f"put there: {BEGIN}" in refused.stderr
    assert (document.read_bytes() if document.exists() else None) == content
    assert not (tmp_path / "out").exists()
