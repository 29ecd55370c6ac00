"""The file of keys, and the rate of each."""

import json
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.errors import ConfigurationError, RateLimited
from serving.keys import ADMIN, INFER, KeyRing, change_keys, make_key, read_keys
from serving.rates import Rates


def test_the_file_holds_hashes_for_its_owner_alone(tmp_path: Path) -> None:
    """What opens is not in the file, and nobody else may read that."""
    file = tmp_path / "new" / "keys.json"
    key, token = make_key("alice", (INFER, ADMIN), rate_per_s=2.5, burst=4)
    change_keys(file, lambda keys: [*keys, key])
    assert token not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert read_keys(file) == [key]
    assert [path.name for path in file.parent.iterdir()] == ["keys.json"]


def test_tokens_are_long_and_never_the_same() -> None:
    """A token has 256 random bits behind a name that says what it is."""
    tokens = {make_key("alice", (INFER,))[1] for _ in range(100)}
    assert len(tokens) == 100
    assert all(token.startswith("box2seg_") and len(token) == 51 for token in tokens)


def test_changes_at_once_are_all_made(tmp_path: Path) -> None:
    """Twenty people who add keys at the same moment lose none."""
    file = tmp_path / "keys.json"

    def add(name: int) -> None:
        change_keys(file, lambda keys: [*keys, make_key(str(name), (INFER,))[0]])

    with ThreadPoolExecutor(8) as people:
        list(people.map(add, range(20)))
    assert {key.name for key in read_keys(file)} == set(map(str, range(20)))


def test_every_key_is_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """B11: the first key's token takes as many comparisons, in constant time, as a wrong one."""
    file, compared = tmp_path / "keys.json", []
    made = [make_key(str(name), (INFER,)) for name in range(5)]
    change_keys(file, lambda _: [key for key, _ in made])
    ring = KeyRing(file)
    from hmac import compare_digest

    monkeypatch.setattr("hmac.compare_digest", lambda a, b: compared.append(a) or compare_digest(a, b))
    for token in (made[0][1], "wrong"):
        compared.clear()
        found = ring.find(token)
        assert (found and found.name) == ("0" if token != "wrong" else None)
        assert len(compared) == 5


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"keys": [{"name": "a"}]}', '{"keys": [{"nam": 1, "scopes": []}]}']
)
def test_other_files_are_refused(tmp_path: Path, text: str) -> None:
    """What is no file of keys is refused with its name, and so is one that is not there."""
    file = tmp_path / "keys.json"
    with pytest.raises(ConfigurationError, match=r"keys\.json: no such file"):
        KeyRing(file)
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=r"keys\.json: no file of keys"):
        KeyRing(file)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"scopes": ["root"]}, "scopes"),
        ({"scopes": []}, "scopes"),
        ({"name": "a\nb"}, "name"),
        ({"rate_per_s": 0}, "above 0"),
        ({"rate_per_s": float("nan")}, "above 0"),
        ({"rate_per_s": 1e-320}, "above 0"),
        ({"burst": -1}, "above 0"),
    ],
)
def test_impossible_keys_are_refused(tmp_path: Path, change: dict[str, object], problem: str) -> None:
    """A key that allows nothing known, or has a name that could forge a log line, is refused."""
    file = tmp_path / "keys.json"
    entry = {"name": "a", "sha256": "0", "scopes": ["infer"], "created": "now"} | change
    file.write_text(json.dumps({"keys": [entry]}))
    with pytest.raises(ConfigurationError, match=problem):
        read_keys(file)


@pytest.mark.parametrize("is_shared", [False, True], ids=["one process", "several"])
def test_a_bucket_fills_at_its_rate(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, is_shared: bool) -> None:
    """With 2 a second and 3 at once: three pass, the fourth comes half a second later, rounded up."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    rates = Rates(rate_per_s=2.0, burst=3, folder=tmp_path if is_shared else None)
    key, other = (make_key(name, (INFER,))[0] for name in ("alice", "bob"))
    for _ in range(3):
        rates.take(key)
    with pytest.raises(RateLimited) as refused:
        rates.take(key)
    assert refused.value.retry_after_s == 1
    rates.take(other)
    now += 0.5
    rates.take(key)
    with pytest.raises(RateLimited):
        rates.take(key)


def test_processes_that_share_a_bucket_never_give_more_than_it_has(tmp_path: Path) -> None:
    """Of 60 requests at once, over three who share a folder, as many pass as a key may make."""
    key, _ = make_key("alice", (INFER,), rate_per_s=1 / 86_400, burst=20)
    sharing = [Rates(rate_per_s=1.0, burst=1, folder=tmp_path) for _ in range(3)]

    def passes(number: int) -> bool:
        try:
            sharing[number % 3].take(key)
        except RateLimited:
            return False
        return True

    with ThreadPoolExecutor(12) as people:
        assert sum(people.map(passes, range(60))) == 20


def test_what_costs_more_is_owed(monkeypatch: pytest.MonkeyPatch) -> None:
    """With 2 a second and 3 at once, 10 photos are let in and leave a debt of 7: 4 s until the next."""
    now = 100.0
    monkeypatch.setattr("time.monotonic", lambda: now)
    rates = Rates(rate_per_s=2.0, burst=3)
    key, _ = make_key("alice", (INFER,))
    rates.take(key)
    rates.charge(key, 9)
    with pytest.raises(RateLimited) as refused:
        rates.take(key)
    assert refused.value.retry_after_s == 4
    now += 4.0
    rates.take(key)
