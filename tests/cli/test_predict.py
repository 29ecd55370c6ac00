"""`box2seg predict --server`: the same outcomes as without a server."""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli.errors import Verbs
from cli.predict import predict
from serving.batch.ledger import FILE
from serving.engines.local import LocalEngine
from serving.keys import INFER, change_keys, make_key
from serving.settings import Settings
from tests.serving.batch.filling import fill
from tests.serving.colours import CLASSES, draw_photo, encode, publish_colours, read_labels
from tests.serving.running import running_gateway


def run(*arguments: object) -> Result:
    """Run the verb as from a terminal; gives what click tells of it."""
    app = typer.Typer(cls=Verbs, pretty_exceptions_enable=False)
    app.command()(predict)
    app.command("other")(lambda: None)  # with one command alone typer would take no verb
    return CliRunner().invoke(app, ["predict", *map(str, arguments)])


def test_a_server_gives_the_same_files(gateway: str, repository: Path, photos: Path, tmp_path: Path) -> None:
    """Masks lie where they do without a server, byte by byte, and the same photos are named as bad."""
    here = run(photos, "--out", tmp_path / "here", "--repository", repository)
    there = run(photos, "--out", tmp_path / "there", "--server", gateway)
    assert here.exit_code == there.exit_code == 1, there.output
    files = {path.relative_to(tmp_path / "here") for path in (tmp_path / "here").rglob("*.png")}
    assert len(files) == 2
    for file in files:
        assert (tmp_path / "there" / file).read_bytes() == (tmp_path / "here" / file).read_bytes()
    question = "SELECT name, height, width, version, areas FROM photos"
    assert rows(tmp_path / "here", question) == rows(tmp_path / "there", question)
    assert read_labels((tmp_path / "there" / "first.png").read_bytes())[32, 20] == CLASSES.index("red")
    for name in ("broken.jpg", "no_photo.png", "2 of 4 photos"):
        assert name in there.output


def test_formats_are_the_servers(gateway: str, photos: Path, tmp_path: Path) -> None:
    """The server's list of formats decides, and gives the files their suffix."""
    done = run(photos / "first.jpg", "--out", tmp_path / "out", "--server", gateway, "--format", "rle")
    assert done.exit_code == 0, done.output
    assert [path.name for path in (tmp_path / "out").glob("*.json")] == ["first.json"]
    refused = run(photos, "--out", tmp_path / "out", "--server", gateway, "--format", "gif")
    assert refused.exit_code == 2
    assert "there are: png" in refused.output


def rows(out: Path, question: str) -> list[tuple[object, ...]]:
    """Ask the ledger of a folder of masks."""
    with closing(sqlite3.connect(out / FILE)) as database:
        return database.execute(question).fetchall()


