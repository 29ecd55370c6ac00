"""What can be set, and what is said of a wrong value."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from contract.errors import ConfigurationError
from serving.settings import read_settings


def test_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """A variable with the prefix sets the field of its name; what is given goes before it."""
    monkeypatch.setenv("BOX2SEG_MAX_PIXELS", "1000")
    monkeypatch.setenv("BOX2SEG_ENGINE", "local")
    settings = read_settings(engine="triton", repository=None)
    assert (settings.max_pixels, settings.engine) == (1000, "triton")
    assert settings.repository == Path("model_repository")


def test_wrong_value_names_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A value that cannot work is refused with its variable, what came, and the variables there are."""
    monkeypatch.setenv("BOX2SEG_TIMEOUT_S", "-1")
    with pytest.raises(ConfigurationError, match=r"BOX2SEG_TIMEOUT_S: .*'-1'\n  hint: .*BOX2SEG_MAX_PIXELS"):
        read_settings()


def test_settings_do_not_change() -> None:
    """What was read at the door stays."""
    with pytest.raises(ValidationError):
        read_settings().max_pixels = 1
