"""
What Triton is started from, assembled in one folder: its backends, and the libraries they need.

Nothing in site-packages is changed. The folder is brought up to date at every start, so it always has the
backend of this checkout. It holds copies: Triton refuses a library that a link leads out of its folder.
"""

import filecmp
import os
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from contract.errors import TritonUnavailable
from serving.triton.environment import Environment
from serving.triton.machine import LOCAL_ENGINE_HINT, find_libpython

OUR_BACKENDS = Path(__file__).with_name("backends")
KNOWN_MODELS = Path(__file__).with_name("models")
"""A model repository beside the user's; has the model of the known-tensor check."""

STUB = "triton_python_backend_stub"


@dataclass(frozen=True, slots=True)
class Runtime:
    """
    A Triton ready to be started.

    Args:
        program: The `tritonserver` program.
        backends: Folder with one folder per backend.
        libraries: Folders for the dynamic linker.
        programs: Folder of the `python3` that the Python backend runs.
    """

    program: Path
    backends: Path
    libraries: tuple[Path, ...]
    programs: Path


def assemble_runtime(environment: Environment) -> Runtime:
    """
    Put Triton's Python backend, its stub for this Python, and our backends into one runtime.

    Raises:
        TritonUnavailable: If a part is missing.
    """
    triton, folder = environment.triton, environment.folder / "runtime"
    python, libpython = folder / "backends" / "python", find_libpython()
    for file in [*(triton / "backends" / "python").glob("*.*"), _find_stub(triton)]:
        _copy(file, python / file.name)
    for file in OUR_BACKENDS.glob("*/*.py"):
        _copy(file, folder / "backends" / file.parent.name / file.name)
    _copy(libpython, folder / "libraries" / libpython.name)
    return Runtime(
        program=triton / "bin" / "tritonserver",
        backends=folder / "backends",
        libraries=(folder / "libraries", environment.packages / "nvidia_pytriton.libs"),
        programs=environment.programs,
    )


def _find_stub(triton: Path) -> Path:
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = triton / "python_backend_stubs" / version / STUB
    if not stub.is_file():
        raise TritonUnavailable(
            f"the Triton wheel has no Python backend for Python {version}", hint=LOCAL_ENGINE_HINT
        )
    return stub


def _copy(source: Path, target: Path) -> None:
    """Bring a copy up to date, in one step, so that a Triton starting beside us finds the old or the new."""
    if target.is_file() and filecmp.cmp(source, target, shallow=False):
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_name(f".{target.name}.{os.getpid()}")
    shutil.copy(source, partial)
    partial.replace(target)
