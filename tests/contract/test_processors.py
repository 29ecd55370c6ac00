import os
from pathlib import Path

import pytest

from contract.processors import available_processors

QUOTAS = {
    "two of many": ({"cpu.max": "200000 100000\n"}, 2),
    "one and a half rounds up": ({"cpu.max": "150000 100000\n"}, 2),
    "less than one": ({"cpu.max": "10000 100000\n"}, 1),
    "unlimited": ({"cpu.max": "max 100000\n"}, 8),
    "more than there are": ({"cpu.max": "6400000 100000\n"}, 8),
    "first version": ({"cpu/cpu.cfs_quota_us": "300000\n", "cpu/cpu.cfs_period_us": "100000\n"}, 3),
    "first version, unlimited": ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, 8),
    "no control groups": ({}, 8),
}


@pytest.mark.parametrize(("files", "expected"), QUOTAS.values(), ids=QUOTAS)
def test_the_quota_of_the_container_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], expected: int
) -> None:
    """Of eight processors, those within the control group's quota are used, at least one."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    assert available_processors(tmp_path) == expected
