import numpy as np
import numpy.typing as npt
import pytest

from contract.arrays import Size, Uint8
from contract.classes import IGNORE
from contract.errors import ConfigurationError, ShapeError
from contract.geometry import CERTAIN, HALF_CERTAIN, PADDING_VALUE, Fit, FitRule, resize

WHITE = 255


@pytest.mark.parametrize(
    ("original", "inner", "network"),
    [
        pytest.param((375, 500), (288, 384), (288, 384), id="landscape"),
        pytest.param((500, 375), (384, 288), (384, 288), id="portrait"),
        pytest.param((333, 517), (247, 384), (256, 384), id="odd"),
        pytest.param((64, 96), (256, 384), (256, 384), id="enlarged"),
        pytest.param((384, 384), (384, 384), (384, 384), id="as it is"),
        pytest.param((1, 10_000), (1, 384), (32, 384), id="a line"),
        pytest.param((1, 1), (384, 384), (384, 384), id="one pixel"),
    ],
)
def test_the_long_side_takes_the_rules_length(original: Size, inner: Size, network: Size) -> None:
    """The longer side becomes 384 px, the other keeps the proportion, both are padded to 32."""
    fit = FitRule(384).fit(original)
    assert (fit.original, fit.inner, fit.network) == (original, inner, network)


@pytest.mark.parametrize(("long_side", "multiple"), [(0, 32), (500, 32), (-32, 32), (384, 0)])
def test_a_rule_that_cannot_work_is_refused(long_side: int, multiple: int) -> None:
    """The long side is a positive multiple of the stride."""
    with pytest.raises(ConfigurationError, match="long_side must be a positive multiple"):
        FitRule(long_side, multiple)


@pytest.mark.parametrize("long_side", [384, 512])
@pytest.mark.parametrize("cell", [16, 37])
@pytest.mark.parametrize("size", [(333, 517), (1023, 769), (64, 96)])
def test_a_checkerboard_comes_back_within_a_pixel(size: Size, cell: int, long_side: int) -> None:
    """Wrong pixels lie at the cells' edges only, and are under 1 %, for odd sizes too."""
    board = checkerboard(size, cell)
    fit = FitRule(long_side).fit(size)
    labels = fit.bring_back(*perfect_network(fit.fit_image(photo_of(board))))
    wrong = labels != board
    assert not (wrong & ~beside_edge(board)).any()
    assert wrong.mean() < 0.01


@pytest.mark.parametrize("size", [(333, 517), (1023, 769)])
def test_labels_come_back_within_a_pixel(size: Size) -> None:
    """A label map that went in by nearest neighbour differs at the edges only."""
    board = checkerboard(size, 37)
    fit = FitRule(384).fit(size)
    labels = fit.bring_back(fit.fit_labels(board), np.full(fit.network, CERTAIN, np.uint8))
    assert not ((labels != board) & ~beside_edge(board)).any()


def test_padding_never_reaches_the_mask() -> None:
    """Whatever the network says of the padding, the mask does not show it."""
    fit = FitRule(384).fit((333, 517))
    labels = np.full(fit.network, 9, np.uint8)
    labels[: fit.inner[0], : fit.inner[1]] = 1
    back = fit.bring_back(labels, np.full(fit.network, CERTAIN, np.uint8))
    assert np.unique(back).tolist() == [1]


def test_padding_is_grey_below_and_to_the_right() -> None:
    """An image lies at the frame's top left; labels are padded with IGNORE."""
    fit = Fit(original=(2, 3), inner=(2, 3), network=(3, 4))
    image = fit.fit_image(np.zeros((2, 3, 3), np.uint8))[..., 0]
    assert image.tolist() == [
        [0, 0, 0, PADDING_VALUE],
        [0, 0, 0, PADDING_VALUE],
        [PADDING_VALUE] * 4,
    ]
    labels = fit.fit_labels(np.ones((2, 3), np.uint8))
    assert labels.tolist() == [[1, 1, 1, IGNORE], [1, 1, 1, IGNORE], [IGNORE] * 4]


