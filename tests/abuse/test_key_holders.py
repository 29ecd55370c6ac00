"""B11, C5: who has no key, the wrong one, or one that asks too often; before a real Triton."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest

from serving.keys import ADMIN, INFER, change_keys, make_key
from tests.abuse.conftest import Seen
from tests.abuse.house import GOLDEN, House, running_house
from tests.serving.processes import wait_until

pytestmark = pytest.mark.triton


@pytest.fixture(scope="module")
def keyed(the_house: House, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[House, Path]]:
    """A gateway that wants keys, before the same Triton."""
    folder = tmp_path_factory.mktemp("keyed")
    file = folder / "keys.json"
    change_keys(file, lambda keys: keys)
    words = ("--triton-url", the_house.triton_url)
    with running_house(folder / "gateway.log", the_house.repository, *words, keys_file=file) as house:
        yield house, file


def new_key(file: Path, name: str, *scopes: str, **rates: float) -> dict[str, str]:
    """Make a key; gives the header that shows it."""
    key, token = make_key(name, scopes, **rates)  # type: ignore[arg-type]
    change_keys(file, lambda keys: [*keys, key])
    return {"Authorization": f"Bearer {token}"}


@pytest.mark.case("B11")
def test_b11_keys(keyed: tuple[House, Path], seen: Seen) -> None:
    """Without a key, or with a wrong one, 401; with one for something else 403; no key is in the log."""
    house, file = keyed
    people, owner = new_key(file, "people", INFER), new_key(file, "owner", ADMIN)

    def ask(headers: dict[str, str], path: str = "/metrics") -> int:
        return house.client.get(path, headers=headers).status_code

    wrong = {"Authorization": "Bearer box2seg_wrong"}
    assert [ask({}), ask(wrong)] == [401, 401]
    assert [ask(people), ask(owner), ask(owner, "/v1/models"), ask(people, "/v1/models")] == [
        403,
        200,
        403,
        200,
    ]
    assert house.client.post("/v1/segment", content=GOLDEN, headers=people).status_code == 200
    token = people["Authorization"].removeprefix("Bearer ")
    house.client.get(f"/v1/models?key={token}", headers={"X-API-Key": token})
    wait_until(lambda: house.said().count("people") >= 4)
    assert token not in house.said()
    seen("401, 401, 403; in the log the key's name and never the key")


@pytest.mark.abuse
@pytest.mark.case("C5")
def test_c5_one_key_floods(keyed: tuple[House, Path], seen: Seen) -> None:
    """A key that floods gets 429s; another one's answers take as long as before."""
    house, file = keyed
    flood, calm = new_key(file, "flood", INFER, rate_per_s=1.0, burst=5), new_key(file, "calm", INFER)

    def timed() -> float:
        time.sleep(0.06)
        answer = house.client.post("/v1/segment", content=GOLDEN, headers=calm)
        assert answer.status_code == 200
        return answer.elapsed.total_seconds()

    alone = [timed() for _ in range(200)]
    stop, statuses = threading.Event(), list[int]()

    def ask_too_often() -> None:
        with httpx.Client(base_url=house.address) as client:
            while not stop.is_set():
                statuses.append(client.post("/v1/segment", content=GOLDEN, headers=flood).status_code)
                time.sleep(0.02)

    flooding = threading.Thread(target=ask_too_often)
    flooding.start()
    beside = [timed() for _ in range(200)]
    stop.set()
    flooding.join()
    assert statuses.count(200) + statuses.count(429) == len(statuses)
    assert statuses.count(429) > 0.8 * len(statuses)
    before, after = (float(np.percentile(times, 99)) for times in (alone, beside))
    assert after <= max(1.5 * before, before + 0.02)
    seen(
        f"{statuses.count(429)} of {len(statuses)} refused; the other's p99 {1e3 * after:.0f} ms, "
        f"alone {1e3 * before:.0f} ms"
    )
