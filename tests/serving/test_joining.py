"""Photos of different sizes, asked for at once, are computed together by the real Triton."""

import re
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import pytest

from contract.images import read_image
from serving.choice import open_engine
from serving.settings import Settings
from serving.triton.environment import CHECKOUT, Environment
from tests.serving.colours import encode, read_labels
from tests.serving.running import running_gateway

pytestmark = pytest.mark.triton

CAT = read_image(CHECKOUT / "docs" / "pictures" / "chelsea.jpg")
PHOTOS = [encode(np.ascontiguousarray(photo)) for photo in (CAT, CAT[:200], CAT[:, :210], CAT[:, 40:220])]
"""Landscape and portrait, each of two shapes in the network's frame."""

AT_ONCE = 72
WHAT = "photos", "batches"


def computed(client: httpx.Client) -> np.ndarray:
    """Give how many photos Triton has computed, and in how many batches."""
    text = client.get("/metrics").text
    counts = [re.findall(rf"^box2seg_engine_{what}_total{{.*}} (\S+)$", text, re.MULTILINE) for what in WHAT]
    return np.array([sum(map(float, count)) for count in counts])


def test_photos_of_four_shapes_share_batches(triton_environment: Environment) -> None:
    """Asked for in turns, photos of four shapes come to over two a batch, with the masks they get alone."""
    settings = Settings(
        repository=CHECKOUT / "model_repository", timeout_s=250.0, concurrency=24, queue=AT_ONCE, join=8
    )
    with (
        open_engine(settings, lambda words: None) as engine,
        running_gateway(settings, engine) as address,
        httpx.Client(base_url=address, timeout=280.0, limits=httpx.Limits(max_connections=AT_ONCE)) as client,
        ThreadPoolExecutor(AT_ONCE) as people,
    ):
        alone = [read_labels(client.post("/v1/segment", content=photo).content) for photo in PHOTOS]
        before = computed(client)
        asked = [PHOTOS[number % len(PHOTOS)] for number in range(AT_ONCE)]
        answers = list(people.map(lambda photo: client.post("/v1/segment", content=photo), asked))
        photos, batches = computed(client) - before
    assert {answer.status_code for answer in answers} == {200}
    for number, answer in enumerate(answers):
        np.testing.assert_array_equal(read_labels(answer.content), alone[number % len(PHOTOS)])
    assert photos >= AT_ONCE
    assert photos / batches > 2
