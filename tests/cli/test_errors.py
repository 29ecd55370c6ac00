import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from cli.errors import EXTRAS, Verbs, dependency_missing
from contract.errors import ImageTooLarge

ROOT = Path(__file__).parents[2]


def run_verb(error: BaseException | type[BaseException]) -> tuple[int, str]:
    """Run a verb that raises; give the exit code and what stderr says."""
    app = typer.Typer(cls=Verbs, pretty_exceptions_enable=False)

    @app.command()
    def fail() -> None:
        raise error

    @app.command()
    def succeed() -> None:
        typer.echo("done")

    result = CliRunner().invoke(app, ["fail"])
    return result.exit_code, result.stderr


def test_an_error_of_ours_is_a_sentence() -> None:
    """The terminal shows the message and the hint, no traceback, and the exit code is 2."""
    code, said = run_verb(ImageTooLarge("image has 61 pixels, the limit is 25", hint="send a smaller one"))
    assert (code, said) == (2, "error: image has 61 pixels, the limit is 25\n  hint: send a smaller one\n")


def test_a_missing_package_names_its_extra() -> None:
    """Without torch installed, training says what brings it."""
    code, said = run_verb(ModuleNotFoundError("No module named 'torch'", name="torch.nn"))
    assert code == 2
    assert said == (
        "error: this needs the package torch, which is not installed here\n"
        "  hint: run `make train-env` and use .venv-dev/bin/box2seg, or pip install -e '.[training]'\n"
    )


def test_a_missing_module_of_our_own_is_a_bug() -> None:
    """Only known packages become a sentence; anything else keeps its traceback."""
    assert dependency_missing(ModuleNotFoundError("No module named 'contract.x'", name="contract.x")) is None
    code, _ = run_verb(ModuleNotFoundError("No module named 'contract.x'", name="contract.x"))
    assert code == 1


def test_ctrl_c_is_one_line() -> None:
    """An interrupted verb says so and exits as shells expect."""
    assert run_verb(KeyboardInterrupt) == (130, "stopped\n")


@pytest.mark.parametrize("extra", EXTRAS)
def test_every_optional_package_is_known(extra: str) -> None:
    """Each package that pyproject.toml lists under an extra is in EXTRAS, by its import name."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][extra]
    wanted = {distribution_name(line) for line in listed} - {"box2seg"}
    known = {name for names in EXTRAS.values() for name in names}
    providers = packages_distributions()
    covered = {distribution.lower().replace("_", "-") for name in known for distribution in providers[name]}
    assert wanted <= covered


def distribution_name(requirement: str) -> str:
    """Give the distribution in a requirement such as 'uvicorn[standard]>=0.40'."""
    for mark in "[<>=":
        requirement = requirement.partition(mark)[0]
    return requirement


def test_what_the_system_refuses_is_named() -> None:
    """A full disk ends as a sentence with the path, and no traceback."""
    code, words = run_verb(OSError(28, "No space left on device", "/masks/a.png"))
    assert code == 2
    assert words == "error: /masks/a.png: No space left on device\n"
