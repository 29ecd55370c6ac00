"""The network on the processor: whoever asks, with however many images at once, gets the same answers."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from contract.manifest import CONFIDENCE, IMAGE, LABELS, MODEL_FILE
from serving.triton.backends.onnxruntime.network import KEPT, Network
from serving.versions import live_version
from tests.serving.colours import publish_colours

ANSWERS = [LABELS, CONFIDENCE]
PHOTOS = np.random.default_rng(0).integers(0, 256, (7, 96, 128, 3), np.uint8)


@pytest.fixture(scope="module")
def shipped() -> Path:
    """Give the shipped network's file: real convolutions, whose sums might depend on who adds them."""
    return live_version(Path("model_repository"), "box2seg").folder / MODEL_FILE


@pytest.fixture(scope="module")
def expected(shipped: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """Give the answers for each photo by itself, computed by one thread."""
    network = Network(shipped, IMAGE, ANSWERS, threads=1)
    each = [network.run(photo[np.newaxis]) for photo in PHOTOS]
    return {name: np.concatenate([one[name] for one in each]) for name in ANSWERS}


def test_a_batch_is_answered_as_each_image_alone(
    shipped: Path, expected: dict[str, npt.NDArray[np.uint8]]
) -> None:
    """Seven images on three streams, so that the last wave is not full, in their order."""
    together = Network(shipped, IMAGE, ANSWERS, threads=3).run(PHOTOS)
    for name in ANSWERS:
        np.testing.assert_array_equal(together[name], expected[name])


def test_callers_at_the_same_time_get_their_own_answers(
    shipped: Path, expected: dict[str, npt.NDArray[np.uint8]]
) -> None:
    """More callers than streams, with batches of one, two and all images, none of which waits for ever."""
    network = Network(shipped, IMAGE, ANSWERS, threads=2, callers=4)
    wanted = [[0], [1, 2], [6], list(range(7)), [3], [5, 4], [2]] * 3
    with ThreadPoolExecutor(4) as callers:
        answers = list(callers.map(lambda some: network.run(PHOTOS[some]), wanted))
    for some, answer in zip(wanted, answers, strict=True):
        for name in ANSWERS:
            np.testing.assert_array_equal(answer[name], expected[name][some])


def test_after_images_it_cannot_take_it_answers_on(shipped: Path) -> None:
    """Images of four channels raise, however often, and the next are answered."""
    network = Network(shipped, IMAGE, ANSWERS, threads=2, callers=2)
    for _ in range(3):
        with pytest.raises((RuntimeError, ValueError)):
            network.run(np.zeros((3, 64, 96, 4), np.uint8))
    assert network.run(PHOTOS)[LABELS].shape == PHOTOS.shape[:3]


def test_more_sizes_than_are_kept(tmp_path: Path) -> None:
    """A size whose network was dropped for others is answered again."""
    network = Network(publish_colours(tmp_path) / MODEL_FILE, IMAGE, ANSWERS, threads=1)
    sizes = [32 * (1 + number) for number in range(KEPT + 1)]
    for side in [*sizes, sizes[0]]:
        assert network.run(np.zeros((1, 32, side, 3), np.uint8))[LABELS].shape == (1, 32, side)
