import math

import numpy as np
import pytest

from training.bootstrap import Interval, draw_sums, percentile_interval


def test_a_draw_has_as_many_photos() -> None:
    """Each draw sums as many photos as there are, and the draws' mean is the sum of the photos."""
    counts = np.array([[1, 0], [1, 10], [1, 20]])
    sums = draw_sums(counts, draws=400)
    assert sums.shape == (400, 2)
    assert (sums[:, 0] == 3).all()
    assert sums[:, 1].mean() == pytest.approx(30, rel=0.05)  # a standard error is 0.7


def test_draws_pair_up() -> None:
    """Two networks' counts on the same photos are drawn alike: what is equal stays equal in each draw."""
    counts = np.random.default_rng(1).integers(0, 50, (20, 3, 3))
    assert np.array_equal(draw_sums(counts), draw_sums(counts.copy()))
    assert np.array_equal(draw_sums(counts + 1) - draw_sums(counts), np.full((1000, 3, 3), 20))


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of 95 % intervals around the mean of 60 photos, about 95 in 100 hold the mean that they come from."""
    generator = np.random.default_rng(2)
    held = 0
    for seed in range(200):
        values = generator.random(60)
        drawn = draw_sums(values[:, None], draws=300, seed=seed)[:, 0] / 60
        found = percentile_interval(float(values.mean()), drawn)
        held += found.low <= 0.5 <= found.high
    assert 180 <= held <= 199  # 190 expected, standard deviation 3.1


def test_the_interval_is_that_of_theory() -> None:
    """The mean of n photos swings by 1.96 standard errors to each side."""
    values = np.random.default_rng(3).normal(size=400)
    found = percentile_interval(float(values.mean()), draw_sums(values[:, None])[:, 0] / 400)
    assert found.high - found.low == pytest.approx(2 * 1.96 * values.std() / 20, rel=0.1)


def test_draws_without_a_score_do_not_count() -> None:
    """A draw that missed the only photo of a class has no score; where none has, there is no interval."""
    found = percentile_interval(0.5, np.array([0.5, np.nan, 0.5]))
    assert (found.low, found.high) == (0.5, 0.5)
    assert math.isnan(percentile_interval(math.nan, np.full(3, np.nan)).low)


@pytest.mark.parametrize(
    ("low", "high", "is_one"),
    [(0.1, 0.2, True), (-0.2, -0.1, True), (-0.1, 0.2, False), (0, 0.2, False), (math.nan, math.nan, False)],
)
def test_a_difference_is_one_where_zero_is_outside(low: float, high: float, is_one: bool) -> None:
    """Both ends lie on one side of zero; a bound of zero, or none, shows nothing."""
    assert Interval(0.1, low, high).excludes_zero is is_one
