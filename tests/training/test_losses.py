"""The acceptance checks of the method: each loss against its formula, written out the slow way."""

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from contract.classes import IGNORE
from training.data import Batch
from training.losses.affinity import affinity_loss, embedding_loss, pair_disagreement
from training.losses.attention_weighted import background_loss, foreground_loss
from training.losses.filling_rate import filling_rate_loss, filling_rates
from training.losses.grabcut import grabcut_loss
from training.losses.total import LossWeights, total_loss
from training.networks.box2seg import Prediction

K, D, H, W = 3, 5, 8, 12


def batch(candidates: Tensor, guess: Tensor | None = None) -> Batch:
    guess = torch.zeros(candidates.shape[0], *candidates.shape[2:]).long() if guess is None else guess
    return Batch(torch.zeros(len(candidates), 3, *candidates.shape[2:]), candidates, guess)


def one_box(label: int = 1, *, rows: slice = slice(2, 6), columns: slice = slice(3, 9)) -> Tensor:
    candidates = torch.zeros(1, K, H, W, dtype=torch.bool)
    candidates[:, 0] = True
    candidates[0, label, rows, columns] = True
    return candidates


def prediction(seed: int = 0, images: int = 1) -> Prediction:
    draw = torch.Generator().manual_seed(seed)
    return Prediction(
        logits_BKhw=torch.randn(images, K, H, W, generator=draw),
        attention_BLhw=torch.rand(images, K - 1, H, W, generator=draw),
        embedding_BDhw=F.normalize(torch.randn(images, D, H, W, generator=draw), dim=1),
    )


def test_gram_identity_equals_all_pairs() -> None:
    """On 500 pixels the Gram form equals the double sum over pairs to 1e-5."""
    draw = torch.Generator().manual_seed(1)
    first = F.normalize(torch.randn(1, 16, 20, 25, generator=draw), dim=1)
    second = torch.randn(1, 7, 20, 25, generator=draw).softmax(dim=1)
    b_mD, y_mK = first.flatten(2)[0].T.double(), second.flatten(2)[0].T.double()
    slow = (b_mD @ b_mD.T - y_mK @ y_mK.T).square().mean()
    fast = pair_disagreement(first, second, torch.ones(1, 20, 25))[0]
    assert abs(fast.double() / slow - 1) < 1e-5


def test_weights_choose_the_pairs() -> None:
    """Pixels of weight 0 take no part in any pair."""
    given = prediction()
    y = given.logits_BKhw.softmax(dim=1)
    weight = torch.zeros(1, H, W)
    weight[:, :4] = 1
    kept = pair_disagreement(given.embedding_BDhw[:, :, :4], y[:, :, :4], torch.ones(1, 4, W))
    assert torch.allclose(pair_disagreement(given.embedding_BDhw, y, weight), kept, rtol=1e-4)


def test_full_attention_is_box_cross_entropy() -> None:
    """With alpha = 1, L_fg is the mean cross entropy of the class over its box."""
    given = prediction()._replace(attention_BLhw=torch.ones(1, K - 1, H, W))
    slow = F.cross_entropy(given.logits_BKhw[:, :, 2:6, 3:9], torch.ones(1, 4, 6).long())
    assert torch.allclose(foreground_loss(given, batch(one_box())), slow)


def test_no_box_leaves_background_alone() -> None:
    """Without a box L_fg = L_fr = 0 and L_bg is the mean cross entropy to background."""
    given = prediction()
    nothing = batch(one_box(rows=slice(0, 0)))
    assert foreground_loss(given, nothing) == 0
    assert filling_rate_loss(given, nothing, gamma=0.9) == 0
    slow = F.cross_entropy(given.logits_BKhw, torch.zeros(1, H, W).long())
    assert torch.allclose(background_loss(given, nothing), slow)


def test_overlapping_boxes_both_count() -> None:
    """Two boxes of different classes give the sum of their terms, and background outside both is unmoved."""
    given = prediction()
    first, second = one_box(1), one_box(2, rows=slice(4, 8), columns=slice(6, 12))
    both = batch(first | second)
    expected = foreground_loss(given, batch(first)) + foreground_loss(given, batch(second))
    assert torch.allclose(foreground_loss(given, both), expected)
    outside = ~(first | second)[:, 1:].any(dim=1)
    slow = -given.logits_BKhw.log_softmax(dim=1)[:, 0][outside].mean()
    assert torch.allclose(background_loss(given, both), slow)


def test_crop_inside_a_box_has_no_background_term() -> None:
    """Where every pixel lies in a box, L_bg is 0 and not NaN."""
    assert background_loss(prediction(), batch(one_box(rows=slice(None), columns=slice(None)))) == 0


def test_filling_rate_is_a_one_sided_hinge() -> None:
    """Attention below gamma times GrabCut's rate costs the difference; above it costs nothing."""
    guess = torch.zeros(1, H, W).long()
    guess[0, 2:4, 3:9] = 1  # half of the box
    for attention, expected in ((0.1, 0.9 * 0.5 - 0.1), (0.6, 0.0)):
        given = prediction()._replace(attention_BLhw=torch.full((1, K - 1, H, W), attention))
        loss = filling_rate_loss(given, batch(one_box(), guess), gamma=0.9)
        assert loss.item() == pytest.approx(expected, abs=1e-6)
    eta, _, present = filling_rates(given, batch(one_box(), guess))
    assert eta[0].tolist() == [0.5, 0.0]
    assert present[0].tolist() == [True, False]


