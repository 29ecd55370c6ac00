"""What stands behind the question mark, through the gateway: it holds in every form, or is refused."""

import io

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.serving.colours import CLASSES, draw_photo, encode, read_labels
from tests.serving.forms import READERS, labels_of
from tests.serving.test_problems import check_problem

DRAWN = draw_photo(70, 130)
DRAWN[30:40, 20:30] = 127  # a hole in the red
DRAWN[40:50, 15:35] = (120, 10, 10)  # less sure
DRAWN[2:5, 60:63] = (250, 10, 10)  # a speck
PHOTO = encode(DRAWN)
OURS = "invalid-parameter"

QUESTIONS = {
    "plain": {},
    "classes": {"classes": "red"},
    "specks": {"min_area": 30},
    "sure": {"threshold": 0.6},
    "all": {"classes": "blue,red", "min_area": 30, "threshold": 0.55},
}


@pytest.mark.parametrize("question", QUESTIONS)
@pytest.mark.parametrize("name", READERS)
def test_all_formats_agree(client: httpx.Client, name: str, question: str) -> None:
    """Every form says the same labels as the PNG, whatever was taken out, for a photo of an odd size."""
    asked = QUESTIONS[question]
    expected = read_labels(client.post("/v1/segment", content=PHOTO, params=asked).content)
    answer = client.post("/v1/segment", content=PHOTO, params={**asked, "format": name})
    assert answer.status_code == 200, answer.text
    np.testing.assert_array_equal(labels_of(name, answer.content, answer.headers), expected)


def test_what_is_asked_is_taken_out(client: httpx.Client) -> None:
    """Classes, specks and unsure pixels go, and nothing else does."""
    plain, red, clean, sure, _ = (
        read_labels(client.post("/v1/segment", content=PHOTO, params=asked).content)
        for asked in QUESTIONS.values()
    )
    assert set(np.unique(plain)) == {0, 1, 3}
    np.testing.assert_array_equal(red, np.where(plain == 1, 1, 0))
    gone = plain != clean
    assert 0 < gone.sum() < 30
    assert gone[:8, 55:68].sum() == gone.sum()
    assert (sure[45, 20:30] == 255).all()
    np.testing.assert_array_equal(sure[sure != 255], plain[sure != 255])


def test_classes_may_be_repeated(client: httpx.Client) -> None:
    """`classes=red&classes=blue` is `classes=red,blue`."""
    together = client.post("/v1/segment?classes=red,blue", content=PHOTO).content
    assert client.post("/v1/segment?classes=red&classes=blue", content=PHOTO).content == together


def test_confidence_is_that_of_the_npz(client: httpx.Client) -> None:
    """The confidence has the photo's size, and is one in both forms."""
    archive = np.load(io.BytesIO(client.post("/v1/segment?format=npz", content=PHOTO).content))
    with Image.open(io.BytesIO(client.post("/v1/segment?format=confidence", content=PHOTO).content)) as image:
        np.testing.assert_array_equal(np.asarray(image), archive["confidence"])
    assert archive["confidence"].shape == (70, 130)
    assert tuple(archive["classes"]) == CLASSES.names


def test_overlay_looks_as_asked(client: httpx.Client) -> None:
    """As a PNG without tint and outline the overlay is the photo itself; by default it is not."""
    asked = {"format": "overlay-png", "alpha": 0, "outline": "false"}
    with Image.open(io.BytesIO(client.post("/v1/segment", content=PHOTO, params=asked).content)) as image:
        np.testing.assert_array_equal(np.asarray(image), DRAWN)
    with Image.open(io.BytesIO(client.post("/v1/segment?format=overlay", content=PHOTO).content)) as image:
        assert abs(np.asarray(image).astype(int) - DRAWN).max() > 50


@pytest.mark.parametrize(
    ("question", "allowed", "kind"),
    [
        ("classes=999", "red, green, blue", OURS),
        ("classes=", "red, green, blue", OURS),
        ("classes=red,,blue", "red, green, blue", OURS),
        ("classes=background", "red, green, blue", OURS),
        ("classes=Red", "red, green, blue", OURS),
        ("threshold=NaN", "than or equal to", None),
        ("threshold=inf", "less than or equal to 1", None),
        ("threshold=1.01", "less than or equal to 1", None),
        ("threshold=-1", "greater than or equal to 0", None),
        ("threshold=", "valid number", None),
        ("min_area=-1", "greater than or equal to 0", None),
        ("min_area=2.5", "valid integer", None),
        ("min_area=1" + "0" * 30, "less than or equal to", None),
        ("format=overlay&alpha=2", "less than or equal to 1", None),
        ("format=overlay&alpha=nan", "than or equal to", None),
        ("format=overlay&outline=perhaps", "valid boolean", None),
        ("alpha=0.5", "overlay or overlay-png", OURS),
        ("format=npy&outline=true", "overlay or overlay-png", OURS),
        ("format=confidence&classes=red", "png or overlay", OURS),
        ("treshold=0.5", "extra inputs are not permitted", None),
    ],
)
def test_wrong_values_are_refused(
    client: httpx.Client, question: str, allowed: str, kind: str | None
) -> None:
    """A value that cannot be used is refused with what can be, before the photo is looked at."""
    content = check_problem(client.post(f"/v1/segment?{question}", content=PHOTO), 422, kind)
    assert allowed in f"{content['detail']} {content['hint']}"
