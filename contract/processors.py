"""How many processors this process may use: its affinity, and the quota of its control group."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def available_processors(cgroup: Path = CGROUP) -> int:
    """
    Count the processors that this process may keep busy.

    A container limited to two processors on a machine with 64 is slow with 64 threads, so the quota counts.
    """
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _quota(cgroup)
    return allowed if quota is None else max(1, min(allowed, math.ceil(quota)))


def _quota(cgroup: Path) -> float | None:
    """Read the quota in processors: version 2's file, else version 1's two files; None if unlimited."""
    try:
        limit, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        limit, period = _first_version(cgroup / "cpu")
    if not limit.isdecimal() or not period.isdecimal() or int(period) == 0:
        return None
    return int(limit) / int(period)


def _first_version(folder: Path) -> tuple[str, str]:
    """Unlimited reads -1 there."""
    try:
        limit = (folder / "cpu.cfs_quota_us").read_text().strip()
        return limit, (folder / "cpu.cfs_period_us").read_text().strip()
    except OSError:
        return "max", "0"
