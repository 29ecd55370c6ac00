"""/ping and /invocations, as SageMaker asks them."""

import httpx
import pytest

from tests.serving.colours import draw_photo, encode
from tests.serving.test_problems import check_problem

PHOTO = encode(draw_photo(), "JPEG", quality=95)
ATTRIBUTES = "X-Amzn-SageMaker-Custom-Attributes"


def test_ping_says_ready(client: httpx.Client) -> None:
    """What SageMaker asks before it sends anybody is 200 once photos can be segmented."""
    assert client.get("/ping").json() == client.get("/readyz").json() == {"status": "ready"}


@pytest.mark.parametrize("media_type", ["image/jpeg", "application/x-image", "application/octet-stream"])
def test_a_photo_is_segmented(client: httpx.Client, media_type: str) -> None:
    """The body is the photo whatever its type is called, and the answer that of /v1/segment."""
    answer = client.post("/invocations", content=PHOTO, headers={"Content-Type": media_type})
    expected = client.post("/v1/segment", content=PHOTO)
    assert (answer.status_code, answer.content) == (200, expected.content)
    assert answer.headers["x-model-version"] == expected.headers["x-model-version"]


def test_accept_chooses_the_format(client: httpx.Client) -> None:
    """An endpoint's caller chooses by Accept, as with /v1/segment."""
    headers = {"Accept": "application/json"}
    answer = client.post("/invocations", content=PHOTO, headers=headers)
    assert answer.json() == client.post("/v1/segment", content=PHOTO, headers=headers).json()


@pytest.mark.parametrize(
    "question", ["format=overlay&alpha=0.3", "classes=red,blue&min_area=5", "threshold=0.6"]
)
def test_parameters_come_in_the_attributes(client: httpx.Client, question: str) -> None:
    """Custom attributes are read as if they stood behind the question mark."""
    answer = client.post("/invocations", content=PHOTO, headers={ATTRIBUTES: question})
    expected = client.post(f"/v1/segment?{question}", content=PHOTO)
    assert (answer.status_code, answer.content) == (200, expected.content), answer.text


@pytest.mark.parametrize(
    ("path", "attributes", "word"),
    [
        pytest.param("/invocations", "6f9619ff-8b86-d011", "format=overlay", id="something else"),
        pytest.param("/invocations", "colour=red", "classes", id="unknown"),
        pytest.param("/invocations", "threshold=high", "threshold", id="no number"),
        pytest.param("/invocations", "format=rle&format=png", "twice", id="twice"),
        pytest.param("/invocations?format=rle", "threshold=0.5", "one place", id="in two places"),
    ],
)
def test_attributes_that_mean_nothing_are_refused(
    client: httpx.Client, path: str, attributes: str, word: str
) -> None:
    """What cannot be read is named, and no photo is segmented without what was asked for it."""
    answer = client.post(path, content=PHOTO, headers={ATTRIBUTES: attributes})
    assert word in str(check_problem(answer, 422, "invalid-parameter"))
