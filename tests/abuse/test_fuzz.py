"""B10: Schemathesis asks the running server whatever its OpenAPI document allows, and what that forbids."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from schemathesis.core.warnings import SchemathesisWarning

from serving.engines.local import LocalEngine
from serving.keys import SCOPES, change_keys, make_key
from serving.settings import Settings
from tests.abuse.conftest import Seen
from tests.abuse.fuzzing import PATIENCE_S
from tests.serving.colours import draw_photo, encode, publish_colours
from tests.serving.processes import wait_until
from tests.serving.running import running_gateway

ROOT = Path(__file__).parents[2]
PASSED = re.compile(r"(\d+) generated, \1 passed")

MOSTLY_REFUSED = "low_valid_rate"
"""What few of the good cases are accepted for, such as names of models of which there is one."""


class Target:
    """A running gateway, the headers that it wants, and what Schemathesis may warn of."""

    def __init__(self, address: str, *headers: str, allowed: tuple[str, ...] = ()) -> None:
        self.address = address
        self.headers = headers
        self.allowed = allowed

    def fuzz(self, folder: Path, *, examples: int) -> str:
        """Let Schemathesis make so many examples for each operation; gives what it says at the end."""
        shown = [each.value for each in SchemathesisWarning if each.value not in self.allowed]
        (folder / "schemathesis.toml").write_text(f"[warnings]\ndisplay = {shown}\nfail-on = true\n")
        words = ["run", f"{self.address}/openapi.json", "--checks", "all", "--max-examples", examples]
        words += ["--continue-on-failure", "--generation-database", "none", "--no-color"]
        words += [word for header in self.headers for word in ("--header", header)]
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", *map(str, words)],
            cwd=folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
                "SCHEMATHESIS_HOOKS": "tests.abuse.fuzzing",
                **{f"FUZZED_JOB_{name}": self.finished_job() for name in ("KEPT", "DELETED")},
            },
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"Tested: {self.operations()}" in done.stdout
        return done.stdout

    def finished_job(self) -> str:
        """Have a job done, so that there is one to ask after; gives its id."""
        said = dict(header.split(": ", 1) for header in self.headers)
        with httpx.Client(base_url=self.address, headers=said) as client:
            job = client.post("/v1/jobs", json={"places": ["photos"]}).json()["id"]
            wait_until(lambda: client.get(f"/v1/jobs/{job}").json()["state"] == "done")
        return str(job)

    def operations(self) -> int:
        """Count what the document describes."""
        paths = httpx.get(f"{self.address}/openapi.json").json()["paths"]
        return sum(map(len, paths.values()))


@pytest.fixture(params=["with keys", "open"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Target]:
    """A gateway with the local engine and small limits; where it has keys, with one that may do all."""
    publish_colours(tmp_path / "models")
    key, token = make_key("fuzz", SCOPES, rate_per_s=1e6, burst=10**6)
    file = tmp_path / "keys.json"
    change_keys(file, lambda _: [key])
    has_keys = request.param == "with keys"
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "one.png").write_bytes(encode(draw_photo()))
    settings = Settings(
        engine="local",
        repository=tmp_path / "models",
        max_pixels=4_000_000,
        max_body_bytes=2_000_000,
        timeout_s=PATIENCE_S,
        keys_file=file if has_keys else None,
        jobs_folder=tmp_path / "jobs",
        jobs_roots={"photos": tmp_path / "photos"},
        jobs_per_key=10**6,
        jobs_free_bytes=0,
    )
    with running_gateway(settings, LocalEngine()) as address:
        if has_keys:
            yield Target(address, f"Authorization: Bearer {token}", allowed=(MOSTLY_REFUSED,))
        else:  # nobody has a key that may promote
            yield Target(address, allowed=(MOSTLY_REFUSED, "missing_auth"))


@pytest.mark.case("B10")
@pytest.mark.timeout(900)  # for machines that are busy with other things
@pytest.mark.parametrize("target", ["with keys"], indirect=True)
def test_b10_a_few_examples_of_each_operation(target: Target, tmp_path: Path, seen: Seen) -> None:
    """B10, short: what the document says holds, by all checks, for a few hundred requests."""
    check(target, tmp_path, seen, examples=5)


@pytest.mark.abuse
@pytest.mark.case("B10")
@pytest.mark.timeout(3600)
def test_b10_many_examples_of_each_operation(target: Target, tmp_path: Path, seen: Seen) -> None:
    """B10: the same for a thousand examples of each operation, with keys and without."""
    check(target, tmp_path, seen, examples=1000)


def check(target: Target, folder: Path, seen: Seen, *, examples: int) -> None:
    """Let so many examples be made for each operation, none of which fails."""
    passed = PASSED.search(target.fuzz(folder, examples=examples))
    assert passed
    asked = f"{examples:,} examples for each of {target.operations()} operations"
    seen(f"{asked}, {'with keys' if target.headers else 'open'}: {int(passed[1]):,} requests, none failed")
