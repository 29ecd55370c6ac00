"""Versions over HTTP: listed, promoted, refused, rolled back; and each request is answered by one of them."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from contract.collection import collect
from contract.history import Action, history_path, read_history
from contract.manifest import MODEL_FILE, Manifest, manifest_sha256, read_manifest
from contract.promotion import reject
from contract.registry import State, changing, read_standing
from contract.verdict import Check, Verdict, report_folder, write_verdict
from serving.engines.local import LocalEngine
from serving.keys import ADMIN, INFER, change_keys, make_key
from serving.settings import Settings
from tests.serving.colours import colour_graph, draw_photo, encode, publish_colours, read_labels
from tests.serving.running import running_gateway

VERSIONS = "/v1/models/box2seg/versions"
PHOTO = encode(draw_photo())
FORCED = {"force": True, "why": "a test"}
RED_OF = {1: 1, 2: 0, 3: 1}
"""How the versions differ: what they call red."""


def let_through(model: Path, version: int, *, against: int, miou: bool = True) -> None:
    """Write the gate's verdict on a version."""
    check = Check("mIoU", miou, "0.70", "at least 0.75")
    manifest = read_manifest(model / str(version))
    when = "2026-11-21T00:00:00+00:00"
    verdict = Verdict(
        version,
        against,
        manifest.files,
        (check,),
        when,
        "0123abc",
        "a test",
        manifest_sha256=manifest_sha256(manifest),
    )
    write_verdict(verdict, report_folder(model, version))


def publish_candidate(repository: Path, version: int) -> Path:
    """Publish a version that waits; gives the model's folder."""
    model = publish_colours(repository, version=version, graph=colour_graph(first=RED_OF[version])).parent
    with changing(model) as changes:
        changes.record(Action.PUBLISH, version, who="a test", why="")
    return model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model's folder with version 1 live, and 2 waiting."""
    publish_colours(tmp_path)
    return publish_candidate(tmp_path, 2)


class WaitingEngine(LocalEngine):
    """Loads one of the versions when it is told to, as if that took long."""

    def __init__(self, version: int) -> None:
        super().__init__()
        self._version = version
        self.began, self.go = threading.Event(), threading.Event()

    async def load(self, manifest: Manifest, folder: Path) -> None:
        """Load a version, this one after a while."""
        if manifest.version == self._version:
            self.began.set()
            await asyncio.to_thread(self.go.wait)
        await super().load(manifest, folder)


@contextmanager
def administered(tmp_path: Path, engine: LocalEngine) -> Iterator[httpx.Client]:
    """Give a client that may do all, of a gateway with keys that looks at its repository seldom."""
    key, token = make_key("alice", (INFER, ADMIN))
    change_keys(tmp_path / "keys.json", lambda _: [key])
    settings = Settings(
        engine="local", repository=tmp_path, keys_file=tmp_path / "keys.json", watch_every_s=60.0
    )
    headers = {"Authorization": f"Bearer {token}"}
    with (
        running_gateway(settings, engine) as address,
        httpx.Client(base_url=address, headers=headers, timeout=30.0) as client,
    ):
        yield client


@pytest.fixture
def admin(model: Path, tmp_path: Path) -> Iterator[httpx.Client]:
    """A client that may do all, with the engine as it is."""
    with administered(tmp_path, LocalEngine()) as client:
        yield client


def answering(client: httpx.Client) -> int:
    """Ask for a mask; gives the version that it is of, by header and by mask."""
    answer = client.post("/v1/segment", content=PHOTO)
    assert answer.status_code == 200, answer.text
    version = int(answer.headers["x-model-version"])
    assert read_labels(answer.content)[32, 20] == RED_OF[version]
    return version


def test_a_candidate_does_not_answer(admin: httpx.Client) -> None:
    """What was published waits, and the list says for what."""
    assert answering(admin) == 1
    listed = admin.get(VERSIONS).json()
    assert (listed["live"], listed["canary"], listed["previous"]) == (1, None, None)
    assert [(each["version"], each["state"]) for each in listed["versions"]] == [
        (2, "candidate"),
        (1, "live"),
    ]
    assert listed["versions"][0]["objections"] == ["the gate has not looked at it"]
    assert [each["action"] for each in listed["history"]] == ["promote", "publish"]


def test_promotion_needs_the_gate(admin: httpx.Client, model: Path) -> None:
    """Without a verdict, or with one against it, 409 says each reason; nothing changes."""
    refused = admin.post(f"{VERSIONS}/2:promote")
    assert (refused.status_code, refused.headers["content-type"]) == (409, "application/problem+json")
    assert "the gate has not looked at it" in refused.json()["detail"]
    let_through(model, 2, against=1, miou=False)
    refused = admin.post(f"{VERSIONS}/2:promote")
    assert refused.status_code == 409
    assert "mIoU: 0.70, wanted at least 0.75" in refused.json()["detail"]
    assert str(model.parent) not in refused.text
    assert answering(admin) == 1


