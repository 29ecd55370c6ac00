"""Versions appear in the repository while requests go on."""

import asyncio
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest

from contract.errors import EngineUnavailable, ManifestError, UnknownModel
from contract.history import Action
from contract.manifest import MANIFEST_FILE, MODEL_FILE
from contract.registry import Standing, changing, read_standing
from serving.engines.local import LocalEngine
from serving.lines import Line
from serving.models import Models
from serving.settings import Settings
from serving.versions import live_version, verified_version
from tests.serving.colours import colour_graph, draw_photo, encode, publish_colours, read_labels
from tests.serving.running import running_gateway


def look(repository: Path, *changes: object) -> tuple[Models, LocalEngine]:
    """Look at a repository with a local engine, then again after each change."""
    engine = LocalEngine()
    models = Models(repository, engine)

    async def again() -> None:
        await models.refresh()
        for change in changes:
            change()  # type: ignore[operator]
            await models.refresh()

    asyncio.run(again())
    return models, engine


def test_live_version_is_served(tmp_path: Path) -> None:
    """Of several versions the newest answers, by number and not by spelling."""
    for version in (2, 9, 10):
        publish_colours(tmp_path, version=version)
    models, _ = look(tmp_path)
    assert models.find("box2seg").version == 10


def test_new_version_is_noticed_and_old_one_still_answers(tmp_path: Path) -> None:
    """A version published later takes over; requests that began with the one before can finish."""
    publish_colours(tmp_path)
    models, engine = look(tmp_path, lambda: publish_colours(tmp_path, version=2))
    assert models.find("box2seg").version == 2
    frame = np.zeros((1, 64, 96, 3), np.uint8)
    labels, _ = asyncio.run(engine.infer("box2seg", 1, frame))
    assert labels.shape == (1, 64, 96)


def test_versions_long_gone_are_dropped(tmp_path: Path) -> None:
    """Only the live version and the one before it stay in memory."""
    publish_colours(tmp_path)
    publish = [lambda n=n: publish_colours(tmp_path, version=n) for n in (2, 3)]
    _, engine = look(tmp_path, *publish)
    assert [asyncio.run(engine.ready("box2seg", version)) for version in (1, 2, 3)] == [False, True, True]


def test_half_copied_version_is_not_looked_at(tmp_path: Path) -> None:
    """A folder without a manifest, which is written last, is no version yet."""
    publish_colours(tmp_path)
    models, _ = look(tmp_path, lambda: (publish_colours(tmp_path, version=2) / MANIFEST_FILE).unlink())
    assert models.find("box2seg").version == 1


