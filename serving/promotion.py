"""What is done to versions over the network: as on files, but every worker has a version ready before."""

import asyncio
import functools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from contract import promotion
from contract.errors import (
    Box2SegError,
    EngineUnavailable,
    InvalidParameter,
    ManifestError,
    PromotionRefused,
    RegistryError,
    UnknownModel,
    WriteError,
)
from contract.history import Action, Event
from contract.permission import check_canary, check_promotion, check_rollback
from contract.registry import changing
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
        with changing(model) as changes:
            forced = await asyncio.to_thread(check_promotion, model, version, why=why, force=force)
            async with models.prepared(name, version):
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
        with changing(model) as changes:
            check = functools.partial(check_canary, share=share, shadow=shadow, why=why, force=force)
            forced = await asyncio.to_thread(check, model, version)
            async with models.prepared(name, version):
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
        with changing(model) as changes:
            version = await asyncio.to_thread(check_rollback, model)
            async with models.prepared(name, version):
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
