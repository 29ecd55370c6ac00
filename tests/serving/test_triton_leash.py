import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from serving.triton import leash
from tests.serving.processes import alive, wait_until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="marker triton: the leash is for Linux")

STUBBORN = "trap '' TERM; sleep 600 & echo $! > child; wait; wait"
GENTLE = "sleep 600 & echo $! > child; wait"

Start = Callable[[str], "subprocess.Popen[bytes]"]


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start a shell script on a leash, in the test's folder."""

    def start(script: str) -> "subprocess.Popen[bytes]":
        options = ["--grace-s=0.5", f"--memory=box2seg_test_{os.getpid()}_", "--"]
        command = [sys.executable, "-I", leash.__file__, *options, "sh", "-c", script]
        return subprocess.Popen(command, cwd=tmp_path, stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    return start


def _pids(process: "subprocess.Popen[bytes]", folder: Path) -> tuple[int, int]:
    """Give the process ids of what runs on the leash and of its child."""
    assert process.stdout is not None
    parent = int(process.stdout.readline())
    wait_until(lambda: (folder / "child").exists() and (folder / "child").read_text() != "")
    return parent, int((folder / "child").read_text())


@pytest.mark.parametrize("script", [GENTLE, STUBBORN], ids=["gentle", "stubborn"])
def test_closing_its_input_ends_all(start: Start, tmp_path: Path, script: str) -> None:
    """When the gateway goes, so does the process, also one that does not listen, and its children."""
    process = start(script)
    pids = _pids(process, tmp_path)
    process.communicate()
    assert process.returncode != 0
    wait_until(lambda: not any(map(alive, pids)))


def test_a_killed_process_leaves_no_children_and_no_memory(start: Start, tmp_path: Path) -> None:
    """After kill -9 the children are killed too, shared memory is removed, and the status says so."""
    process = start(GENTLE)
    memory = leash.SHARED_MEMORY / f"box2seg_test_{os.getpid()}_region"
    parent, child = _pids(process, tmp_path)
    memory.touch()
    os.kill(parent, signal.SIGKILL)
    process.communicate()
    assert process.returncode == 128 + signal.SIGKILL
    wait_until(lambda: not alive(child))
    assert not memory.exists()


def test_a_killed_leash_takes_the_process_along(start: Start, tmp_path: Path) -> None:
    """Even kill -9 of the leash itself does not leave the process running."""
    process = start(GENTLE)
    parent, child = _pids(process, tmp_path)
    process.kill()
    process.communicate()
    wait_until(lambda: not alive(parent))
    os.kill(child, signal.SIGKILL)


def test_a_lost_child_ends_the_process(start: Start) -> None:
    """A process that does not ask about a dead child is broken, and is killed."""
    process = start(f"sleep 0.1 & exec '{sys.executable}' -c 'import time; time.sleep(600)'")
    assert process.wait(60) == 128 + signal.SIGKILL
    process.communicate()


def test_an_ended_process_hands_its_status_on(start: Start) -> None:
    """The leash ends by itself, with the status of what it ran."""
    process = start("exit 7")
    assert process.wait(60) == 7
    process.communicate()
