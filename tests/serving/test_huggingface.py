"""/hf, asked by hand and by Hugging Face's own client."""

import base64
import io
from typing import Any

import httpx
import numpy as np
import pytest
from huggingface_hub import InferenceClient
from PIL import Image

from contract.arrays import Uint8
from tests.serving.colours import CLASSES, draw_photo, encode, read_labels
from tests.serving.test_problems import check_problem

DRAWN = draw_photo(70, 130)
DRAWN[40:50, 15:35] = (120, 10, 10)  # red too, but less sure
PHOTO = encode(DRAWN)


def labels_of(masks: list[dict[str, Any]], shape: tuple[int, int]) -> Uint8:
    """Put black and white masks together; where there is none is void."""
    labels = np.full(shape, 255, np.uint8)
    for each in masks:
        with Image.open(io.BytesIO(base64.b64decode(each["mask"]))) as image:
            assert image.mode == "L"
            mask = np.asarray(image)
        assert set(np.unique(mask)) <= {0, 255}
        labels[mask == 255] = CLASSES.index(each["label"])
    return labels


def ask(client: httpx.Client, **parameters: object) -> list[dict[str, Any]]:
    """Ask as JSON, and expect masks."""
    body = {"inputs": base64.b64encode(PHOTO).decode(), "parameters": parameters}
    answer = client.post("/hf", json=body)
    assert answer.status_code == 200, answer.text
    assert answer.headers["x-model-name"] == "box2seg"
    masks: list[dict[str, Any]] = answer.json()
    return masks


def test_masks_put_together_are_the_mask(client: httpx.Client) -> None:
    """The masks of all classes, background too, give the labels of the PNG; the body may be raw."""
    masks = ask(client)
    labels = read_labels(client.post("/v1/segment", content=PHOTO).content)
    np.testing.assert_array_equal(labels_of(masks, labels.shape), labels)
    assert [each["label"] for each in masks] == ["background", "red", "blue"]
    assert all(0 < each["score"] <= 1 for each in masks)
    assert client.post("/hf", content=PHOTO).json() == masks


def test_threshold_leaves_masks_out(client: httpx.Client) -> None:
    """A class whose mean confidence is lower is not in the answer."""
    scores = {each["label"]: each["score"] for each in ask(client)}
    assert scores["red"] < 0.95 < scores["blue"]
    assert [each["label"] for each in ask(client, threshold=0.95)] == ["background", "blue"]


def test_mask_threshold_leaves_pixels_out(client: httpx.Client) -> None:
    """Pixels less sure are in no mask, as they are void in the PNG."""
    labels = read_labels(client.post("/v1/segment?threshold=0.6", content=PHOTO).content)
    assert set(np.unique(labels)) == {0, 1, 3, 255}
    np.testing.assert_array_equal(labels_of(ask(client, mask_threshold=0.6), labels.shape), labels)


def test_their_own_client_reads_it(gateway: str) -> None:
    """huggingface_hub's InferenceClient gets pictures, with and without parameters."""
    theirs = InferenceClient(model=f"{gateway}/hf")
    plain = theirs.image_segmentation(PHOTO)
    assert [each.label for each in plain] == ["background", "red", "blue"]
    assert {each.mask.size for each in plain} == {(130, 70)}
    sure = theirs.image_segmentation(PHOTO, threshold=0.95, subtask="semantic")
    assert [each.label for each in sure] == ["background", "blue"]


@pytest.mark.parametrize(
    "parameters",
    [{"threshold": 2}, {"threshold": "high"}, {"subtask": "instance"}, {"top_k": 1}, [1], "none"],
    ids=str,
)
def test_parameters_that_mean_nothing_are_refused(client: httpx.Client, parameters: object) -> None:
    """Wrong parameters are named, with those there are."""
    body = {"inputs": base64.b64encode(PHOTO).decode(), "parameters": parameters}
    content = check_problem(client.post("/hf", json=body), 422, "invalid-parameter")
    assert "parameters" in str(content["detail"])
    assert "mask_threshold" in str(content["hint"])
