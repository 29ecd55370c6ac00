"""GET /v1/models: which models answer, and what their labels mean."""

from dataclasses import dataclass

from fastapi import APIRouter

from contract.manifest import Manifest
from serving.formats import FORMATS
from serving.gateway import Gateway
from serving.routes.answers import refusals
from serving.routes.wiring import TheGateway

router = APIRouter(prefix="/v1/models", tags=["models"])


@dataclass(frozen=True, slots=True)
class ClassCard:
    """One class: the label in the mask, its name, its colour in the palette."""

    label: int
    name: str
    colour: str


@dataclass(frozen=True, slots=True)
class ModelCard:
    """
    What a client needs to know of a model, and how good it was measured to be.

    `problems` says why versions that should be ready are not, by version, and why the `history` cannot be
    read.
    """

    name: str
    version: int
    created: str
    classes: list[ClassCard]
    formats: list[str]
    suffixes: dict[str, str]
    scores: dict[str, float]
    parity: dict[str, float]
    trained_from: str
    device: str
    default: bool
    problems: dict[str, str]


@dataclass(frozen=True, slots=True)
class ModelList:
    """All models that answer."""

    models: list[ModelCard]


@router.get("")
async def list_models(gateway: TheGateway) -> ModelList:
    """List the models that answer now."""
    return ModelList([model_card(each, gateway) for each in gateway.models.served()])


@router.get("/{name}", responses=refusals(404))
async def get_model(name: str, gateway: TheGateway) -> ModelCard:
    """Describe one model: its classes with their labels and colours, its version, its scores."""
    return model_card(gateway.models.find(name), gateway)


def model_card(manifest: Manifest, gateway: Gateway) -> ModelCard:
    """Give what clients may know of a version."""
    classes = manifest.classes
    return ModelCard(
        name=manifest.name,
        version=manifest.version,
        created=manifest.created,
        classes=[
            ClassCard(label, name, "#{:02x}{:02x}{:02x}".format(*colour))
            for label, (name, colour) in enumerate(zip(classes.names, classes.colours, strict=True))
        ],
        formats=list(FORMATS),
        suffixes={name: form.suffix for name, form in FORMATS.items()},
        scores=manifest.scores,
        parity=manifest.parity,
        trained_from=manifest.origin.reads,
        device=gateway.witness.device(manifest.name),
        default=manifest.name == gateway.settings.default_model,
        problems=gateway.models.problems(manifest.name),
    )
