"""All that decides a training run, and how fields of it are changed by name."""

import dataclasses
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError

from contract.classes import ClassMap, class_map
from contract.errors import ConfigurationError
from contract.geometry import FitRule
from training.data import Augmentation
from training.losses.total import WARM_START, LossWeights
from training.networks.segmentation import NetworkSpec

AT_LEAST_ZERO = (
    "encoder_rate",
    "embedding_rate",
    "weight_decay",
    "foreground",
    "background",
    "filling",
    "affinity",
    "grabcut",
)
"""Rates and weights: below 0 a network would learn the opposite."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """
    A training run; any field can be changed from the command line.

    Raises:
        ConfigurationError: If the values cannot work together.
    """

    name: str
    """The recipe's name, for records."""
    classes: tuple[str, ...]
    """Foreground classes to learn; boxes of others count as background."""
    encoder: str = "tf_efficientnet_lite0"
    """Any timm encoder with five levels of features, strides 2 to 32, such as EfficientNets and ResNets."""
    weights: str = "imagenet"
    """Its first weights: imagenet, none, or the path of a timm state dict."""
    start: str = ""
    """A run or checkpoint whose weights all three networks begin with; empty for the encoder's alone."""
    learn: Literal["boxes", "masks", "mixed"] = "boxes"
    """What is learned from: boxes; masks of some photos and no others; or masks there and boxes elsewhere."""
    masks: str = ""
    """The photos whose masks may be read: a split, or a text file of names; empty for all of the split."""
    prior: Literal["grabcut", "boxes", "teacher", "sam"] = "grabcut"
    """What guesses masks in boxes: GrabCut, nothing (boxes are filled), a trained network, or SAM."""
    teacher: str = ""
    """The run or checkpoint that prior=teacher asks."""
    teacher_side: int = 320
    """Long side at which it is asked [px]; in boxes a smaller photo, seen more at once, is often better."""
    teacher_scales: tuple[float, ...] = (1.0,)
    """Scales of that side over which its probabilities are averaged."""
    sam: str = ""
    """The weights that prior=sam loads: a folder, or a name on the hub such as facebook/sam-vit-base."""
    width: int = 64
    """Channels of the decoder."""
    embedding: int = 64
    """Channels of the pixel embedding."""
    shared_decoder: bool = True
    """One decoder with three heads; false: three decoders, as the paper has it."""
    detached_helpers: bool = False
    """Attention and embedding learn from the features they are given without changing them."""
    long_side: int = 384
    """Long side of a photo in the network's frame [px], a multiple of 32."""
    crop: int = 256
    """Side of the training crops [px], a multiple of 32."""
    scales: tuple[float, float] = (0.6, 1.4)
    """Least and largest scale of photos in training; 1 is the long side above."""
    jitter: float = 0.0
    """Share by which brightness, contrast and saturation of photos vary in training."""
    warm_epochs: int = 3
    """Epochs of stage 1: embedding pre-training and cross entropy on GrabCut masks."""
    epochs: int = 12
    """Epochs in all."""
    batch_size: int = 16
    """Photos per step over all devices."""
    average: float = 0.0
    """Share of the old, at each step, in the running average of weights that is kept; 0 for no average."""
    optimizer: Literal["adamw", "sgd"] = "adamw"
    """adamw, or sgd with momentum 0.9 as the paper's family of networks uses."""
    learning_rate: float = 1e-3
    """Of decoders and heads at the start; falls by a power of 0.9 to zero."""
    encoder_rate: float = 0.1
    """The encoder's learning rate, as a share of the above."""
    embedding_rate: float = 0.1
    """The embedding head's in stage 2, likewise, so that it does not forget GrabCut."""
    weight_decay: float = 0.01
    """Of all weights."""
    frozen_norm: bool = False
    """Keep batch norms at their first statistics: for few photos per device, and for fine-tuning on few."""
    gamma: float = 0.9
    """Share of GrabCut's filling rate that attention must keep."""
    foreground: float = 1.0
    """Weight of the attention-weighted loss in boxes, stage 2."""
    background: float = 1.0
    """Weight of the loss outside boxes, stage 2."""
    filling: float = 5.0
    """Weight of the filling-rate loss, stage 2; below about 3 times foreground attention can vanish."""
    affinity: float = 1.0
    """Weight of the affinity loss, stage 2."""
    grabcut: float = 0.0
    """Weight of cross entropy on the prior's masks, or people's where known, that stays in stage 2."""
    grabcut_iterations: int = 5
    """Rounds of GrabCut per box."""
    unscored: tuple[str, ...] = ()
    """Classes that a second mean IoU leaves out, such as ones too rare to score."""
    evaluate_every: int = 3
    """Epochs between scores on the evaluation split; the last epoch is always scored."""
    seed: int = 0
    """Decides initial weights, order and augmentation."""

    def __post_init__(self) -> None:
        self._refuse(self.crop % 32 or self.crop < 32, f"crop: a multiple of 32, got {self.crop}")
        self._refuse(
            not 0 < self.scales[0] <= self.scales[1] < math.inf,
            f"scales: least, then largest, got {self.scales}",
        )
        self._refuse(
            not 0 <= self.warm_epochs <= self.epochs,
            f"warm_epochs: from 0 to epochs = {self.epochs}, got {self.warm_epochs}",
        )
        self._refuse(self.epochs < 1, f"epochs: at least 1, got {self.epochs}")
        self._refuse(self.batch_size < 2, f"batch_size: at least 2, got {self.batch_size}")
        self._refuse(self.evaluate_every < 1, f"evaluate_every: at least 1, got {self.evaluate_every}")
        self._refuse(not 0 <= self.jitter < 1, f"jitter: in [0, 1), got {self.jitter}")
        self._refuse(self.seed < 0, f"seed: at least 0, got {self.seed}")
        self._refuse(
            not 0 < self.learning_rate < math.inf, f"learning_rate: above 0, got {self.learning_rate}"
        )
        for name in AT_LEAST_ZERO:
            value = getattr(self, name)
            self._refuse(not 0 <= value < math.inf, f"{name}: at least 0, got {value}")
        self._refuse(not 0 <= self.average < 1, f"average: in [0, 1), got {self.average}")
        self._refuse(bool(self.masks) and self.learn == "boxes", "masks: read with learn=masks or mixed only")
        self._refuse(bool(self.teacher) and self.prior != "teacher", "teacher: asked with prior=teacher only")
        self._refuse(bool(self.sam) and self.prior != "sam", "sam: loaded with prior=sam only")
        self._refuse(
            self.teacher_side % 32 or self.teacher_side < 32,
            f"teacher_side: a multiple of 32, got {self.teacher_side}",
        )
        self._refuse(
            not self.teacher_scales or min(self.teacher_scales) <= 0,
            f"teacher_scales: numbers above 0, got {self.teacher_scales}",
        )
        self._refuse(not 0 <= self.gamma <= 1, f"gamma: in [0, 1], got {self.gamma}")
        self.class_map, self.fit, self.network  # noqa: B018 (each refuses what cannot work)

    def _refuse(self, wrong: bool | int, message: str) -> None:
        if wrong:
            raise ConfigurationError(f"recipe {self.name}: {message}")

    @property
    def class_map(self) -> ClassMap:
        """What labels mean."""
        return class_map(self.classes)

    @property
    def fit(self) -> FitRule:
        """How photos enter the network."""
        return FitRule(self.long_side)

    @property
    def network(self) -> NetworkSpec:
        """The networks to build."""
        return NetworkSpec(self.encoder, len(self.class_map), self.width, self.embedding, self.shared_decoder)

    @property
    def reads_boxes(self) -> bool:
        """Whether boxes are looked at: not in plain cross entropy on people's masks."""
        stages = [self.loss_weights(0), self.loss_weights(self.epochs)]
        return self.learn != "masks" or any(w.foreground or w.background or w.filling for w in stages)

    @property
    def augmentation(self) -> Augmentation:
        """How photos are varied."""
        return Augmentation(self.crop, self.scales, jitter=self.jitter)

    def loss_weights(self, epoch: int) -> LossWeights:
        """Give the terms' weights in an epoch, counted from 0."""
        if epoch < self.warm_epochs:
            return WARM_START
        return LossWeights(self.foreground, self.background, self.filling, self.affinity, self.grabcut)


def change(recipe: Recipe, assignments: Iterable[str]) -> Recipe:
    """
    Change fields of a recipe.

    Args:
        recipe: The recipe to start from.
        assignments: Each "field=value"; several values of one field are separated by commas.

    Raises:
        ConfigurationError: For a name that is no field, or a value of another type; names the right ones.
    """
    changes: dict[str, Any] = {}
    for assignment in assignments:
        name, separator, value = assignment.partition("=")
        if not separator:
            raise ConfigurationError(f"{assignment!r}: expected FIELD=VALUE")
        changes[name] = _value(name, value)
    return dataclasses.replace(recipe, **changes)


def _value(name: str, text: str) -> Any:
    fields = {field.name: field.type for field in dataclasses.fields(Recipe) if field.name != "name"}
    if name not in fields:
        raise ConfigurationError(f"no recipe field {name!r}; there are {', '.join(fields)}")
    kind: Any = fields[name]
    value: Any = text.split(",") if str(kind).startswith("tuple") else text
    try:
        return TypeAdapter(kind).validate_python(value)
    except ValidationError as error:
        raise ConfigurationError(
            f"recipe field {name}: {text!r} is not valid: {error.errors()[0]['msg']}"
        ) from error
