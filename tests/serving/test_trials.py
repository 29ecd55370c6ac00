"""Canaries: what they answer, what the live version answers for them, and how they end."""

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import numpy as np
import onnx
import pytest

from contract.history import Action, read_history
from contract.profile import Profile, write_profile
from contract.registry import State, changing, read_standing
from contract.verdict import report_folder
from serving.engines.local import LocalEngine
from serving.judge import Judge, Limits
from serving.settings import Settings
from serving.trials import Draw, agreement_of
from tests.serving.colours import colour_graph, draw_photo, encode, publish_colours, read_labels
from tests.serving.processes import wait_until
from tests.serving.running import running_gateway

PHOTO = encode(draw_photo())
GREY = encode(np.full((64, 96, 3), 127, np.uint8))
WRONG = 9
"""The first label of a network whose labels are of no class, wherever a photo has colours."""

REQUESTS = 'box2seg_photos_total{model="box2seg",outcome='


def start(model: Path, version: int, *, share: float = 0.0, shadow: float = 0.0) -> None:
    """Make a version the canary, on files."""
    with changing(model) as changes:
        changes.record(Action.CANARY, version, who="a test", why="", share=share, shadow=shadow)


@contextmanager
def canary(
    repository: Path, graph: onnx.ModelProto, *, share: float = 0.0, shadow: float = 0.0, **settings: object
) -> Iterator[httpx.Client]:
    """Run a gateway whose version 1 is live and whose version 2, with this network, is the canary."""
    publish_colours(repository)
    model = publish_colours(repository, version=2, graph=graph).parent
    with changing(model) as changes:
        changes.record(Action.PUBLISH, 2, who="a test", why="")
    start(model, 2, share=share, shadow=shadow)
    chosen = Settings(engine="local", repository=repository, watch_every_s=0.1, **settings)  # type: ignore[arg-type]
    with (
        running_gateway(chosen, LocalEngine()) as address,
        httpx.Client(base_url=address, timeout=30.0) as client,
    ):
        yield client


def ask(client: httpx.Client, photo: bytes = PHOTO) -> int:
    """Ask for a mask; gives the version that answered."""
    answer = client.post("/v1/segment", content=photo)
    assert answer.status_code == 200, answer.text
    return int(answer.headers["x-model-version"])


def state(repository: Path) -> State:
    """Tell where version 2 stands."""
    return read_standing(repository / "box2seg").states[2]


def test_a_canary_answers_its_share(tmp_path: Path) -> None:
    """Of 200 requests 30 % are the canary's, give or take two; its header and its mask are its own."""
    with canary(tmp_path, colour_graph(first=0), share=0.3, canary_agreement=0.0) as client:
        versions = []
        for _ in range(200):
            answer = client.post("/v1/segment", content=PHOTO)
            versions.append(int(answer.headers["x-model-version"]))
            assert read_labels(answer.content)[32, 20] == {1: 1, 2: 0}[versions[-1]]
    assert Counter(versions)[2] == pytest.approx(60, abs=2)


@pytest.mark.case("E8")
def test_e8_a_canary_that_fails_is_rejected(tmp_path: Path, record_property: object) -> None:
    """E8: 10 % canary, of whose requests 30 % fail: nobody sees a failure, and it is rejected."""
    chance = np.random.default_rng(0)
    with canary(
        tmp_path, colour_graph(first=WRONG), share=0.1, canary_requests=100, canary_errors=0.1
    ) as client:
        asked, answered = 0, Counter[int]()
        while state(tmp_path) is State.CANARY:
            answered[ask(client, PHOTO if chance.random() < 0.3 else GREY)] += 1
            asked += 1
            assert asked < 5000
        passed_on = _metric(client, f'{REQUESTS}"passed on",version="2"')
        assert passed_on == 11  # one more than 10 % of 100
        assert (answered[2] + passed_on) / asked == pytest.approx(0.1, abs=0.02)
        assert {ask(client) for _ in range(30)} == {1}
    last = read_history(tmp_path / "box2seg")[-1]
    assert (last.action, last.version, last.who) == (Action.REJECT, 2, "gateway")
    assert "requests failed, the limit is 10.0%" in last.why
    record_property(  # type: ignore[operator]
        "seen",
        f"rejected after {asked} requests, 0 failed; share {(answered[2] + passed_on) / asked:.1%}",
    )


def test_a_batch_is_answered_by_one_version(tmp_path: Path) -> None:
    """Its header comes before its first photo, so no photo of it is a canary's."""
    with canary(tmp_path, colour_graph(first=0), share=1.0) as client:
        assert ask(client) == 2
        answer = client.post("/v1/segment:batch", files=[("image", ("a.png", PHOTO))] * 3)
        assert answer.headers["x-model-version"] == "1"
        assert answer.text.count('"status": 200') == 3


