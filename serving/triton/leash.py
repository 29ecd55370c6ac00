"""
A small process between the gateway and Triton, so that neither outlives the other and nothing is left over.

It runs Triton, prints its process id, and watches three things. When its standard input closes (the gateway
stopped, crashed or was killed), it ends Triton: gently, then for good. When a backend's process has died,
as when memory ran out, it kills Triton, which would go on saying that it is ready and answer errors only.
When Triton ends, it kills what Triton left in its process group, removes its shared memory, and ends with
the same status.

A parent-death signal from the gateway itself would not do: it comes when the thread that started Triton
ends, and setting it between fork and exec is not safe in a process with threads. This process has one.
"""

import argparse
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
PROCESSES = Path("/proc")
PR_SET_PDEATHSIG = 1
WATCH_EVERY_S = 0.1
LOOK_EVERY_S = 2.0
"""A child that is dead at two looks is lost; those of a model that is unloaded are reaped in between."""


def main(arguments: Sequence[str]) -> int:
    """Run a command on the leash; gives its exit status, 128 + n where signal n ended it."""
    options = _options(arguments)
    _remove_memory(options.memory)
    process = subprocess.Popen(
        options.command,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        start_new_session=True,
        preexec_fn=_die_with_us,
    )
    sys.stdout.write(f"{process.pid}\n")
    sys.stdout.flush()
    _watch(process)
    _end(process, options.grace_s)
    _kill_group(process.pid)
    _remove_memory(options.memory)
    return process.returncode if process.returncode >= 0 else 128 - process.returncode


def _options(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--grace-s", type=float, required=True, help="time to end gently [s]")
    parser.add_argument("--memory", required=True, help="prefix of its shared memory's names")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def _die_with_us() -> None:
    """Let the kernel kill Triton if this process itself is killed."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _watch(process: "subprocess.Popen[bytes]") -> None:
    """Wait until the process ends, our standard input closes, or the process has lost a child."""
    dead, next_look = set[int](), 0.0
    while process.poll() is None:
        readable, _, _ = select.select([sys.stdin.fileno()], [], [], WATCH_EVERY_S)
        if readable and not os.read(sys.stdin.fileno(), 1):
            return
        if time.monotonic() >= next_look:
            before, dead = dead, _dead_children(process.pid)
            next_look = time.monotonic() + LOOK_EVERY_S
            if before & dead:
                sys.stderr.write(f"leash: a backend's process has died: {before & dead}; ending Triton\n")
                process.kill()
                return


def _dead_children(parent: int) -> set[int]:
    """List the children that ended and that the parent has not asked about."""
    return {int(path.name) for path in PROCESSES.glob("[0-9]*") if _is_dead_child(path, parent)}


def _is_dead_child(process: Path, parent: int) -> bool:
    try:
        state, its_parent = (process / "stat").read_text().rpartition(")")[2].split()[:2]
    except OSError:  # it is gone
        return False
    return state == "Z" and its_parent == str(parent)


def _end(process: "subprocess.Popen[bytes]", grace_s: float) -> None:
    """Ask the process to end and make it end when its time is over."""
    process.terminate()
    try:
        process.wait(grace_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _kill_group(group: int) -> None:
    """Kill what is left of the process group; the Python backend's stubs are in it."""
    for _ in range(50):
        try:
            os.killpg(group, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return
        time.sleep(0.02)  # killed ones stay in the group until init has reaped them


def _remove_memory(prefix: str) -> None:
    """Remove shared memory that a killed Triton could not remove itself."""
    for path in SHARED_MEMORY.glob(f"{prefix}*"):
        path.unlink(missing_ok=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
