"""D11: the server is told to end while it answers; in a process of its own."""

import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from tests.abuse.test_time import metric, until
from tests.serving.colours import draw_photo, encode, publish_colours

PHOTO = encode(draw_photo())
DRAIN_S = 6.0
PROGRAM = """
import sys
from pathlib import Path
from cli.gateway import end_on_sigterm, run_gateway
from cli.serve import _listen
from serving.app import create_app
from serving.settings import Settings
from tests.abuse.engines import SlowEngine
settings = Settings(engine="local", repository=Path(sys.argv[1]), drain_s=float(sys.argv[2]), timeout_s=20.0)
end_on_sigterm()
with _listen("127.0.0.1", 0) as door:
    run_gateway(create_app(settings, SlowEngine(0.4)), door)
"""


@pytest.fixture
def server(tmp_path: Path) -> Iterator["subprocess.Popen[str]"]:
    """A gateway whose engine takes 0.4 s for a photo."""
    publish_colours(tmp_path)
    command = [sys.executable, "-c", PROGRAM, str(tmp_path), str(DRAIN_S)]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        yield process
        process.kill()


def test_d11_sigterm_finishes_what_was_begun(server: "subprocess.Popen[str]") -> None:
    """D11: on SIGTERM it is not ready at once, all admitted requests are answered, and it ends with 0."""
    assert server.stderr is not None
    address = next(found[1] for line in server.stderr if (found := re.search(r"answers at (\S+)", line)))
    with httpx.Client(base_url=address, timeout=60.0) as client, ThreadPoolExecutor(16) as people:
        asking = [people.submit(client.post, "/v1/segment", content=PHOTO) for _ in range(16)]
        until(lambda: metric(address, "box2seg_in_flight") + metric(address, "box2seg_waiting") >= 8)
        server.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        ready = client.get("/readyz")
        assert ready.status_code == 503
        assert "about to end" in ready.json()["detail"]
        assert client.get("/livez").status_code == 200
        assert [each.result().status_code for each in asking] == [200] * 16
    assert server.wait(40) == 0


def test_second_sigterm_hurries(server: "subprocess.Popen[str]") -> None:
    """A second signal leaves out the time in which load balancers notice."""
    assert server.stderr is not None
    next(line for line in server.stderr if "answers at" in line)
    server.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    begin = time.monotonic()
    server.send_signal(signal.SIGTERM)
    assert server.wait(30) == 0
    assert time.monotonic() - begin < DRAIN_S - 1
