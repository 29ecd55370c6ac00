"""The engine as served, for verbs that compare versions: the same code that answers requests on a CPU."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from contract.arrays import Uint8
    from export.gate.contender import Engine


def open_served(model: Path) -> Engine:
    """
    Open an ONNX file as the gateway's engines do.

    Raises:
        EngineError: If it cannot be loaded; the engine itself raises it where a photo cannot be run.
    """
    from contract.errors import EngineError
    from contract.manifest import CONFIDENCE, IMAGE, LABELS
    from contract.processors import available_processors
    from serving.triton.backends.onnxruntime.network import Network

    try:
        network = Network(model, IMAGE, [LABELS, CONFIDENCE], threads=available_processors())
    except (RuntimeError, ValueError) as error:
        raise EngineError(f"the engine cannot load the file: {_first_line(error)}") from error

    def run(frames: Uint8) -> tuple[Uint8, Uint8]:
        try:
            answer = network.run(frames)
        except RuntimeError as error:
            raise EngineError(f"the engine cannot run the file: {_first_line(error)}") from error
        return answer[LABELS], answer[CONFIDENCE]

    return run


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
