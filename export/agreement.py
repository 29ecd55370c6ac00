"""How far two forms of one model may differ, and the record of how far they do."""

from collections.abc import Mapping
from dataclasses import dataclass

from contract.errors import ParityError

LEAST_AGREEMENT = 0.999
"""Smallest share of pixels that must carry torch's label."""

REQUIRED_ENGINE = "onnxruntime"
"""The engine that runs the file in its own precision; without its figure nothing is published."""


@dataclass(frozen=True, slots=True)
class Parity:
    """
    What an engine made of a file, against torch.

    Args:
        engine: The engine's name.
        agreement: Share of pixels with torch's label in [0, 1], in the batch where it is smallest.
        difference: Largest difference of any pixel's confidence, in [0, 1].
        batches: How many batches were compared.
    """

    engine: str
    agreement: float
    difference: float
    batches: int

    def named(self) -> dict[str, float]:
        """Give the figures as manifests keep them."""
        return {
            agreement_name(self.engine): round(self.agreement, 6),
            f"{self.engine} confidence difference": round(self.difference, 6),
        }


def agreement_name(engine: str) -> str:
    """Give the name under which a manifest keeps an engine's label agreement."""
    return f"{engine} label agreement"


def check_agreement(parity: Mapping[str, float]) -> None:
    """
    Refuse a manifest's parity figures that prove too little.

    Raises:
        ParityError: If the required engine's figure is missing, or one is below the least agreement.
    """
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
