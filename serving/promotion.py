"""What is done to versions over the network: as on files, but every worker has a version ready before."""

import asyncio
import functools
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

from contract import promotion
from contract.errors import (
    Box2SegError,
    EngineUnavailable,
    InvalidParameter,
    ManifestError,
    PromotionRefused,
    RegistryBusy,
    RegistryError,
    UnknownModel,
    WriteError,
)
from contract.history import Action, Event, read_history
from contract.permission import check_canary, check_promotion, check_rollback
from contract.registry import Changes, changing
from serving.models import Models
from serving.shelf import without_folders


async def promote(models: Models, name: str, version: int, *, who: str, why: str, force: bool) -> Event:
    """
    Let a version answer once all workers have it ready; see `contract.promotion.promote`.

    Raises:
        PromotionRefused: If it may not, or cannot be loaded; says each reason.
        RegistryBusy: If somebody else changes the versions now.
        UnknownModel: If there is no such version.
        InvalidParameter: If it is forced without a reason.
    """
    model = models.folder(name)
    async with _told(model):
        before = _decided(model)
        forced = await asyncio.to_thread(check_promotion, model, version, why=why, force=force)
        async with models.prepared(name, version):
            with _unchanged(model, version, before) as changes:
                return changes.record(Action.PROMOTE, version, who=who, why=why, forced=forced)


async def start_canary(
    models: Models,
    name: str,
    version: int,
    *,
    share: float,
    shadow: float,
    who: str,
    why: str,
    force: bool,
) -> Event:
    """
    Let a version answer a share of the requests once all workers have it ready.

    Raises:
        Box2SegError: As `promote`.
    """
    model = models.folder(name)
    async with _told(model):
        before = _decided(model)
        check = functools.partial(check_canary, share=share, shadow=shadow, why=why, force=force)
        forced = await asyncio.to_thread(check, model, version)
        async with models.prepared(name, version):
            with _unchanged(model, version, before) as changes:
                return changes.record(
                    Action.CANARY, version, who=who, why=why, forced=forced, share=share, shadow=shadow
                )


async def rollback(models: Models, name: str, *, who: str, why: str) -> Event:
    """
    Let the version before answer again.

    Raises:
        Box2SegError: As `promote`.
    """
    model = models.folder(name)
    async with _told(model):
        before = _decided(model)
        version = await asyncio.to_thread(check_rollback, model)
        async with models.prepared(name, version):
            with _unchanged(model, version, before) as changes:
                return changes.record(Action.ROLLBACK, version, who=who, why=why)


async def withdraw(models: Models, name: str, *, who: str, why: str) -> Event:
    """
    End the canary; its version is a candidate again.

    Raises:
        Box2SegError: As `promote`.
    """
    model = models.folder(name)
    async with _told(model):
        return promotion.withdraw(model, who=who, why=why)


async def reject(models: Models, name: str, version: int, *, who: str, why: str) -> Event:
    """
    Set a version aside.

    Raises:
        Box2SegError: As `promote`.
    """
    model = models.folder(name)
    async with _told(model):
        return promotion.reject(model, version, who=who, why=why)


def _decided(model: Path) -> list[Event]:
    """Give all that was decided; more may be published meanwhile."""
    return [event for event in read_history(model) if event.action is not Action.PUBLISH]


@contextmanager
def _unchanged(model: Path, version: int, before: list[Event]) -> Iterator[Changes]:
    """
    Have a model's registry to oneself while inside, where all is as it was before.

    It is taken only now, as loading a version may take a minute, and nobody's rollback waits for that.

    Raises:
        RegistryBusy: If somebody else changed the versions meanwhile, or does now.
    """
    with changing(model) as changes:
        if _decided(model) != before:
            raise RegistryBusy(
                f"{model.name}: somebody else changed its versions while version {version} was loaded",
                hint="look where they stand now, and ask again",
            )
        yield changes


@asynccontextmanager
async def _told(model: Path) -> AsyncIterator[None]:
    """Name no folder of this machine in what is refused; what keeps a version back is a refusal too."""
    try:
        yield
    except (EngineUnavailable, ManifestError, WriteError) as error:
        raise _retold(error, PromotionRefused, model.parent) from error
    except (RegistryError, UnknownModel, InvalidParameter) as error:
        raise _retold(error, type(error), model.parent) from error


def _retold(error: Box2SegError, kind: type[Box2SegError], repository: Path) -> Box2SegError:
    hint = without_folders(error.hint, repository) if error.hint else None
    return kind(without_folders(error.message, repository), hint=hint)