def test_tampered_version_changes_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A version whose file differs from its sha256 is refused, and said so once; the one before goes on."""
    publish_colours(tmp_path)

    def tamper() -> None:
        with (publish_colours(tmp_path, version=2) / MODEL_FILE).open("ab") as file:
            file.write(b"x")

    models, _ = look(tmp_path, tamper, lambda: None)
    assert models.find("box2seg").version == 1
    assert caplog.text.count("sha256") == 1


def test_version_that_cannot_load_changes_nothing(tmp_path: Path) -> None:
    """A file that is no network is refused by the engine; the version before goes on."""
    publish_colours(tmp_path)
    broken = colour_graph()
    del broken.graph.node[2:]
    models, _ = look(tmp_path, lambda: publish_colours(tmp_path, version=2, graph=broken))
    assert models.find("box2seg").version == 1


def test_version_in_a_wrong_folder_is_refused(tmp_path: Path) -> None:
    """A version copied under another number is not what its manifest says."""
    publish_colours(tmp_path, version=1).rename(tmp_path / "box2seg" / "2")
    with pytest.raises(ManifestError, match="version 1"):
        verified_version(tmp_path / "box2seg" / "2")


def test_unknown_and_waiting_models_differ(tmp_path: Path) -> None:
    """A model that is published but not loaded yet is not unknown: asking again will help."""
    broken = colour_graph()
    del broken.graph.node[2:]
    publish_colours(tmp_path, name="waiting", graph=broken)
    models, _ = look(tmp_path)
    with pytest.raises(EngineUnavailable, match="waiting"):
        models.find("waiting")
    with pytest.raises(UnknownModel, match="nobody"):
        models.find("nobody")


def test_live_version_names_the_models_there_are(tmp_path: Path) -> None:
    """Asking a repository for a model it does not have lists those it has."""
    publish_colours(tmp_path)
    with pytest.raises(UnknownModel, match="there are: box2seg"):
        live_version(tmp_path, "nobody")


def test_switch_under_traffic_loses_no_request(tmp_path: Path) -> None:
    """While a version is published every request is answered, and each mask is of the version it names."""
    publish_colours(tmp_path)
    settings = Settings(engine="local", repository=tmp_path, watch_every_s=0.05)
    photo, seen = encode(draw_photo()), []
    with running_gateway(settings, LocalEngine()) as address, httpx.Client(base_url=address) as client:
        publish_at = 20
        for turn in range(2000):
            if turn == publish_at:
                publish_colours(tmp_path, version=2, graph=colour_graph(first=0))
            answer = client.post("/v1/segment", content=photo)
            assert answer.status_code == 200
            version = int(answer.headers["x-model-version"])
            assert read_labels(answer.content)[32, 20] == {1: 1, 2: 0}[version]
            seen.append(version)
            if seen[-5:] == [2] * 5:
                break
    assert seen == sorted(seen)
    assert set(seen) == {1, 2}


def test_what_is_prepared_answers_from_its_event_on(tmp_path: Path) -> None:
    """A version stays ready until the history names it, whatever looks come between: there is no gap."""
    publish_colours(tmp_path)
    with changing(publish_colours(tmp_path, version=2).parent) as changes:
        changes.record(Action.PUBLISH, 2, who="a test", why="")

    async def promote() -> None:
        models = Models(tmp_path, LocalEngine())
        await models.refresh()
        watching = asyncio.create_task(models.watch(60.0))
        with changing(tmp_path / "box2seg") as changes:
            async with models.prepared("box2seg", 2):
                await models.refresh()
                assert models.find("box2seg").version == 1
                changes.record(Action.PROMOTE, 2, who="a test", why="")
        assert models.find("box2seg").version == 2
        watching.cancel()

    asyncio.run(promote())


def test_what_cannot_be_prepared_says_why(tmp_path: Path) -> None:
    """A damaged version is refused with its reason, and tried anew when somebody asks again."""
    publish_colours(tmp_path)
    folder = publish_colours(tmp_path, version=2)
    good = (folder / MODEL_FILE).read_bytes()
    with changing(folder.parent) as changes:
        changes.record(Action.PUBLISH, 2, who="a test", why="")
    (folder / MODEL_FILE).write_bytes(b"")

    async def prepare() -> None:
        models = Models(tmp_path, LocalEngine())
        await models.refresh()
        watching = asyncio.create_task(models.watch(60.0))
        with pytest.raises(EngineUnavailable, match="sha256"):
            async with models.prepared("box2seg", 2):
                pass
        (folder / MODEL_FILE).write_bytes(good)
        async with models.prepared("box2seg", 2):
            assert 2 in models.loaded("box2seg")
        watching.cancel()

    asyncio.run(prepare())


def test_a_slow_look_does_not_undo_what_a_request_saw(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a look read before an event, and has in hand only after it, is older than what a request read."""
    publish_colours(tmp_path)
    model = publish_colours(tmp_path, version=2).parent
    with changing(model) as changes:
        changes.record(Action.PROMOTE, 1, who="a test", why="")
    has_read, may_go_on = threading.Event(), threading.Event()

    def slow(folder: Path) -> Standing:
        standing = read_standing(folder)
        if threading.current_thread() is not threading.main_thread():
            has_read.set()
            may_go_on.wait()
        return standing

    async def look() -> int | None:
        line = Line(model)
        line.read()
        monkeypatch.setattr("serving.lines.read_standing", slow)
        looking = asyncio.create_task(line.read_aside())
        await asyncio.to_thread(has_read.wait)
        with changing(model) as changes:
            changes.record(Action.PROMOTE, 2, who="a test", why="")
        assert line.has_news()
        line.read()
        may_go_on.set()
        await looking
        assert not line.has_news()
        return line.standing.live

    assert asyncio.run(look()) == 2


def test_what_a_look_read_answers_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A look that has read an event leaves no request to the version before, whatever it does next."""
    publish_colours(tmp_path)
    model = publish_colours(tmp_path, version=2).parent

    async def change() -> None:
        engine = LocalEngine()
        models = Models(tmp_path, engine)
        await models.refresh()
        asked, may_go_on = asyncio.Event(), asyncio.Event()

        async def slow(name: str, version: int) -> bool:
            asked.set()
            await may_go_on.wait()
            return True

        monkeypatch.setattr(engine, "ready", slow)
        with changing(model) as changes:
            changes.record(Action.PROMOTE, 1, who="a test", why="")
        looking = asyncio.create_task(models.refresh())
        await asked.wait()
        assert models.find("box2seg").version == 1
        may_go_on.set()
        await looking

    asyncio.run(change())
