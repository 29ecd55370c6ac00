"""glibc's settings, asked of the real one."""

import platform
import subprocess
import sys


def test_freed_memory_is_kept() -> None:
    """A process that freed 200 MB uses them for the next 100; with another C library nothing is done."""
    # In a process of its own: the setting cannot be taken back.
    code = """
import resource, torch
from training.memory import keep_freed_memory
import platform
assert keep_freed_memory() == (platform.libc_ver()[0] == "glibc")
def faults():
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
torch.ones(50_000_000); before = faults()
torch.ones(25_000_000); print(faults() - before)
"""
    output = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    # 100 MB are 25,000 pages.
    assert int(output) < 1000 or platform.libc_ver()[0] != "glibc"
