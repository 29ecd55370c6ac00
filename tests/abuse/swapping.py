"""A server whose versions change while people ask: what each answer was, and what it should have been."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from contract.history import Action
from contract.registry import changing
from serving.keys import ADMIN, INFER, change_keys, make_key
from tests.abuse.conftest import copy_config
from tests.abuse.house import House, running_house
from tests.serving.colours import colour_graph, draw_photo, encode, publish_colours, read_labels

VERSIONS = "/v1/models/box2seg/versions"
PHOTO = encode(draw_photo())
KNOWN_PIXEL = 32, 20
FORCED = {"force": True, "why": "a test"}


def red_of(version: int) -> int:
    """Give what a version calls red: versions beside each other differ."""
    return version % 2


def publish_numbers(repository: Path, *versions: int) -> None:
    """Publish versions that tell their number's parity."""
    for version in versions:
        publish_colours(repository, version=version, graph=colour_graph(first=red_of(version)))


def make_repository(folder: Path, *versions: int) -> Path:
    """Make a repository that Triton serves, with a history that has the last of these versions live."""
    publish_numbers(folder, *versions)
    copy_config(folder, "box2seg")
    with changing(folder / "box2seg") as changes:
        changes.record(Action.PROMOTE, versions[-1], who="a test", why="")
    return folder


@contextmanager
def swapping_house(folder: Path, *words: str, **settings: object) -> Iterator[House]:
    """Run a server with keys over `folder`/models; its client may do all."""
    key, token = make_key("alice", (INFER, ADMIN), rate_per_s=1e5, burst=10**5)
    change_keys(folder / "keys.json", lambda _: [key])
    settings = {"keys_file": folder / "keys.json", "watch_every_s": 0.2, "drain_s": 0, **settings}
    with running_house(folder / "gateway.log", folder / "models", *words, **settings) as house:
        house.client.headers["Authorization"] = f"Bearer {token}"
        yield house


def version_of(answer: httpx.Response) -> int:
    """Give the version that an answer names, once its mask proved to be that version's."""
    assert answer.status_code == 200, answer.text
    version = int(answer.headers["x-model-version"])
    assert read_labels(answer.content)[KNOWN_PIXEL] == red_of(version)
    return version


def promote(house: House, version: int) -> httpx.Response:
    """Promote a version over HTTP, passing over the gate."""
    return house.client.post(f"{VERSIONS}/{version}:promote", json=FORCED)


@dataclass(slots=True)
class Asked:
    """One request: when it began [s], how long it took [s], and which version answered."""

    began_s: float
    took_s: float
    version: int


@dataclass(slots=True)
class Crowd:
    """
    People who ask one after the other, each on connections of their own.

    Args:
        house: Whom they ask.
        photo: What they send.
        asked: What they were answered.
        failures: What was no mask, or one of another version than it said.
    """

    house: House
    photo: bytes = PHOTO
    asked: list[Asked] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    @contextmanager
    def asking(self, people: int) -> Iterator[None]:
        """Have so many ask while inside."""
        threads = [threading.Thread(target=self._ask) for _ in range(people)]
        for each in threads:
            each.start()
        try:
            yield
        finally:
            self._stop.set()
            for each in threads:
                each.join()

    def between(self, begin_s: float, end_s: float) -> list[Asked]:
        """Give the requests that began in a stretch of time."""
        return [each for each in self.asked if begin_s <= each.began_s < end_s]

    def _ask(self) -> None:
        headers = self.house.client.headers
        with httpx.Client(base_url=self.house.address, headers=headers, timeout=60.0) as client:
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    answer = client.post("/v1/segment", content=self.photo)
                    version = version_of(answer)
                except (httpx.TransportError, AssertionError) as error:
                    self.failures.append(repr(error))
                else:
                    self.asked.append(Asked(began, time.monotonic() - began, version))