def test_promoted_and_rolled_back(admin: httpx.Client, model: Path) -> None:
    """The next request is answered by what was promoted, and by the one before after the rollback."""
    before = admin.post("/v1/segment", content=PHOTO).content
    let_through(model, 2, against=1)
    event = admin.post(f"{VERSIONS}/2:promote", json={"why": "better"})
    assert event.status_code == 200, event.text
    assert (event.json()["who"], event.json()["why"], event.json()["forced"]) == ("alice", "better", False)
    assert answering(admin) == 2
    assert admin.post(f"{VERSIONS}:rollback", json={"why": "worse"}).status_code == 200
    assert answering(admin) == 1
    assert admin.post("/v1/segment", content=PHOTO).content == before
    assert read_standing(model).states == {1: State.LIVE, 2: State.REJECTED}
    assert [each.why for each in read_history(model)][-2:] == ["better", "worse"]


def test_force_needs_a_reason_and_is_written_down(admin: httpx.Client, model: Path) -> None:
    """Passing over the gate takes a reason, which stands in the history."""
    refused = admin.post(f"{VERSIONS}/2:promote", json={"force": True})
    assert refused.status_code == 422
    assert answering(admin) == 1
    assert (
        admin.post(f"{VERSIONS}/2:promote", json={"force": True, "why": "no golden set"}).status_code == 200
    )
    assert answering(admin) == 2
    last = read_history(model)[-1]
    assert (last.forced, last.why, last.who) == (True, "no golden set", "alice")


