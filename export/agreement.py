"""How far two forms of one model may differ, and the record of how far they do."""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.errors import ParityError

LEAST_AGREEMENT = 0.999
"""Smallest share of pixels that must carry torch's label where a file computes in fp32."""

MARGIN = 0.01
"""Largest share of fp32's mean IoU that a file of another precision may lose."""

ANY_LOSS = 1.0
"""The margin of who only asks whether a loss was measured."""

KEPT = "share of fp32's mean IoU"
"""Under this name a manifest keeps a file's mean IoU over fp32's, both with people's masks as the truth."""

REQUIRED_ENGINE = "onnxruntime"
"""The engine that runs a file in its own precision; without its figure nothing in fp32 is published."""


@dataclass(frozen=True, slots=True)
class Parity:
    """
    What an engine made of a file, against torch.

    Args:
        engine: The engine's name.
        agreement: Share of pixels with torch's label in [0, 1], in the batch where it is smallest.
        difference: Largest difference of any pixel's confidence, in [0, 1].
        overlap: Mean IoU in [0, 1] over all batches, with torch's labels as the truth.
        batches: How many batches were compared.
    """

    engine: str
    agreement: float
    difference: float
    overlap: float
    batches: int

    def named(self) -> dict[str, float]:
        """Give the figures as manifests keep them."""
        return {
            agreement_name(self.engine): round(self.agreement, 6),
            f"{self.engine} confidence difference": round(self.difference, 6),
            overlap_name(self.engine): round(self.overlap, 6),
        }


def agreement_name(engine: str) -> str:
    """Give the name under which a manifest keeps an engine's label agreement."""
    return f"{engine} label agreement"


def overlap_name(engine: str) -> str:
    """Give the name under which a manifest keeps an engine's mean IoU with torch's labels as the truth."""
    return f"{engine} mean IoU with fp32's labels"


def check_agreement(parity: Mapping[str, float], precision: str = "fp32", *, margin: float = MARGIN) -> None:
    """
    Refuse a manifest's parity figures that prove too little.

    What computes in fp32 must give torch's labels. Fewer bits cannot, so there it is quality that counts:
    the share kept of fp32's mean IoU where people's masks were at hand, else, which is stricter, the mean
    IoU with fp32's own labels as the truth.

    Args:
        parity: By name, as manifests keep them.
        precision: What the file computes in.
        margin: Largest share of fp32's mean IoU that may be lost; means nothing for fp32.

    Raises:
        ParityError: If a figure that counts is missing, or too low.
    """
    if precision == "fp32":
        _check_labels(parity)
    else:
        _check_quality(parity, precision, margin)


def _check_labels(parity: Mapping[str, float]) -> None:
    if agreement_name(REQUIRED_ENGINE) not in parity:
        raise ParityError(
            f"parity with {REQUIRED_ENGINE} was never measured", hint="export it: box2seg export RUN"
        )
    for name, share in parity.items():
        # Written so that NaN is refused too.
        if name.endswith(agreement_name("")) and not share >= LEAST_AGREEMENT:
            raise ParityError(
                f"{name} with torch is {share:.3%}, the least is {LEAST_AGREEMENT:.1%}",
                hint="the exporter or the engine changed the network; try other versions of them",
            )


def _check_quality(parity: Mapping[str, float], precision: str, margin: float) -> None:
    overlaps = [share for name, share in parity.items() if name.endswith(overlap_name(""))]
    if not overlaps and KEPT not in parity:
        raise ParityError(
            f"what {precision} costs was never measured",
            hint=f"export it: box2seg export RUN --precision {precision} --data FOLDER",
        )
    share = parity.get(KEPT, min(overlaps, default=0.0))
    if not share >= 1 - margin:
        truth = "people's masks" if KEPT in parity else "fp32's own labels"
        raise ParityError(
            f"{precision} keeps {share:.2%} of fp32's mean IoU, by {truth}; the least is {1 - margin:.2%}",
            hint="another precision, or a larger --margin; by masks (--data FOLDER) it is less strict",
        )
