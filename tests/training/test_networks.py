import logging
from pathlib import Path

import pytest
import timm
import torch

from contract.errors import ConfigurationError
from training.networks.box2seg import Box2Seg
from training.networks.encoders import PACKAGED, Encoder, load_weights, synchronise_norms
from training.networks.segmentation import NetworkSpec, labels_and_confidence

LITE0 = "tf_efficientnet_lite0"
SMALL = NetworkSpec(LITE0, classes=3, width=8, embedding=4, shared_decoder=True)


@pytest.mark.parametrize("shared", [True, False], ids=["one decoder", "three decoders"])
def test_three_networks_predict_at_a_quarter(shared: bool) -> None:
    """Scores, attention in [0, 1] and unit embeddings come at a quarter of the input's size."""
    network = Box2Seg(NetworkSpec(LITE0, 3, 8, 4, shared)).eval()
    with torch.inference_mode():
        given = network(torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8))
    assert given.logits_BKhw.shape == (2, 3, 16, 24)
    assert given.attention_BLhw.shape == (2, 2, 16, 24)
    assert 0 <= given.attention_BLhw.min() <= given.attention_BLhw.max() <= 1
    assert torch.allclose(given.embedding_BDhw.norm(dim=1), torch.ones(2, 16, 24), atol=1e-5)


@pytest.mark.parametrize("shared", [True, False], ids=["one decoder", "three decoders"])
@pytest.mark.parametrize("detached", [True, False], ids=["detached", "joined"])
def test_detached_helpers_leave_the_features_alone(shared: bool, detached: bool) -> None:
    """What attention and embedding learn reaches the encoder, unless they are detached; scores always do."""
    network = Box2Seg(NetworkSpec(LITE0, 3, 8, 4, shared), detached_helpers=detached)
    given = network(torch.randint(0, 256, (2, 3, 64, 96), dtype=torch.uint8))
    first = next(network.segmentation.encoder.parameters())

    (given.attention_BLhw.sum() + given.embedding_BDhw.sum()).backward(retain_graph=True)
    assert (first.grad is None) == detached
    assert all(parameter.grad is not None for parameter in network.attention.parameters())

    first.grad = None
    given.logits_BKhw.sum().backward()
    assert first.grad is not None


def test_attention_starts_open() -> None:
    """At the start attention is near 0.88, so training begins as plain box supervision."""
    network = Box2Seg(SMALL).eval()
    with torch.inference_mode():
        given = network(torch.randint(0, 256, (1, 3, 64, 96), dtype=torch.uint8))
    assert 0.7 < given.attention_BLhw.mean() < 0.97


@pytest.mark.parametrize("name", PACKAGED)
def test_packaged_weights_are_a_trained_network(name: str) -> None:
    """The package's ImageNet weights land in timm's network: its batch statistics are no fresh ones."""
    encoder = Encoder(name)
    load_weights(encoder, "imagenet")
    means = encoder.body.state_dict()["bn1.running_mean"]
    assert means.abs().sum() > 0
    assert encoder.mean == pytest.approx((127.5, 127.5, 127.5))


def test_weights_from_a_file(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A timm state dict in a file is loaded, and the log says so."""
    source = timm.create_model("resnet18", pretrained=False)
    torch.save(source.state_dict(), tmp_path / "resnet18.pt")
    encoder = Encoder("resnet18")
    with caplog.at_level(logging.INFO):
        load_weights(encoder, str(tmp_path / "resnet18.pt"))
    assert torch.equal(encoder.body.state_dict()["conv1.weight"], source.conv1.weight)
    assert "resnet18.pt" in caplog.text


def test_foreign_weights_are_refused(tmp_path: Path) -> None:
    """A file that is no state dict of this encoder is refused with what is missing."""
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pt")
    with pytest.raises(ConfigurationError, match="tensors missing, first conv"):
        load_weights(Encoder(LITE0), str(tmp_path / "other.pt"))


@pytest.mark.parametrize("name", ["no_such_network", "vit_tiny_patch16_224"])
def test_unfit_encoder_is_refused(name: str) -> None:
    """An encoder that timm lacks, or without strides 4 to 32, is refused by name."""
    with pytest.raises(ConfigurationError, match=name):
        Encoder(name)


def test_confidence_is_the_winners_probability() -> None:
    """Labels and confidence equal argmax and max of the softmax."""
    logits = torch.randn(2, 3, 4, 6, generator=torch.Generator().manual_seed(0)) * 3
    labels, confidence = labels_and_confidence(logits, (4, 6))
    best, winner = logits.softmax(dim=1).max(dim=1)
    assert torch.equal(labels.long(), winner)
    assert (confidence.float() - best * 255).abs().max() <= 0.5 + 1e-3


def test_synchronised_norms_keep_their_activations() -> None:
    """Batch norms that speak across devices give what they gave before, activations included."""
    network = Encoder(LITE0).eval()
    image = torch.rand(1, 3, 64, 96)
    with torch.inference_mode():
        before = network(image)
        after = synchronise_norms(network).eval()(image)
    assert any(isinstance(module, torch.nn.SyncBatchNorm) for module in network.modules())
    assert all(torch.allclose(first, second, atol=1e-5) for first, second in zip(before, after, strict=True))
