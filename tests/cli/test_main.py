import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cli.__main__ import GROUPS, VERBS, app

ROOT = Path(__file__).parents[2]


def test_help_lists_every_verb() -> None:
    """`box2seg --help` shows each verb; each file of a verb is registered."""
    said = CliRunner().invoke(app, ["--help"]).stdout
    apart = {"__init__", "__main__", "counting", "errors", "gateway", "options"}
    apart |= {"clusters", "running", "scores", "served", "ways"}
    of_models = {"cards", "changes", "comparison", "drift", "standing", "tables", "traffic"}
    files = {path.stem for path in (ROOT / "cli").glob("*.py")} - apart - of_models
    assert {verb.__name__ for verb in VERBS} | set(GROUPS) == files
    assert all(verb in said for verb in files)


VERBS_OF_GROUPS = [
    f"{name} {command.name or command.callback.__name__}"
    for name, group in GROUPS.items()
    for command in group.registered_commands
    if command.callback
]


@pytest.mark.parametrize("verb", [*(verb.__name__ for verb in VERBS), *VERBS_OF_GROUPS])
def test_each_verb_shows_an_example(verb: str) -> None:
    """`box2seg VERB --help` is enough to use it: it ends with a command to copy."""
    result = CliRunner().invoke(app, [*verb.split(), "--help"])
    assert result.exit_code == 0
    assert f"Example: box2seg {verb}" in " ".join(result.stdout.split())


def test_help_imports_no_room() -> None:
    """A room is imported only when its verb runs, so help needs neither torch nor a web server."""
    program = (
        "import sys; from cli.__main__ import app;"
        "app(['--help'], prog_name='box2seg', standalone_mode=False);"
        "rooms = {'torch', 'fastapi', 'openvino', 'numpy', 'training', 'export', 'serving'};"
        "sys.stderr.write(' '.join(rooms & set(sys.modules)))"
    )
    told = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "Usage: box2seg" in told.stdout
    assert told.stderr == ""


def test_the_version_is_the_packages() -> None:
    """`box2seg --version` prints one line and ends."""
    result = CliRunner().invoke(app, ["--version"])
    assert result.exit_code == 0
    assert result.stdout.startswith("box2seg ")


def test_an_unknown_verb_is_refused() -> None:
    """A word that is no verb ends with exit code 2 and says so."""
    result = CliRunner().invoke(app, ["tarin"])
    assert result.exit_code == 2
    assert "tarin" in result.stderr