def test_a_shadow_is_compared_and_answers_nobody(tmp_path: Path) -> None:
    """What it computes is only counted; where it disagrees too much it is rejected with the figure."""
    with canary(tmp_path, colour_graph(first=0), shadow=1.0, canary_requests=5) as client:
        end = time.monotonic() + 60
        while state(tmp_path) is State.CANARY:
            assert ask(client) == 1
            assert time.monotonic() < end
            time.sleep(0.1)  # a lull, in which it is compared
        assert _metric(client, 'box2seg_canary_agreement_count{model="box2seg",version="2"') >= 5
    assert "of the pixels have the live version's label, the limit is 80.0%" in _last_reason(tmp_path)


def test_a_shadow_that_agrees_goes_on(tmp_path: Path) -> None:
    """The same network agrees in each pixel; it stays, and the metric says 1."""
    with canary(tmp_path, colour_graph(), shadow=1.0, canary_requests=5) as client:
        count = 'box2seg_canary_agreement_count{model="box2seg",version="2"'
        while _metric(client, count) < 10:
            assert ask(client) == 1
        total = 'box2seg_canary_agreement_sum{model="box2seg",version="2"'
        wait_until(lambda: _metric(client, total) == _metric(client, count))  # some are compared still
    assert state(tmp_path) is State.CANARY


def test_a_slow_canary_is_rejected() -> None:
    """By the medians, once there are enough of both; one slow answer is nothing."""
    judge = Judge(Limits(requests=3, slowdown=2.0))
    judge.live_times_s.extend([0.01, 0.01, 5.0])
    judge.times_s.extend([0.01, 0.01, 5.0])
    assert judge.objection() is None
    judge.times_s.extend([0.03, 0.03, 0.03])
    assert judge.objection() == (
        "its network takes 30.0 ms, the live version's 10.0 ms; the limit is 2 times as long"
    )


def test_a_canary_is_not_judged_by_little() -> None:
    """One failure of one request says nothing; more than all that may fail of those awaited does."""
    judge = Judge(Limits(requests=50, errors=0.05), asked=1, failed=1)
    assert judge.objection() is None
    judge = Judge(Limits(requests=50, errors=0.05), asked=3, failed=3)
    assert judge.objection() == "3 of 3 requests failed, the limit is 5.0%"


@pytest.mark.parametrize("share", [0.0, 0.05, 0.1, 0.5, 1.0])
def test_draws_are_even(share: float) -> None:
    """Of any hundred in a row the share is right within two."""
    draw = Draw()
    hits = [draw.hits(share) for _ in range(1000)]
    for begin in range(900):
        assert sum(hits[begin : begin + 100]) == pytest.approx(100 * share, abs=2)


def test_agreement_is_a_part_of_the_pixels() -> None:
    """Three of four pixels alike are 0.75."""
    assert agreement_of(np.array([[0, 1], [2, 3]], np.uint8), np.array([[0, 1], [2, 2]], np.uint8)) == 0.75


def test_versions_are_watched(tmp_path: Path) -> None:
    """Classes, confidence and brightness of what was answered, and how far they are from the golden set's."""
    publish_colours(tmp_path)
    model = tmp_path / "box2seg"
    golden = Profile(
        10, {"background": 0.7, "red": 0.1, "green": 0.1, "blue": 0.1}, 0.9, 0.9, (0.0,) * 9 + (1.0,)
    )
    write_profile(golden, report_folder(model, 1))
    settings = Settings(engine="local", repository=tmp_path)
    with running_gateway(settings, LocalEngine()) as address, httpx.Client(base_url=address) as client:
        for _ in range(4):
            ask(client)
        found = client.get("/v1/models/box2seg/versions/1/drift").json()
        seen = found["seen"]
        assert seen["photos"] == 4
        assert sum(seen["classes"].values()) == pytest.approx(1.0)
        assert seen["classes"]["red"] == pytest.approx(24 * 32 / (64 * 96), rel=0.2)
        assert seen["classes"]["green"] == 0.0
        assert sum(seen["bins"]) == pytest.approx(1.0)
        assert seen["bins"][int(seen["brightness"] * 10)] == 1.0
        assert found["golden"]["classes"] == golden.classes
        assert found["classes"] > 0.25
        assert found["brightness"] > 0.25
        labels = 'box2seg_drift{model="box2seg",over="classes",version="1"}'
        assert _metric(client, labels) == pytest.approx(found["classes"])


def _metric(client: httpx.Client, line: str) -> float:
    text = client.get("/metrics").text
    return sum(float(each.rsplit(" ", 1)[1]) for each in text.splitlines() if each.startswith(line))


def _last_reason(repository: Path) -> str:
    wait_until(lambda: read_history(repository / "box2seg")[-1].action is Action.REJECT)
    return read_history(repository / "box2seg")[-1].why
