"""GET /v1/models/{name}/versions/{version}/drift: whether photos and masks still are as the golden set's."""

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.concurrency import run_in_threadpool

from contract.errors import ManifestError, RegistryError, UnknownModel
from contract.manifest import published_versions, read_manifest
from contract.profile import Profile, drift
from serving.gateway import Gateway
from serving.routes.answers import refusals
from serving.routes.wiring import TheGateway
from serving.shelf import without_folders

router = APIRouter(prefix="/v1/models", tags=["versions"])


@dataclass(frozen=True, slots=True)
class DriftCard:
    """
    What was seen of a version since the server started, and on the golden set where the gate has looked.

    `classes` and `brightness` are population stability indices: below 0.1 all is as it was, above 0.25 much
    is not.
    """

    name: str
    version: int
    seen: Profile
    golden: Profile | None
    classes: float | None
    brightness: float | None


@router.get("/{name}/versions/{version}/drift", responses=refusals(404, 409, 422, 503))
async def get_drift(name: str, version: int, gateway: TheGateway) -> DriftCard:
    """Tell what a version's photos and masks look like, and how far that is from the golden set's."""
    gateway.models.find(name)
    return await run_in_threadpool(_drift, name, version, gateway)


def _drift(name: str, version: int, gateway: Gateway) -> DriftCard:
    model = gateway.models.folder(name)
    if version not in published_versions(model):
        raise UnknownModel(
            f"{name} has no version {version}", hint=f"GET /v1/models/{name}/versions lists them"
        )
    try:
        seen, golden = gateway.profiles(read_manifest(model / str(version)))
    except (ManifestError, RegistryError) as error:
        raise RegistryError(without_folders(error.message, model.parent), hint=error.hint) from error
    found = drift(seen, golden) if golden and seen.photos else None
    return DriftCard(
        name, version, seen, golden, found.classes if found else None, found.brightness if found else None
    )
