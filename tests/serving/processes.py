"""Looks at processes of this machine, as `ps` would."""

import time
from collections.abc import Callable
from pathlib import Path


def alive(pid: int) -> bool:
    """Tell whether a process runs; one that ended and waits to be reaped does not."""
    return _state(pid) not in (None, "Z", "X")


def members(group: int) -> list[int]:
    """List the running processes of a process group."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    return [pid for pid in pids if _field(pid, 2) == str(group) and alive(pid)]


def descendants(pid: int) -> dict[int, str]:
    """Give the running processes that a process started, and theirs, with their commands."""
    pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]
    children = [each for each in pids if _field(each, 1) == str(pid) and alive(each)]
    found = {each: _command(each) for each in children}
    for child in children:
        found |= descendants(child)
    return found


def wait_until(fact: Callable[[], bool], *, timeout_s: float = 60.0) -> None:
    """Wait until a fact holds; fails when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while not fact():
        assert time.monotonic() < deadline, f"not so within {timeout_s:g} s"
        time.sleep(0.05)


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError):
        return ""


def _state(pid: int) -> str | None:
    return _field(pid, 0)


def _field(pid: int, index: int) -> str | None:
    """Read a field of /proc/<pid>/stat after the name: 0 state, 1 parent, 2 process group."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[index]
    except (FileNotFoundError, ProcessLookupError):
        return None
