"""Whether a local Triton can run on this machine, and the shared libpython that it needs."""

import platform
import subprocess
import sys
import sysconfig
from pathlib import Path

from contract.errors import TritonUnavailable

PYTHONS = ((3, 11), (3, 12))
"""Versions with both a Python backend in the Triton wheel and a numpy older than 2."""

LOCAL_ENGINE_HINT = "run `box2seg serve --engine local`, which needs no Triton"


def check_platform() -> None:
    """
    Refuse a machine on which the Triton wheel cannot run.

    Raises:
        TritonUnavailable: If this is not Linux x86-64 with glibc, or the Python is another one.
    """
    system, machine = platform.system(), platform.machine()
    if system != "Linux" or machine not in ("x86_64", "AMD64"):
        raise TritonUnavailable(
            f"a local Triton runs on Linux x86-64 only, this is {system} {machine}", hint=LOCAL_ENGINE_HINT
        )
    if platform.libc_ver()[0] != "glibc":
        raise TritonUnavailable(
            "a local Triton needs a Linux with glibc, this one has another C library", hint=LOCAL_ENGINE_HINT
        )
    if sys.version_info[:2] not in PYTHONS:
        wanted = " or ".join(f"{major}.{minor}" for major, minor in PYTHONS)
        raise TritonUnavailable(
            f"a local Triton needs Python {wanted}, this is {platform.python_version()}",
            hint=LOCAL_ENGINE_HINT,
        )


def find_libpython() -> Path:
    """
    Find the shared library of the running Python, which Triton's Python backend is linked with.

    Raises:
        TritonUnavailable: If there is none; the hint says what to install.
    """
    name = f"libpython{sys.version_info.major}.{sys.version_info.minor}.so.1.0"
    for candidate in [folder / name for folder in _library_folders()] + _known_to_linker(name):
        if candidate.is_file():
            return candidate
    raise TritonUnavailable(
        f"a local Triton needs {name}, and this machine has none",
        hint=f"install it (Debian, Ubuntu: `apt install {name[:-7]}`; pyenv: build Python with "
        f"`--enable-shared`), or {LOCAL_ENGINE_HINT}",
    )


def _library_folders() -> list[Path]:
    library = Path(sysconfig.get_config_var("LIBDIR") or "/usr/lib")
    multiarch = sysconfig.get_config_var("MULTIARCH") or "x86_64-linux-gnu"
    return [library, library / multiarch, Path(sys.base_prefix) / "lib"]


def _known_to_linker(name: str) -> list[Path]:
    """Ask the linker's cache; a line of it reads `name (libc6,x86-64) => path`."""
    try:
        listing = subprocess.run(["/sbin/ldconfig", "-p"], capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return []
    lines = [line.split(" => ") for line in listing.splitlines() if line.strip().startswith(f"{name} ")]
    return [Path(parts[1]) for parts in lines if len(parts) == 2 and "x86-64" in parts[0]]
