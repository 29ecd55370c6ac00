"""
The local Triton's own Python environment: where it is, and how it is installed.

It is apart from the gateway's because this Triton wants numpy older than 2: with a newer one it returns
other values than were computed, without an error.
"""

import hashlib
import platform
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from contract.errors import TritonUnavailable
from serving.triton.machine import LOCAL_ENGINE_HINT, check_platform, find_libpython

CHECKOUT = Path(__file__).resolve().parents[2]
REQUIREMENTS = CHECKOUT / "requirements" / "triton.txt"
DEFAULT_FOLDER = CHECKOUT / ".venv-triton"

STAMP = "box2seg.stamp"
LAST_LINES = 5


@dataclass(frozen=True, slots=True)
class Environment:
    """
    An environment with Triton in it, installed or not yet.

    Args:
        folder: Its folder; a Python virtual environment.
    """

    folder: Path = DEFAULT_FOLDER

    @property
    def programs(self) -> Path:
        """Folder of its `python3`."""
        return self.folder / "bin"

    @property
    def packages(self) -> Path:
        """Its site-packages."""
        return self.folder / "lib" / f"python{_python_version()}" / "site-packages"

    @property
    def triton(self) -> Path:
        """What the Triton wheel carries: the program, the Python backend and its stubs."""
        return self.packages / "pytriton" / "tritonserver"

    @property
    def is_installed(self) -> bool:
        """Whether it holds exactly what the requirements say, for the Python that runs now."""
        stamp = self.folder / STAMP
        return stamp.is_file() and stamp.read_text(encoding="utf-8") == _stamp()


def install_environment(folder: Path = DEFAULT_FOLDER) -> Environment:
    """
    Install Triton into an environment of its own; does nothing where that is done already.

    Takes about a minute and 450 MB, and needs the package registry once.

    Raises:
        TritonUnavailable: If this machine cannot run it, or the installation fails.
    """
    check_platform()
    find_libpython()
    environment = Environment(folder)
    if not environment.is_installed:
        _check_folder(folder)
        _run([sys.executable, "-m", "venv", "--clear", str(folder)])
        _run([*_pip(environment), "install", *_PIP_OPTIONS, "--requirement", str(REQUIREMENTS)])
        (folder / STAMP).write_text(_stamp(), encoding="utf-8")
    return environment


# Without dependencies: triton.in says why. Without a compiler: a wheel or a clear failure.
_PIP_OPTIONS = ["--quiet", "--no-deps", "--require-hashes", "--only-binary", ":all:"]


def _pip(environment: Environment) -> list[str]:
    return [str(environment.programs / "python"), "-m", "pip", "--disable-pip-version-check"]


def _check_folder(folder: Path) -> None:
    """Refuse a folder that is in use for something else, as installing empties it."""
    if folder.is_dir() and any(folder.iterdir()) and not (folder / "pyvenv.cfg").is_file():
        raise TritonUnavailable(
            f"{folder}: not empty and no virtual environment", hint="name a folder of its own"
        )


def _run(command: list[str]) -> None:
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode:
        last = "\n".join(done.stdout.strip().splitlines()[-LAST_LINES:])
        raise TritonUnavailable(
            f"installing Triton failed at `{' '.join(command)}`:\n{last}",
            hint=f"it needs the package registry once; or {LOCAL_ENGINE_HINT}",
        )


def _stamp() -> str:
    """Give what the environment depends on: the requirements and the Python below it."""
    digest = hashlib.sha256(REQUIREMENTS.read_bytes()).hexdigest()
    return f"{digest} {platform.python_version()} {sys.base_prefix}\n"


def _python_version() -> str:
    return f"{sys.version_info.major}.{sys.version_info.minor}"