def test_another_version_ends_it(
    gateway: str, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that went over to another version fails no photo by itself: the run ends with what to do."""
    monkeypatch.setattr("cli.ways._pick_card", lambda cards, _: replace(cards[0], version=9))
    ended = run(photos, "--out", tmp_path / "out", "--server", gateway)
    assert ended.exit_code == 2, ended.output
    assert "went over to version 1; this batch is of version 9" in ended.output
    assert "begin anew with --fresh" in ended.output
    assert not rows(tmp_path / "out", "SELECT * FROM photos WHERE reason LIKE '%version%'")


def test_a_server_fills_files_for_all(gateway: str, repository: Path, photos: Path, tmp_path: Path) -> None:
    """The COCO file of a server's answers is that of this machine's."""
    for out, way in (("here", ("--repository", repository)), ("there", ("--server", gateway))):
        assert run(photos, "--out", tmp_path / out, "--format", "coco", *way).exit_code == 1
    areas = [
        rows(tmp_path / out, "SELECT name, height, width, areas FROM photos") for out in ("here", "there")
    ]
    assert areas[0] == areas[1]
    here, there = (json.loads((tmp_path / out / "coco.json").read_bytes()) for out in ("here", "there"))
    assert len(here["annotations"]) == 4
    assert here == there
    refused = run(photos, "--out", tmp_path / "no", "--server", gateway, "--format", "sheet")
    assert refused.exit_code == 2


def test_a_spent_budget_keeps_no_file_back(repository: Path, photos: Path, tmp_path: Path) -> None:
    """Where too many failed, but all were tried, files for all are written; stopped before, they are not."""
    words = (photos, "--repository", repository, "--format", "coco", "--max-failures")
    ended = run(*words, "20%", "--out", tmp_path / "ended")
    assert ended.exit_code == 3
    assert "too many failed: 2 of 4" in ended.output
    assert len(json.loads((tmp_path / "ended" / "coco.json").read_bytes())["images"]) == 2
    assert "coco.json" in (tmp_path / "ended" / "report.html").read_text()
    (tmp_path / "ended" / "coco.json").write_text("{}")
    many = fill(tmp_path / "many", 200, bad=200)
    stopped = run(many, *words, "0", "--out", tmp_path / "ended")
    assert stopped.exit_code == 3
    assert "stopped: " in stopped.output
    assert "coco.json" not in (tmp_path / "ended" / "report.html").read_text()


def test_quiet_says_failures_only(repository: Path, photos: Path, tmp_path: Path) -> None:
    """Without --quiet a table and the report's place are said too."""
    words = (photos, "--repository", repository, "--out")
    quiet, usual = run(*words, tmp_path / "a", "--quiet"), run(*words, tmp_path / "b")
    assert len(quiet.output.strip().splitlines()) == 2
    assert "report.html" in usual.output
    assert "photos/s" in usual.output


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param(["--model", "nobody"], "there are: box2seg", id="model"),
        pytest.param(["--repository", "."], "its own repository", id="repository"),
    ],
)
def test_what_does_not_fit_is_refused(
    gateway: str, photos: Path, tmp_path: Path, options: list[str], words: str
) -> None:
    """Nothing is segmented where the question makes no sense."""
    refused = run(photos, "--out", tmp_path / "out", "--server", gateway, *options)
    assert refused.exit_code == 2
    assert words in refused.output
    assert not (tmp_path / "out").exists()


@pytest.fixture
def slow_key(tmp_path: Path) -> Iterator[tuple[str, str]]:
    """The address of a gateway, and a key that may ask it twice a second."""
    publish_colours(tmp_path / "models")
    key, token = make_key("slow", (INFER,), rate_per_s=2.0, burst=1)
    change_keys(tmp_path / "keys.json", lambda _: [key])
    settings = Settings(engine="local", repository=tmp_path / "models", keys_file=tmp_path / "keys.json")
    with running_gateway(settings, LocalEngine()) as address:
        yield address, token


def test_a_slow_key_loses_no_photo(slow_key: tuple[str, str], tmp_path: Path) -> None:
    """Where a key may ask more seldom than there are photos, the server is waited for, and all are done."""
    address, token = slow_key
    folder = tmp_path / "holiday"
    folder.mkdir()
    for index in range(9):
        (folder / f"{index}.png").write_bytes(encode(draw_photo()))
    done = run(folder, "--out", tmp_path / "out", "--server", address, "--key", token)
    assert done.exit_code == 0, done.output
    assert len(list((tmp_path / "out").glob("*.png"))) == 9


def test_a_key_without_a_server_is_refused(
    repository: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A key that was typed says that a server was meant; one in the environment does not."""
    words = (photos / "first.jpg", "--out", tmp_path / "out", "--repository", repository)
    refused = run(*words, "--key", "secret")
    assert refused.exit_code == 2
    assert "--server" in refused.output
    assert not (tmp_path / "out").exists()
    monkeypatch.setenv("BOX2SEG_KEY", "secret")
    assert run(*words).exit_code == 0
