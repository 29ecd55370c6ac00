"""
What can be done to a version: a new one answers only once the gate let it through.

Each function has the registry to itself while it looks and writes; a second at the same time is refused. A
server must load the version between the look and the writing, see `serving.promotion`.
"""

from pathlib import Path

from contract.errors import PromotionRefused
from contract.history import Action, Event
from contract.permission import (
    check_canary,
    check_model,
    check_promotion,
    check_reason,
    check_rollback,
    state_of,
)
from contract.registry import State, changing, read_standing


def promote(model: Path, version: int, *, who: str, why: str = "", force: bool = False) -> Event:
    """
    Let a version answer; the one that answered so far is kept for a rollback.

    Args:
        model: The model's folder in the repository.
        version: Its gate passed against the version that answers now, unless forced.
        who: Stands in the history.
        why: Stands in the history.
        force: Pass over the gate; needs a reason.

    Raises:
        UnknownModel: If there is no such model or version.
        InvalidParameter: If it is forced without a reason.
        PromotionRefused: If it answers already, or may not; says each reason.
        ManifestError: If its files are not those that were published.
        RegistryBusy: If somebody else changes the versions now.
        RegistryError: If the history or the gate's verdict cannot be read.
        WriteError: If the history cannot be written.
    """
    check_model(model)
    with changing(model) as changes:
        forced = check_promotion(model, version, why=why, force=force)
        return changes.record(Action.PROMOTE, version, who=who, why=why, forced=forced)


def start_canary(
    model: Path,
    version: int,
    *,
    who: str,
    why: str = "",
    share: float = 0.1,
    shadow: float = 0.0,
    force: bool = False,
) -> Event:
    """
    Let a version answer a share of the requests, or compute others only to be compared; also changes both.

    Args:
        model: The model's folder in the repository.
        version: A candidate, or the canary; another canary is a candidate again.
        who: Stands in the history.
        why: Stands in the history.
        share: The part of requests that it answers, in [0, 1]; without the gate it answers none.
        shadow: The part of the other requests that it computes for comparison, in [0, 1].
        force: Pass over the gate; needs a reason.

    Raises:
        Box2SegError: As `promote`; InvalidParameter also for shares out of range.
    """
    check_model(model)
    with changing(model) as changes:
        forced = check_canary(model, version, share=share, shadow=shadow, why=why, force=force)
        return changes.record(
            Action.CANARY, version, who=who, why=why, forced=forced, share=share, shadow=shadow
        )


def withdraw(model: Path, *, who: str, why: str = "") -> Event:
    """
    End the canary; its version is a candidate again.

    Raises:
        PromotionRefused: If there is no canary.
        Box2SegError: As `promote`.
    """
    check_model(model)
    with changing(model) as changes:
        canary = read_standing(model).canary
        if canary is None:
            raise PromotionRefused(f"{model.name} has no canary")
        return changes.record(Action.WITHDRAW, canary, who=who, why=why)


def reject(model: Path, version: int, *, who: str, why: str) -> Event:
    """
    Set a version aside, also while it is the canary; it and its report stay.

    Raises:
        InvalidParameter: If there is no reason.
        PromotionRefused: If the version answers now, or is rejected already.
        Box2SegError: As `promote`.
    """
    check_model(model)
    with changing(model) as changes:
        state = state_of(model, version, read_standing(model))
        check_reason(why, "rejecting a version")
        if state is State.LIVE:
            raise PromotionRefused(
                f"{model.name} version {version} answers now", hint="roll back, or promote another version"
            )
        if state is State.REJECTED:
            raise PromotionRefused(f"{model.name} version {version} is rejected already")
        return changes.record(Action.REJECT, version, who=who, why=why)


def rollback(model: Path, *, who: str, why: str = "") -> Event:
    """
    Let the version before answer again; the one that answered is rejected.

    Raises:
        PromotionRefused: If there is no version to go back to.
        ManifestError: If its files are not those that were published.
        Box2SegError: As `promote`.
    """
    check_model(model)
    with changing(model) as changes:
        version = check_rollback(model)
        return changes.record(Action.ROLLBACK, version, who=who, why=why)
