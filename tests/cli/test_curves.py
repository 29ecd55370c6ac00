from pathlib import Path

from typer.testing import CliRunner

from cli.__main__ import app


def write_steps(folder: Path) -> Path:
    folder.mkdir()
    (folder / "steps.csv").write_text("epoch,step,loss\n0,0,2.0\n0,1,1.0\n")
    return folder


def test_where_the_picture_goes(tmp_path: Path) -> None:
    """One run's goes into its folder, that of several beside the first; --out says another place."""
    first, second = write_steps(tmp_path / "first"), write_steps(tmp_path / "second")
    wanted = {
        first / "curves.png": [first],
        tmp_path / "curves.png": [first, second],
        tmp_path / "both.jpg": [first, second, "--out", tmp_path / "both.jpg"],
    }
    for out, words in wanted.items():
        result = CliRunner().invoke(app, ["curves", *map(str, words)])
        assert (result.exit_code, result.stdout) == (0, f"{out}\n"), result.stderr
        assert out.is_file()


def test_a_folder_without_a_run(tmp_path: Path) -> None:
    """It is named, and nothing is written."""
    result = CliRunner().invoke(app, ["curves", str(tmp_path)])
    assert result.exit_code == 2
    assert f"{tmp_path}: no steps in steps.csv" in result.stderr
    assert list(tmp_path.iterdir()) == []
