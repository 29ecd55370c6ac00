"""GET /v1/models/{name}/versions: where a model's versions stand, why, and what was done to them."""

from dataclasses import asdict, dataclass
from pathlib import Path

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from contract.errors import Box2SegError
from contract.history import Event, read_history
from contract.manifest import read_manifest
from contract.permission import objections
from contract.registry import Standing, read_standing
from serving.gateway import Gateway
from serving.models import HISTORY
from serving.routes.answers import refusals
from serving.routes.wiring import TheGateway
from serving.shelf import without_folders

router = APIRouter(prefix="/v1/models", tags=["versions"])


@dataclass(frozen=True, slots=True)
class VersionCard:
    """
    One version.

    `answers` says whether requests go to it; `objections`, what the gate has against it now; `problem`, why
    it cannot be loaded.
    """

    version: int
    state: str
    answers: bool
    loaded: bool
    created: str | None
    scores: dict[str, float]
    objections: list[str]
    problem: str | None


@dataclass(frozen=True, slots=True)
class EventCard:
    """One thing that was done to a version."""

    time: str
    action: str
    version: int
    who: str
    why: str
    forced: bool
    share: float
    shadow: float


@dataclass(frozen=True, slots=True)
class VersionList:
    """
    A model's versions, newest first, and its history, oldest first.

    `share` is the part of requests that the canary answers; `shadow`, the part of the others that it computes
    to be compared; `problem`, why the history cannot be read: what it said before holds then.
    """

    name: str
    live: int | None
    canary: int | None
    previous: int | None
    share: float
    shadow: float
    problem: str | None
    versions: list[VersionCard]
    history: list[EventCard]


@router.get("/{name}/versions", responses=refusals(404, 503))
async def list_versions(name: str, gateway: TheGateway) -> VersionList:
    """List a model's versions with their states, what the gate has against them, and their history."""
    # Here: which version answers is for the event loop alone to decide.
    answering, known = gateway.models.find(name).version, gateway.models.standing(name)
    return await run_in_threadpool(version_list, name, gateway, answering, known)


def version_list(name: str, gateway: Gateway, answering: int, known: Standing) -> VersionList:
    """Give what those who run the server may know of a model's versions; what was known may be old."""
    model = gateway.models.folder(name)
    loaded, problems = gateway.models.loaded(name), gateway.models.problems(name)
    is_known = HISTORY in problems  # and nothing newer can be read
    standing = known if is_known else read_standing(model)
    versions = sorted(standing.states, reverse=True)
    return VersionList(
        name=name,
        live=standing.live,
        canary=standing.canary,
        previous=standing.previous,
        share=standing.share,
        shadow=standing.shadow,
        problem=problems.get(HISTORY),
        versions=[
            _version_card(
                model,
                version,
                standing,
                answers=version == answering,
                loaded=version in loaded,
                problem=problems.get(str(version)),
            )
            for version in versions
        ],
        history=[] if HISTORY in problems else [event_card(event) for event in read_history(model)],
    )


def event_card(event: Event) -> EventCard:
    """Give an event as it is told."""
    return EventCard(**asdict(event))


def _version_card(
    model: Path, version: int, standing: Standing, *, answers: bool, loaded: bool, problem: str | None
) -> VersionCard:
    created, scores, found = None, {}, []
    try:
        manifest = read_manifest(model / str(version))
        created, scores = manifest.created, manifest.scores
        found = [] if version == standing.live else objections(model, version, standing)
    except Box2SegError as error:
        problem = problem or without_folders(error.message, model.parent)
    return VersionCard(version, standing.states[version], answers, loaded, created, scores, found, problem)
