"""`box2seg key`: make, list and revoke, as typed."""

from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from cli.__main__ import app
from serving.keys import KeyRing, read_keys


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the keys go."""
    return tmp_path / "keys.json"


def run(file: Path, *words: str) -> Result:
    """Type a command; the file is named by the server's own variable."""
    return CliRunner().invoke(app, ["key", *words], env={"BOX2SEG_KEYS_FILE": str(file)})


def test_add_prints_the_key_alone(file: Path) -> None:
    """Standard output is the key and nothing else, so that it can go into a file."""
    token = run(file, "add", "alice", "--rate", "5").stdout.strip()
    key = KeyRing(file).find(token)
    assert key is not None
    assert (key.name, key.scopes, key.rate_per_s, key.burst) == ("alice", ("infer",), 5.0, None)


def test_list_shows_names_and_no_hash(file: Path) -> None:
    """The list says who may what."""
    run(file, "add", "alice", "--scope", "infer", "--scope", "admin")
    said = run(file, "list").stdout
    assert "alice" in said
    assert "infer, admin" in said
    assert read_keys(file)[0].sha256 not in said


def test_revoke_takes_away(file: Path) -> None:
    """A revoked key is gone, and the others stay."""
    tokens = [run(file, "add", name).stdout.strip() for name in ("alice", "bob")]
    assert run(file, "revoke", "alice").exit_code == 0
    assert [KeyRing(file).find(token) is None for token in tokens] == [True, False]


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["add", "bob"], "there is a key 'bob'"),
        (["add", "eve", "--scope", "root"], "there are: infer, admin"),
        (["revoke", "eve"], "there are: bob"),
    ],
)
def test_what_cannot_be_done_is_refused(file: Path, words: list[str], problem: str) -> None:
    """A name that is taken or missing and a scope that does not exist end with a sentence."""
    run(file, "add", "bob")
    refused = run(file, *words)
    assert refused.exit_code == 2
    assert problem in refused.stderr
    assert [key.name for key in read_keys(file)] == ["bob"]


def test_no_file_is_no_list(file: Path) -> None:
    """Listing or revoking where there is no file says how to make one."""
    for words in (["list"], ["revoke", "alice"]):
        assert "box2seg key add" in run(file, *words).stderr
        assert not file.exists()
