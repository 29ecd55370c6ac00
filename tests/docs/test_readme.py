import re
from pathlib import Path

from cli.__main__ import GROUPS, VERBS
from serving.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_the_settings_table_is_true() -> None:
    """The README lists every setting of the server, with the default it has."""
    rows = re.findall(rf"^\| `{PREFIX}(\w+)` \| (?:`(.*?)`)? ?\|", README, re.MULTILINE)
    defaults = {name.upper(): field.default for name, field in Settings.model_fields.items()}
    assert dict(rows) == {name: "" if value is None else str(value) for name, value in defaults.items()}


def test_every_verb_is_shown() -> None:
    """The README shows each verb, and no verb that is not there."""
    shown = re.findall(r"^box2seg (\w+)", README, re.MULTILINE)
    verbs = {verb.__name__ for verb in VERBS} | set(GROUPS)
    assert verbs - {"serve"} == set(shown)


def test_every_make_target_is_there() -> None:
    """What the README and CONTRIBUTING tell people to make can be made."""
    words = README + (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    targets = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    assert set(re.findall(r"(?:`|^)make ([a-z-]+)", words, re.MULTILINE)) <= set(targets)


def test_the_examples_ask_routes_that_are_there() -> None:
    """Each path in a curl line is a route of the gateway."""
    asked = re.findall(r"http://127\.0\.0\.1:8000(/[\w/]+)", README)
    files = (ROOT / "serving" / "routes").glob("*.py")
    routes = " ".join(path.read_text(encoding="utf-8") for path in files)
    assert asked
    assert all(path.removesuffix("/box2seg") in routes for path in asked)
