from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from contract.errors import TritonCheckFailed
from serving.triton.check import check_tensors, known_tensor

DAMAGE = {
    "nothing comes back": lambda right: right[:0],
    "zeros come back": np.zeros_like,
    "the question comes back": lambda right: known_tensor(),
    "one bit differs": lambda right: right ^ (np.arange(right.size).reshape(right.shape) == 50),
    "another type": lambda right: right.astype(np.float32),
}


def _client(answer: Any) -> Any:
    """Stand for the client of a Triton that gives this answer."""
    return SimpleNamespace(infer=lambda *_, **__: SimpleNamespace(as_numpy=lambda name: answer))


def test_the_right_answer_passes() -> None:
    """Mirrored, all bits turned: the check is content."""
    check_tensors(_client(~known_tensor()[:, ::-1]))


@pytest.mark.parametrize("damage", DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_tensor_is_refused(damage: Any) -> None:
    """Any other answer refuses the start and points at numpy 2."""
    with pytest.raises(TritonCheckFailed, match="numpy 2 is probably in the Triton environment"):
        check_tensors(_client(damage(~known_tensor()[:, ::-1])))


def test_an_answer_of_no_bytes_is_refused() -> None:
    """With numpy 2 the answer has a shape but no bytes, which the client cannot make an array of."""

    def empty(name: str) -> None:
        np.empty(0, np.uint8).reshape(known_tensor().shape)

    client: Any = SimpleNamespace(infer=lambda *_, **__: SimpleNamespace(as_numpy=empty))
    with pytest.raises(TritonCheckFailed, match="bytes that do not fill"):
        check_tensors(client)
