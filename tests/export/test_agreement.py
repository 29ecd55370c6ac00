import pytest

from contract.errors import ParityError
from export.agreement import ANY_LOSS, KEPT, Parity, check_agreement, overlap_name

GOOD = Parity("onnxruntime", agreement=0.99995, difference=1 / 255, overlap=0.9991, batches=9)


def test_figures_by_name() -> None:
    """A manifest keeps each engine's figures under the engine's name, as shares."""
    assert GOOD.named() == {
        "onnxruntime label agreement": 0.99995,
        "onnxruntime confidence difference": 0.003922,
        "onnxruntime mean IoU with fp32's labels": 0.9991,
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


OVERLAP = overlap_name("openvino")


@pytest.mark.parametrize(
    ("parity", "message"),
    [
        pytest.param({}, "what int8 costs was never measured", id="nothing measured"),
        pytest.param({"openvino label agreement": 1.0}, "never measured", id="labels alone"),
        pytest.param({KEPT: 0.9899}, "keeps 98.99% of fp32's mean IoU, by people's masks", id="too little"),
        pytest.param({KEPT: float("nan")}, "keeps nan", id="not a number"),
        pytest.param({OVERLAP: 0.9899}, "by fp32's own labels", id="too little without masks"),
        pytest.param(
            {OVERLAP: 0.995, overlap_name("onnxruntime"): 0.9}, "keeps 90.00%", id="the worse engine counts"
        ),
        pytest.param({OVERLAP: 0.999, KEPT: 0.9}, "by people's masks", id="masks say more than labels"),
    ],
)
def test_fewer_bits_must_keep_the_mean_iou(parity: dict[str, float], message: str) -> None:
    """Of fewer bits than fp32 nothing is published whose mean IoU was not measured, or lost a hundredth."""
    with pytest.raises(ParityError, match=message):
        check_agreement(parity, "int8")


def test_fewer_bits_may_change_labels() -> None:
    """Labels of 90 % of the pixels are enough where people's masks say that the mean IoU is kept."""
    check_agreement({KEPT: 0.991, OVERLAP: 0.8, "openvino label agreement": 0.9}, "int8")
    check_agreement({KEPT: 0.96}, "int8", margin=0.05)
    with pytest.raises(ParityError, match="nan"):
        check_agreement({KEPT: float("nan")}, "int8", margin=ANY_LOSS)
