from pathlib import Path

from typer.testing import CliRunner

from cli.__main__ import app
from tests.drawing import draw_voc


def test_a_mistyped_rename_is_refused_before_training(tmp_path: Path) -> None:
    """`--rename` reaches the data set: a name that it has nowhere ends in a sentence, and no run is begun."""
    folder = draw_voc(tmp_path / "drawn", train=2, val=1)
    small = ("--set", "classes=cat", "--set", "weights=none", "--set", "batch_size=2", "--device", "cpu")
    refused = CliRunner().invoke(
        app, ["train", "--data", str(folder), "--out", str(tmp_path / "run"), "--rename", "taby=cat", *small]
    )
    assert refused.exit_code == 2
    assert "no category taby\n  hint: there are: cat, dog" in refused.stderr
    assert not (tmp_path / "run").exists()


def test_help_says_where_the_fields_are(tmp_path: Path) -> None:
    """No help could hold all fields of a recipe; it says that an unknown one lists them, and so it does."""
    said = " ".join(CliRunner().invoke(app, ["train", "--help"]).stdout.replace("│", " ").split())
    assert "an unknown FIELD lists all" in said
    listed = CliRunner().invoke(app, ["train", "--data", ".", "--out", str(tmp_path / "run"), "--set", "?="])
    assert "there are classes, encoder, weights" in listed.stderr


def test_a_bad_photo_says_how_to_leave_it_out(tmp_path: Path) -> None:
    """Where one photo stops a run, the hint names the way around it and the list of all such."""
    folder = draw_voc(tmp_path / "voc", train=4, val=0)
    (folder / "Annotations" / "drawn_0002.xml").write_text("<annotation>")
    words = ["train", "--data", str(folder), "--out", str(tmp_path / "run"), "--evaluate", "none"]
    refused = CliRunner().invoke(app, [*words, "--set", "classes=cat,dog", "--set", "weights=none"])
    assert refused.exit_code == 2
    assert "drawn_0002.xml" in refused.stderr
    assert "--skip-bad leaves such photos out; box2seg data check DIR lists them" in refused.stderr
