import re
from pathlib import Path

import pytest

from contract.errors import TritonUnavailable
from serving.triton import environment
from serving.triton.environment import REQUIREMENTS, Environment, install_environment

pytestmark = pytest.mark.usefixtures("able_machine")


@pytest.fixture
def able_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that could run Triton, whatever this one is."""
    monkeypatch.setattr(environment, "check_platform", lambda: None)
    monkeypatch.setattr(environment, "find_libpython", lambda: Path("libpython.so"))


def test_a_folder_in_use_is_not_emptied(tmp_path: Path) -> None:
    """Installing into a folder with other things in it is refused, and they stay."""
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(TritonUnavailable, match="no virtual environment"):
        install_environment(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_new_requirements_make_an_environment_out_of_date(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The stamp is that of the requirements: installed once, renewed when they change."""
    (tmp_path / environment.STAMP).write_text(environment._stamp())
    assert Environment(tmp_path).is_installed
    changed = tmp_path / "changed.txt"
    changed.write_text("nvidia-pytriton==0.8.0\n")
    monkeypatch.setattr(environment, "REQUIREMENTS", changed)
    assert not Environment(tmp_path).is_installed


def test_what_is_installed_is_not_installed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Installing twice runs nothing the second time."""
    (tmp_path / environment.STAMP).write_text(environment._stamp())
    monkeypatch.setattr(environment, "_run", lambda command: pytest.fail(f"ran {command}"))
    assert install_environment(tmp_path) == Environment(tmp_path)


def test_a_failing_step_shows_its_last_words(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When pip fails, the error ends with what it said, and no stamp is left."""
    monkeypatch.setattr(environment, "_PIP_OPTIONS", ["--no-such-option"])
    with pytest.raises(TritonUnavailable, match="no such option"):
        install_environment(tmp_path / "new")
    assert not Environment(tmp_path / "new").is_installed


def test_the_requirements_are_pinned_and_name_no_host() -> None:
    """Every requirement has a version and hashes, numpy is older than 2, and no address is written down."""
    text = REQUIREMENTS.read_text()
    pins = dict(re.findall(r"^([\w-]+)==(\S+) \\\n    --hash=sha256:", text, flags=re.MULTILINE))
    assert pins.keys() == {"nvidia-pytriton", "numpy", "openvino"}
    assert int(pins["numpy"].split(".")[0]) == 1
    assert "://" not in text
