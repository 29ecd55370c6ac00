import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.errors import ConfigurationError, DataError
from training.curves import COLOURS, Curve, Key, curves_figure, draw_curves, read_curves

STEPS = 10


def write_run(folder: Path, *, epochs: int = 3) -> Path:
    """Write the tables of a run whose first epoch is the warm start."""
    folder.mkdir()
    rows = [(epoch, epoch * STEPS + step) for epoch in range(epochs) for step in range(STEPS)]
    write_table(
        folder / "steps.csv",
        ("epoch", "step", "seconds", "learning_rate", "loss", "foreground", "background"),
        [(epoch, step, step / 2, 0.1, 2 / (1 + step), "" if epoch == 0 else 0.5, "") for epoch, step in rows],
    )
    write_table(folder / "scores.csv", ("epoch", "val mIoU3", "val IoU cat"), [(1, 0.5, 0.4), (2, 0.6, 0.5)])
    return folder


def write_table(path: Path, columns: tuple[str, ...], rows: list[tuple[object, ...]]) -> None:
    with path.open("w", newline="") as stream:
        csv.writer(stream).writerows([columns, *rows])


def titles(folder: Path) -> list[str]:
    return [key.title for key in read_curves(folder)]


def test_what_a_run_wrote_is_drawn(tmp_path: Path) -> None:
    """Each computed term and each mean IoU has a curve; empty columns and single classes have none."""
    assert titles(write_run(tmp_path / "run")) == ["learning rate", "loss", "foreground", "val mIoU3"]


def test_epochs_are_counted_alike(tmp_path: Path) -> None:
    """A step stands where in its epoch it ended, a score where its epoch ended."""
    curves = read_curves(write_run(tmp_path / "run"))
    assert curves[Key("steps.csv", "loss")].epochs[[0, STEPS - 1, -1]] == pytest.approx([0.1, 1.0, 3.0])
    assert curves[Key("steps.csv", "foreground")].epochs[0] == pytest.approx(1.1)
    assert curves[Key("scores.csv", "val mIoU3")].epochs.tolist() == [2, 3]


def test_running_mean() -> None:
    """A mean over 2 % of 100 values reaches one to each side; at the ends there is one value less."""
    values = np.zeros(100)
    values[[0, 50]] = 6
    smooth = Curve(np.arange(100.0), values, noisy=True).smooth.values
    assert smooth[[0, 1, 2, 48, 49, 50, 51, 52]].tolist() == [3, 2, 0, 0, 2, 2, 2, 0]


def test_diagnostics_are_drawn_whatever_they_are(tmp_path: Path) -> None:
    """Every column of diagnostics.csv that holds numbers is drawn, beside a term of the same name."""
    run = write_run(tmp_path / "run")
    write_table(
        run / "diagnostics.csv",
        ("epoch", "hinge_active", "loss", "note"),
        [(0, 0.5, 1, "a"), (1, 0.25, "", "b")],
    )
    curves = read_curves(run)
    assert list(curves)[-2:] == [Key("diagnostics.csv", "hinge_active"), Key("diagnostics.csv", "loss")]
    assert curves[Key("diagnostics.csv", "hinge_active")].values.tolist() == [0.5, 0.25]
    assert len(curves[Key("steps.csv", "loss")].values) == 3 * STEPS


def test_half_a_line_is_no_harm(tmp_path: Path) -> None:
    """A run may be read while it writes its last line."""
    run = write_run(tmp_path / "run")
    with (run / "steps.csv").open("a") as stream:
        stream.write("3,30")
    curves = read_curves(run)
    assert len(curves[Key("steps.csv", "loss")].values) == 3 * STEPS


@pytest.mark.parametrize("epochs", [1, 3])
def test_runs_over_one_another(tmp_path: Path, epochs: int) -> None:
    """Several runs, of any length, come into one picture that is written whole."""
    runs = [write_run(tmp_path / "first", epochs=epochs), write_run(tmp_path / "second")]
    out = draw_curves(runs, tmp_path / "pictures" / "both.png")
    with Image.open(out) as picture:
        assert picture.format == "PNG"
    assert list(out.parent.iterdir()) == [out]


def legend(folders: list[Path]) -> list[str]:
    """Give the runs' names as the picture shows them."""
    (shown,) = curves_figure(folders).legends
    return [text.get_text() for text in shown.get_texts()]


def test_runs_of_one_name_are_told_apart(tmp_path: Path) -> None:
    """Two folders of the same name are both drawn, each by its path and in its colour."""
    runs = [tmp_path / parent / "run" for parent in ("a", "b")]
    for run in runs:
        run.parent.mkdir()
        write_run(run)
    assert legend(runs) == [str(run) for run in runs]
    assert legend(runs[:1]) == ["run"]
    loss = next(axes for axes in curves_figure(runs).axes if axes.get_title(loc="left") == "loss")
    assert [line.get_color() for line in loss.lines if line.get_linewidth() > 1] == list(COLOURS[:2])


def test_any_name_is_written_as_it_is(tmp_path: Path) -> None:
    """A folder's name is neither a formula nor hidden, and can be drawn."""
    names = ["$first$", "_second", "$a_{$"]
    runs = [write_run(tmp_path / name) for name in names]
    assert legend(runs) == names
    assert not any(text.get_parse_math() for text in curves_figure(runs).legends[0].get_texts())
    assert draw_curves(runs, tmp_path / "all.png").is_file()


def test_no_run_is_refused(tmp_path: Path) -> None:
    """A folder without steps, or with none yet, is named with what to do."""
    with pytest.raises(DataError, match=r"no steps in steps.csv\n  hint: name the folder of a run"):
        read_curves(tmp_path)
    write_table(tmp_path / "steps.csv", ("epoch", "step", "loss"), [])
    with pytest.raises(DataError, match=r"no steps in steps.csv"):
        read_curves(tmp_path)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"loss\n1\n", "expected a column epoch, got loss"), (b"\xff\xfe", "not a readable table")],
)
def test_damaged_table_is_named(tmp_path: Path, content: bytes, problem: str) -> None:
    """A table that is none of ours is refused by its path."""
    (tmp_path / "steps.csv").write_bytes(content)
    with pytest.raises(DataError, match=f"steps.csv: {problem}"):
        read_curves(tmp_path)


def test_the_name_must_be_a_pictures(tmp_path: Path) -> None:
    """Another ending is refused with those there are."""
    with pytest.raises(ConfigurationError, match=r"curves.gif: a picture's name ends in .png, .jpg, .jpeg"):
        draw_curves([write_run(tmp_path / "run")], tmp_path / "curves.gif")
