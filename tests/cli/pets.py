"""A repository with three versions of pets, and commands about them."""

from pathlib import Path

from typer.testing import CliRunner, Result

from cli.__main__ import app
from contract.registry import changing, read_standing
from tests.contract.repositories import BAD, GOOD, add_version, judge


def make_pets(root: Path) -> Path:
    """Make a repository with pets: 1 live, 2 let through by the gate, 3 refused by it; gives its folder."""
    model = root / "pets"
    add_version(model, 1)
    with changing(model) as changes:
        changes.adopt()
    for version, checks in ((2, (GOOD,)), (3, (GOOD, BAD))):
        add_version(model, version)
        judge(model, version, against=1, checks=checks)
    return root


def models(repository: Path, *words: object, typed: str = "") -> Result:
    """Type a command about pets."""
    where = ["--model", "pets", "--repository", str(repository)]
    return CliRunner().invoke(app, ["models", *map(str, words), *where], input=typed)


def done(repository: Path, *words: object) -> str:
    """Type a command that works; give what it prints."""
    result = models(repository, *words)
    assert result.exit_code == 0, (result.output, result.exception)
    return result.stdout


def states(repository: Path) -> dict[int, str]:
    """Give the state of each version of pets."""
    return {version: str(state) for version, state in read_standing(repository / "pets").states.items()}
