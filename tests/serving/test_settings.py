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


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("photos", "is no JSON"),
        ('{"photos": "data"}', "a whole path"),
        ('{"a/b": "/data"}', "a name of letters"),
    ],
)
def test_roots_of_jobs_are_whole_paths_with_names(
    monkeypatch: pytest.MonkeyPatch, value: str, problem: str
) -> None:
    """What is no JSON, no whole path or no name is refused in words."""
    monkeypatch.setenv("BOX2SEG_JOBS_ROOTS", value)
    with pytest.raises(ConfigurationError, match=problem):
        read_settings()


def test_clouds_name_the_port_in_their_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Vertex AI's and SageMaker's variables are read, ours goes before them, and a wrong one is named."""
    monkeypatch.setenv("SAGEMAKER_BIND_TO_PORT", "8081")
    assert read_settings().port == 8081
    monkeypatch.setenv("AIP_HTTP_PORT", "8082")
    assert read_settings().port == 8082
    monkeypatch.setenv("BOX2SEG_PORT", "8083")
    assert (read_settings().port, read_settings(port=1).port) == (8083, 1)
    monkeypatch.setenv("AIP_PREDICT_ROUTE", "predict me")
    with pytest.raises(ConfigurationError, match=r"or AIP_PREDICT_ROUTE: .*'predict me'"):
        read_settings()


def test_settings_do_not_change() -> None:
    """What was read at the door stays."""
    with pytest.raises(ValidationError):
        read_settings().max_pixels = 1