def test_a_version_that_cannot_be_loaded_is_not_promoted(admin: httpx.Client, tmp_path: Path) -> None:
    """Loaded and warm comes before the switch: what cannot be, is 409 with the reason."""
    broken = colour_graph()
    del broken.graph.node[2:]
    publish_colours(tmp_path, version=3, graph=broken)
    refused = admin.post(f"{VERSIONS}/3:promote", json={"force": True, "why": "try"})
    assert refused.status_code == 409
    assert "cannot load" in refused.json()["detail"]
    assert answering(admin) == 1
    assert "cannot load" in admin.get("/v1/models/box2seg").json()["problems"]["3"]
    assert [each.action for each in read_history(tmp_path / "box2seg")][-1] == Action.PUBLISH


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        pytest.param("/9:promote", {}, 404, id="no such version"),
        pytest.param("/1:promote", {}, 409, id="answers already"),
        pytest.param("/1:reject", {"why": "old"}, 409, id="the live one"),
        pytest.param("/2:reject", {}, 422, id="no reason"),
        pytest.param("/2:reject", {"why": " \x1d"}, 422, id="a reason that nobody sees"),
        pytest.param("/2:canary", {"share": 2}, 422, id="share"),
        pytest.param("/2:canary", {"share": 0.5}, 409, id="canary without verdict"),
        pytest.param("/2:promote", {"loud": True}, 422, id="field"),
        pytest.param(":rollback", {}, 409, id="nothing before"),
        pytest.param(":withdraw", {}, 409, id="no canary"),
    ],
)
def test_what_cannot_be_done(admin: httpx.Client, path: str, body: dict[str, object], status: int) -> None:
    """Each refusal is a problem with its status; the history stays as it was."""
    before = admin.get(VERSIONS).json()["history"]
    answer = admin.post(VERSIONS + path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["detail"]
    assert admin.get(VERSIONS).json()["history"] == before


def test_what_is_no_json_is_refused(admin: httpx.Client) -> None:
    """A body that is no JSON object is 400, of a model that there is not 404."""
    assert admin.post(f"{VERSIONS}:rollback", content=b"{").status_code == 400
    assert admin.post("/v1/models/nobody/versions:rollback").status_code == 404
    assert admin.get("/v1/models/nobody/versions").status_code == 404


def test_two_at_once(admin: httpx.Client, model: Path) -> None:
    """While somebody changes the versions, nobody else does: 409."""
    assert admin.post(f"{VERSIONS}/2:promote", json=FORCED).status_code == 200
    with changing(model):
        busy = admin.post(f"{VERSIONS}:rollback")
    assert busy.status_code == 409
    assert busy.json()["type"] == "urn:box2seg:problem:registry-busy"


def test_a_rollback_waits_for_no_load(model: Path, tmp_path: Path) -> None:
    """While a version takes long to load the one before answers again; its promotion is then refused."""
    publish_candidate(tmp_path, 3)
    engine, answers = WaitingEngine(3), []
    with administered(tmp_path, engine) as admin:
        assert admin.post(f"{VERSIONS}/2:promote", json=FORCED).status_code == 200
        promotion = threading.Thread(
            target=lambda: answers.append(admin.post(f"{VERSIONS}/3:promote", json=FORCED))
        )
        promotion.start()
        assert engine.began.wait(timeout=30)
        assert admin.post(f"{VERSIONS}:rollback", json={"why": "a test"}).status_code == 200
        assert answering(admin) == 1
        engine.go.set()
        promotion.join()
        assert answering(admin) == 1
    (refused,) = answers
    assert refused.status_code == 409
    assert "somebody else changed its versions while version 3 was loaded" in refused.json()["detail"]
    assert read_standing(model).states == {1: State.LIVE, 2: State.REJECTED, 3: State.CANDIDATE}


def test_a_version_that_is_removed_while_it_is_loaded(model: Path, tmp_path: Path) -> None:
    """Rejected and collected meanwhile it is a stranger again, and is not promoted for that."""
    publish_candidate(tmp_path, 3)
    engine, answers = WaitingEngine(3), []
    with administered(tmp_path, engine) as admin:
        promotion = threading.Thread(
            target=lambda: answers.append(admin.post(f"{VERSIONS}/3:promote", json=FORCED))
        )
        promotion.start()
        assert engine.began.wait(timeout=30)
        reject(model, 3, who="bob", why="cows are dogs")
        collect(model, 3, who="bob")
        engine.go.set()
        promotion.join()
        assert answering(admin) == 1
    assert [each.status_code for each in answers] == [409]


def test_keys_that_may_infer_change_nothing(admin: httpx.Client, tmp_path: Path) -> None:
    """Versions are for the admin scope; a server without keys shows them, and has them changed by nobody."""
    key, token = make_key("bob", (INFER,))
    change_keys(tmp_path / "keys.json", lambda keys: [*keys, key])
    bob = {"Authorization": f"Bearer {token}"}
    assert admin.get(VERSIONS, headers=bob).status_code == 403
    assert admin.post(f"{VERSIONS}:rollback", headers=bob).status_code == 403


def test_a_server_without_keys_is_changed_by_nobody(model: Path) -> None:
    """Where everybody may ask, nobody may promote over the network."""
    settings = Settings(engine="local", repository=model.parent)
    with running_gateway(settings, LocalEngine()) as address, httpx.Client(base_url=address) as client:
        assert client.get(VERSIONS).json()["live"] == 1
        refused = client.post(f"{VERSIONS}/2:promote", json={"force": True, "why": "why not"})
        assert refused.status_code == 403
        assert "BOX2SEG_KEYS_FILE" in refused.json()["hint"]
        assert answering(client) == 1


def test_an_event_on_files_switches_at_the_next_requests(admin: httpx.Client, model: Path) -> None:
    """A promotion beside the server is followed: the next request has it loaded, later ones are its own."""
    with changing(model) as changes:
        changes.record(Action.PROMOTE, 2, who="a test", why="on files")
    seen = [answering(admin)]
    while seen[-1] == 1:
        seen.append(answering(admin))
    assert seen == sorted(seen)
    with changing(model) as changes:  # loaded already: no request in between
        changes.record(Action.ROLLBACK, 1, who="a test", why="on files")
    assert answering(admin) == 1


def test_a_live_version_that_is_damaged_leaves_the_one_before(model: Path) -> None:
    """E1: at the start too; the reason is in the list, and names no folder."""
    with changing(model) as changes:
        changes.record(Action.PROMOTE, 2, who="a test", why="")
    with (model / "2" / MODEL_FILE).open("r+b") as file:
        file.write(b"damaged")
    settings = Settings(engine="local", repository=model.parent)
    with running_gateway(settings, LocalEngine()) as address, httpx.Client(base_url=address) as client:
        assert answering(client) == 1
        card = client.get(VERSIONS).json()["versions"][0]
        assert (card["state"], card["answers"], card["loaded"]) == ("live", False, False)
        assert "sha256" in card["problem"]
        assert str(model) not in json.dumps(client.get("/v1/models").json())
        assert "sha256" in client.get("/v1/models").json()["models"][0]["problems"]["2"]


def test_a_history_that_cannot_be_read_changes_nothing(admin: httpx.Client, model: Path) -> None:
    """Who answered goes on where the history is damaged; the reason is told."""
    assert answering(admin) == 1
    with history_path(model).open("a") as file:
        file.write("no event\n")
    assert answering(admin) == 1
    problem = admin.get("/v1/models/box2seg").json()["problems"]["history"]
    assert "line 3 is no event" in problem
