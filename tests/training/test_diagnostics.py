"""The numbers that show a collapse, on predictions whose answer is known."""

import math

import pytest
import torch
from torch.nn import functional as F

from contract.classes import ClassMap
from training.data import Batch
from training.diagnostics import Diagnostics
from training.networks.box2seg import Prediction

SIZE = (4, 6)


def half_boxed() -> Batch:
    """One photo: its left half is a box of cat, of which the guess takes the upper half."""
    candidates = torch.zeros(1, 3, *SIZE, dtype=torch.bool)
    candidates[:, 0] = True
    candidates[:, 1, :, :3] = True
    guess = torch.zeros(1, *SIZE, dtype=torch.long)
    guess[:, :2, :3] = 1
    return Batch(torch.zeros(1, 3, *SIZE, dtype=torch.uint8), candidates, guess)


def predict(attention: float, labels: torch.Tensor) -> Prediction:
    """Predict these labels for sure, with an embedding that tells them apart just as well."""
    one_hot = F.one_hot(labels, 3).movedim(-1, 1).float()
    return Prediction(one_hot * 100, torch.full((1, 2, *SIZE), attention), one_hot)


def diagnose(prediction: Prediction) -> dict[str, float]:
    diagnostics = Diagnostics(ClassMap(("background", "cat", "dog"), ((0, 0, 0),) * 3), gamma=0.9)
    diagnostics.add(prediction, half_boxed())
    return diagnostics.means()


@pytest.mark.parametrize(("attention", "active"), [(0.4, 1.0), (0.6, 0.0)])
def test_attention_beside_the_filling_rate(attention: float, active: float) -> None:
    """Half a box is guessed, so attention below 0.9 of one half makes the hinge active."""
    means = diagnose(predict(attention, half_boxed().guess_BHW))
    assert means["filling cat"] == 0.5
    assert means["attention cat"] == pytest.approx(attention, abs=1e-4)
    assert means["hinge active"] == active
    assert math.isnan(means["attention dog"])


def test_belief_is_the_probability_where_attention_is_high() -> None:
    """Attention on the whole box, and the class sure in its upper half: belief is one half."""
    assert diagnose(predict(0.9, half_boxed().guess_BHW))["belief"] == pytest.approx(0.5, abs=1e-3)
    assert math.isnan(diagnose(predict(0.1, half_boxed().guess_BHW))["belief"])


def test_pairs_agree_or_not() -> None:
    """An embedding that knows the labels agrees with a prediction that does; a blind one does not."""
    batch = half_boxed()
    knowing = diagnose(predict(0.9, batch.guess_BHW))
    assert knowing["pairs alike"] == pytest.approx(0, abs=1e-4)
    assert knowing["pairs apart"] == pytest.approx(0, abs=1e-4)
    blind = predict(0.9, batch.guess_BHW)._replace(embedding_BDhw=torch.ones(1, 1, *SIZE))
    assert diagnose(blind)["pairs apart"] == pytest.approx(1, abs=1e-4)