def test_an_unsure_pixel_keeps_its_label() -> None:
    """The winner among many classes is below one half and stays the winner."""
    fit = Fit(original=(4, 4), inner=(2, 2), network=(2, 2))
    labels = np.array([[1, 2], [3, 4]], np.uint8)
    back = fit.bring_back(labels, np.full((2, 2), HALF_CERTAIN // 2, np.uint8))
    assert back.tolist() == [[1, 1, 2, 2], [1, 1, 2, 2], [3, 3, 4, 4], [3, 3, 4, 4]]


def test_the_surer_side_of_an_edge_is_larger() -> None:
    """Confidence places the edge between pixels: the surer class takes the pixel in between."""
    fit = Fit(original=(1, 6), inner=(1, 2), network=(1, 2))
    back = fit.bring_back(np.array([[1, 2]], np.uint8), np.array([[CERTAIN, 160]], np.uint8))
    assert back.tolist() == [[1, 1, 1, 1, 2, 2]]


def test_equal_sizes_pass_unchanged() -> None:
    """Where nothing is to be resized, no pixel changes."""
    fit = FitRule(96).fit((64, 96))
    labels = checkerboard((64, 96), 5)
    back = fit.bring_back(labels, np.full((64, 96), 200, np.uint8))
    assert np.array_equal(back, labels)


def test_arrays_of_another_size_are_refused() -> None:
    """A fit takes the image and the answer it was made for, and no other."""
    fit = FitRule(96).fit((48, 96))
    with pytest.raises(ShapeError, match=r"image: expected \(48, 96, 3\) uint8"):
        fit.fit_image(np.zeros((96, 48, 3), np.uint8))
    with pytest.raises(ShapeError, match=r"confidence: expected \(64, 96\) uint8"):
        fit.bring_back(np.zeros((64, 96), np.uint8), np.zeros((48, 96), np.uint8))


def test_confidence_comes_back_interpolated() -> None:
    """Confidence has the image's size, lies between its neighbours, and knows nothing of the padding."""
    fit = Fit(original=(2, 4), inner=(1, 2), network=(2, 3))
    confidence = np.array([[100, 200, 255], [255, 255, 255]], np.uint8)
    back = fit.bring_confidence_back(confidence)
    assert back.tolist() == [[100, 125, 175, 200]] * 2


def test_confidence_of_equal_size_is_unchanged() -> None:
    """Where nothing is to be resized, no pixel's confidence changes."""
    fit = FitRule(96).fit((64, 96))
    confidence = np.random.default_rng(0).integers(0, 256, (64, 96), np.uint8)
    assert np.array_equal(fit.bring_confidence_back(confidence), confidence)
    with pytest.raises(ShapeError, match="confidence"):
        fit.bring_confidence_back(confidence.T)


def test_resizing_keeps_the_picture_centred() -> None:
    """A picture shrunk by three keeps its centre of mass, to a tenth of a pixel of the small one."""
    spot = np.zeros((99, 99), np.uint8)
    spot[30:60, 45:75] = WHITE
    small = resize(spot, (33, 33)).astype(float)
    rows, columns = np.indices(small.shape)
    assert (small * rows).sum() / small.sum() == pytest.approx((44.5 - 1) / 3, abs=0.1)
    assert (small * columns).sum() / small.sum() == pytest.approx((59.5 - 1) / 3, abs=0.1)


def checkerboard(size: Size, cell: int) -> Uint8:
    """Draw labels 0 and 1 in squares of `cell` px."""
    rows, columns = np.indices(size)
    return ((rows // cell + columns // cell) % 2).astype(np.uint8)


def photo_of(board: Uint8) -> Uint8:
    """Paint a board's labels black and white."""
    return np.repeat(board[..., None] * np.uint8(WHITE), 3, axis=2)


def perfect_network(frame: Uint8) -> tuple[Uint8, Uint8]:
    """Say white or black of each pixel, as sure as it is bright or dark."""
    light = frame[..., 0]
    labels = (light >= HALF_CERTAIN).astype(np.uint8)
    return labels, np.where(labels == 1, light, WHITE - light).astype(np.uint8)


def beside_edge(board: Uint8) -> npt.NDArray[np.bool_]:
    """Mark the pixels on both sides of an edge."""
    marked = np.zeros(board.shape, bool)
    across, down = board[:, 1:] != board[:, :-1], board[1:] != board[:-1]
    marked[:, 1:] |= across
    marked[:, :-1] |= across
    marked[1:] |= down
    marked[:-1] |= down
    return marked


def test_two_labels_and_more_are_enlarged_alike() -> None:
    """A third label in a corner moves no edge between the other two."""
    fit = FitRule(96).fit((333, 517))
    labels, confidence = perfect_network(fit.fit_image(photo_of(checkerboard((333, 517), 64))))
    two = fit.bring_back(labels, confidence)
    labels[:2, :2] = 7
    three = fit.bring_back(labels, confidence)
    apart = (two != three)[30:, 30:]
    assert apart.mean() < 0.003  # equal weights, rounded to 8 bits in another order
