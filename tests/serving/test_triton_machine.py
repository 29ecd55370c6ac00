import platform
import sys
from pathlib import Path

import pytest

from contract.errors import TritonUnavailable
from serving.triton import machine

OTHERS = {
    "a Mac": ("Darwin", "arm64", "Darwin arm64"),
    "Windows": ("Windows", "AMD64", "Windows AMD64"),
    "Linux on ARM": ("Linux", "aarch64", "Linux aarch64"),
}


@pytest.mark.parametrize(("system", "kind", "named"), OTHERS.values(), ids=OTHERS)
def test_another_machine_is_named_with_the_way_out(
    monkeypatch: pytest.MonkeyPatch, system: str, kind: str, named: str
) -> None:
    """Where Triton cannot run, the error says what this is and names the local engine."""
    monkeypatch.setattr(platform, "system", lambda: system)
    monkeypatch.setattr(platform, "machine", lambda: kind)
    with pytest.raises(TritonUnavailable, match=named) as caught:
        machine.check_platform()
    assert "box2seg serve --engine local" in str(caught.value)


def test_another_python_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A Python for which there is no numpy below 2 is refused with those that work."""
    monkeypatch.setattr(platform, "system", lambda: "Linux")
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(platform, "libc_ver", lambda: ("glibc", "2.36"))
    monkeypatch.setattr(sys, "version_info", (3, 14, 0))
    with pytest.raises(TritonUnavailable, match=r"needs Python 3\.11 or 3\.12"):
        machine.check_platform()


def test_a_missing_libpython_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a shared libpython, the hint has the package to install."""
    monkeypatch.setattr(machine, "_library_folders", lambda: [Path("/nowhere")])
    monkeypatch.setattr(machine, "_known_to_linker", lambda name: [])
    with pytest.raises(TritonUnavailable, match=r"apt install libpython3\.\d+`"):
        machine.find_libpython()
