import pytest

from contract.errors import ParityError
from export.agreement import Parity, check_agreement

GOOD = Parity("onnxruntime", agreement=0.99995, difference=1 / 255, batches=9)


def test_figures_by_name() -> None:
    """A manifest keeps each engine's figures under the engine's name, as shares."""
    assert GOOD.named() == {
        "onnxruntime label agreement": 0.99995,
        "onnxruntime confidence difference": 0.003922,
    }


@pytest.mark.parametrize(
    ("parity", "message"),
    [
        pytest.param({}, "never measured", id="nothing measured"),
        pytest.param({"openvino label agreement": 1.0}, "never measured", id="only another engine"),
        pytest.param({"onnxruntime label agreement": 0.9989}, "99.890%", id="too little"),
        pytest.param({"onnxruntime label agreement": float("nan")}, "nan", id="not a number"),
        pytest.param({**GOOD.named(), "openvino label agreement": 0.9}, "openvino", id="another engine's"),
    ],
)
def test_too_little_proof_is_refused(parity: dict[str, float], message: str) -> None:
    """Missing or low agreement of any engine is refused, naming it."""
    with pytest.raises(ParityError, match=message):
        check_agreement(parity)


def test_enough_proof_passes() -> None:
    """A large difference of confidence alone refuses nothing: labels are what is promised."""
    check_agreement({**GOOD.named(), "onnxruntime confidence difference": 0.2})
