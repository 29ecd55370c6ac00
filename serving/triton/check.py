"""
The check that Triton gives back the tensors that were computed.

With numpy 2 in its environment this Triton returns other values without an error, so a tensor with a known
answer goes through it at every start.
"""

from typing import Any

import numpy as np

from contract.arrays import Uint8
from contract.errors import TritonCheckFailed

MODEL = "known_tensor"
"""In `models/`, where its rule is."""

ANSWER_TIMEOUT_S = 30.0


def check_tensors(client: Any) -> None:
    """
    Send the known tensor and compare its answer, bit by bit.

    Args:
        client: A `tritonclient.grpc.InferenceServerClient`.

    Raises:
        TritonCheckFailed: If the answer is another one.
    """
    tensor = known_tensor()
    expected, got = ~tensor[:, ::-1], _ask(client, tensor)
    if got is None or got.dtype != expected.dtype or not np.array_equal(got, expected):
        raise TritonCheckFailed(
            f"Triton corrupts tensors: expected {_words(expected)}, got {_words(got)}",
            hint="numpy 2 is probably in the Triton environment; delete it and start again",
        )


def known_tensor() -> Uint8:
    """Give a (5, 7, 3) uint8 tensor without symmetry, zeros or repetition."""
    return (np.arange(1, 106, dtype=np.uint32) * 67 % 251).astype(np.uint8).reshape(5, 7, 3)


def _ask(client: Any, tensor: Uint8) -> Uint8 | None:
    """Give the answer; None where its bytes do not fill its own shape."""
    from tritonclient.grpc import InferInput
    from tritonclient.utils import InferenceServerException

    question = InferInput("tensor", tensor.shape, "UINT8")
    question.set_data_from_numpy(tensor)
    try:
        answer: Uint8 = client.infer(MODEL, [question], client_timeout=ANSWER_TIMEOUT_S).as_numpy("answer")
    except InferenceServerException as error:
        raise TritonCheckFailed(f"Triton did not answer its start-up check: {error}") from error
    except ValueError:  # numpy 2 gives empty answers
        return None
    return answer


def _words(tensor: Uint8 | None) -> str:
    if tensor is None:
        return "bytes that do not fill the answer's shape"
    return f"{tensor.shape} {tensor.dtype} beginning with {tensor.ravel()[:4].tolist()}"