def test_padding_is_in_no_sum() -> None:
    """A prediction that differs in the padding alone costs the same in every term."""
    candidates, guess = one_box(), torch.zeros(1, H, W).long()
    candidates[..., 10:] = False
    guess[..., 10:] = IGNORE
    weights = LossWeights(1, 1, 5, 1, 1, 1)
    first = prediction(0)
    second = Prediction(
        *(torch.where(torch.arange(W) < 10, a, b) for a, b in zip(first, prediction(1), strict=True))
    )
    costs = [total_loss(given, batch(candidates, guess), weights, gamma=0.9)[1] for given in (first, second)]
    for name, value in costs[0].items():
        assert torch.allclose(value, costs[1][name], rtol=1e-5), name


def test_perfect_embedding_costs_nothing() -> None:
    """Embeddings that equal GrabCut's one-hots cost nothing; equal ones everywhere cost half."""
    guess = torch.zeros(1, H, W).long()
    guess[0, 2:6, 3:9] = 1
    labels = batch(one_box(), guess)
    perfect = F.one_hot(guess, D).movedim(-1, 1).float()
    assert embedding_loss(prediction()._replace(embedding_BDhw=perfect), labels).item() == pytest.approx(
        0, abs=1e-6
    )
    equal = torch.zeros(1, D, H, W)
    equal[:, 0] = 1
    assert embedding_loss(prediction()._replace(embedding_BDhw=equal), labels).item() == pytest.approx(
        0.5, abs=1e-5
    )


def test_affinity_reaches_both_networks() -> None:
    """L_A has a gradient for the class scores and for the embedding."""
    given = Prediction(*(tensor.requires_grad_() for tensor in prediction()))
    affinity_loss(given, batch(one_box())).backward()
    assert given.logits_BKhw.grad is not None
    assert given.logits_BKhw.grad.abs().sum() > 0
    assert given.embedding_BDhw.grad is not None
    assert given.embedding_BDhw.grad.abs().sum() > 0


def test_grabcut_loss_is_cross_entropy() -> None:
    """L_GC equals torch's cross entropy, IGNORE left out."""
    guess = torch.randint(0, K, (1, H, W), generator=torch.Generator().manual_seed(2))
    guess[0, 0] = IGNORE
    given = prediction()
    slow = F.cross_entropy(given.logits_BKhw, guess, ignore_index=IGNORE)
    assert torch.allclose(grabcut_loss(given, batch(one_box(), guess)), slow)


def toy_iou(filling: float, *, warm_steps: int) -> float:
    """
    Train linear heads on two Gaussian clusters and give the IoU inside the box.

    A box over half of the pixels is 40 % filled; GrabCut's labels in it are wrong for one pixel in five.
    """
    draw = torch.Generator().manual_seed(0)
    pixels, boxed, filled = 2000, 1000, 400
    truth = torch.zeros(pixels).long()
    truth[:filled] = 1
    features = torch.randn(pixels, 2, generator=draw) + 3.0 * truth[:, None]
    guess = truth.clone()
    wrong = torch.rand(boxed, generator=draw) < 0.2
    guess[:boxed] = torch.where(wrong, 1 - guess[:boxed], guess[:boxed])
    candidates = torch.zeros(1, 21, 1, pixels, dtype=torch.bool)
    candidates[0, 0] = True
    candidates[0, 1, :, :boxed] = True
    labels = Batch(torch.zeros(1, 3, 1, pixels), candidates, guess.view(1, 1, pixels))
    scores, attention = torch.nn.Linear(2, 21), torch.nn.Linear(2, 20)
    for layer in (scores, attention):
        torch.nn.init.zeros_(layer.weight)
        torch.nn.init.zeros_(layer.bias)
    torch.nn.init.constant_(attention.bias, 2.0)
    optimizer = torch.optim.SGD([*scores.parameters(), *attention.parameters()], lr=0.1)
    for step in range(warm_steps + 600):
        given = Prediction(
            scores(features).T.view(1, 21, 1, pixels),
            attention(features).T.sigmoid().view(1, 20, 1, pixels),
            torch.ones(1, 1, 1, pixels),
        )
        weights = LossWeights(grabcut=1) if step < warm_steps else LossWeights(1, 1, filling)
        optimizer.zero_grad()
        total_loss(given, labels, weights, gamma=0.9)[0].backward()
        optimizer.step()
    found = scores(features)[:boxed].argmax(dim=1) == 1
    actual = truth[:boxed] == 1
    return float((found & actual).sum() / (found | actual).sum())


def test_weak_filling_rate_collapses_without_warm_start() -> None:
    """
    A filling-rate weight well below log 21 = 3.04 lets attention vanish, and nothing is learned.

    Above it, or after a warm start on GrabCut, it does not. Where exactly it tips depends on the optimiser.
    """
    assert toy_iou(1.0, warm_steps=0) < 0.1
    assert toy_iou(5.0, warm_steps=0) > 0.8
    assert toy_iou(1.0, warm_steps=300) > 0.8
