"""What nobody needs any more of a model: old versions, and what killed programs left behind."""

import shutil
import time
from pathlib import Path
from uuid import uuid4

from contract.errors import PromotionRefused
from contract.files import writing
from contract.history import Action, Event
from contract.permission import check_model, state_of
from contract.registry import State, changing, checkpoint_folder, read_standing

WORKSHOP = ".publishing-"
"""How folders begin in which a version is made; a rename from there publishes it."""

LEAVING = ".collecting-"
"""How folders begin that were versions."""

SPENT = (State.RETIRED, State.REJECTED)
"""What can be collected: nobody answers with it, and no rollback goes there."""

QUIET_S = 3600.0
"""A workshop in which nothing was written for so long has lost its publisher [s]."""


def collectable(model: Path, *, keep: int = 0) -> list[int]:
    """
    List the versions that can be collected, oldest first.

    Args:
        model: The model's folder in the repository.
        keep: So many of the newest of them stay.

    Raises:
        RegistryError: If the history cannot be read.
    """
    states = read_standing(model).states
    spent = [version for version, state in sorted(states.items()) if state in SPENT]
    return spent[: max(len(spent) - keep, 0)]


def collect(model: Path, version: int, *, who: str, why: str = "") -> Event:
    """
    Remove a retired or rejected version's files; its history and the gate's report stay.

    Raises:
        UnknownModel: If there is no such model or version.
        PromotionRefused: If the version is of use still.
        RegistryBusy: If somebody else changes the versions now.
        RegistryError: If the history cannot be read.
        WriteError: If the files cannot be removed.
    """
    check_model(model)
    with changing(model) as changes:
        standing = read_standing(model)
        # A version without files is one whose collector was killed, or that was removed by hand.
        state = standing.states.get(version) or state_of(model, version, standing)
        if state not in SPENT:
            raise PromotionRefused(
                f"{model.name} version {version} is {state}; only retired and rejected ones are collected",
                hint=f"reject it first: box2seg models reject {version}"
                if state is State.CANDIDATE
                else None,
            )
        # Gone at once for whoever looks; a program killed after the rename leaves no half version.
        folder, leaving = model / str(version), model / f"{LEAVING}{uuid4().hex}"
        changes.adopt()
        if folder.exists():
            with writing(folder):
                folder.rename(leaving)
        event = changes.record(Action.COLLECT, version, who=who, why=why)
        shutil.rmtree(checkpoint_folder(model, version), ignore_errors=True)
        if leaving.exists():
            sweep(leaving)
    return event


def leftovers(model: Path) -> list[Path]:
    """List the hidden folders that killed programs left in a model's folder."""
    hidden = [path for path in model.glob(".*") if path.is_dir()]
    return sorted(path for path in hidden if path.name.startswith(LEAVING) or _abandoned(path))


def sweep(left: Path) -> None:
    """
    Remove a folder that was left behind.

    Raises:
        WriteError: If it cannot be removed.
    """
    with writing(left):
        left.unlink() if left.is_symlink() else shutil.rmtree(left)


def _abandoned(path: Path) -> bool:
    """Whether a folder is a workshop in which nobody works any more."""
    if not path.name.startswith(WORKSHOP):
        return False
    try:
        written = max(each.stat().st_mtime for each in (path, *path.rglob("*")))
    except OSError:  # it is being published or removed at this moment
        return False
    return time.time() - written > QUIET_S
