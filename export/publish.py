"""
From an exported folder to a version in the model repository: there whole, or not there at all.

A new version waits as a candidate and answers nobody, unless the model has none that does.
"""

import dataclasses
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from contract.collection import WORKSHOP
from contract.errors import PublishError
from contract.files import written_whole
from contract.history import REGISTRY, Action, read_history
from contract.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    Manifest,
    read_manifest,
    verify_files,
    write_manifest,
)
from contract.registry import changing
from export.agreement import ANY_LOSS, check_agreement
from export.configuration import CONFIG_FILE, configured

CONFIG_TEMPLATE = Path(__file__).parents[1] / "model_repository" / "box2seg" / CONFIG_FILE
"""The shipped model's configuration; nothing in it but the name is about one model."""

EXPORT_FOLDER = "export"
"""Where in a run's folder its export lies."""

MODEL_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*")

PATIENCE_S = 60.0
"""How long another's change of the model's versions is waited for [s]; each takes far less."""


def publish(
    exported: Path, *, name: str, root: Path, version: int | None = None, who: str = "box2seg", why: str = ""
) -> Path:
    """
    Put an exported model into the repository as a new version: a candidate, or live where nothing is.

    Args:
        exported: An exported folder, a run's folder with one in it, or a version's folder from elsewhere.
        name: The model's name; its folder in the repository.
        root: The model repository.
        version: The version wanted; the next free one where None.
        who: Stands in the history.
        why: Stands in the history.

    Returns:
        The version's folder. Its files are on the disk when this returns.

    Raises:
        PublishError: If there is no export, the name or version cannot be used, or the version exists.
        ManifestError: If the exported files are not those that were proved.
        ParityError: If parity was not measured or is too low.
        RegistryError: If the model's history cannot be read, or somebody else has it for a minute.
    """
    source = find_export(exported)
    draft = _proved(source)
    model = root / _checked_name(name)
    _check_version(model, version)
    model.mkdir(parents=True, exist_ok=True)
    _ensure_config(model, draft.precision)
    with _workshop(model) as workshop:
        _copy(source / MODEL_FILE, workshop / MODEL_FILE)
        verify_files(draft, workshop)
        with changing(model, wait_s=PATIENCE_S) as changes:
            # Whoever is killed between the two next lines leaves a version that the history does not know: a
            # candidate. Without a history it would be taken for the newest, which answers.
            changes.adopt()
            folder = _move_in(dataclasses.replace(draft, name=name), workshop, model, version)
            changes.record(Action.PUBLISH, int(folder.name), who=who, why=why)
    return folder


def find_export(path: Path) -> Path:
    """
    Give the exported folder that a path means.

    Args:
        path: An exported folder, or a run's folder.

    Raises:
        PublishError: If there is none, or the run went on after it.
    """
    if (path / MANIFEST_FILE).is_file():
        return path
    exported = path / EXPORT_FOLDER
    if not (exported / MANIFEST_FILE).is_file():
        raise PublishError(f"{path}: nothing exported here", hint=f"export it first: box2seg export {path}")
    written = (exported / MANIFEST_FILE).stat().st_mtime
    if any(checkpoint.stat().st_mtime > written for checkpoint in path.glob("*.pt")):
        raise PublishError(
            f"{path}: its checkpoint is newer than its export",
            hint=f"export it again: box2seg export {path}; or publish {exported} as it is",
        )
    return exported


def next_version(model: Path) -> int:
    """Give the version after all that there were, collected ones too, and after any folder with a number."""
    folders = [int(path.name) for path in model.iterdir() if path.name.isdecimal()]
    return max([*folders, *_known(model)], default=0) + 1


def _known(model: Path) -> set[int]:
    """Give the versions that the history tells of; a number that was somebody's means nothing else later."""
    return {event.version for event in read_history(model)}


def _proved(source: Path) -> Manifest:
    draft = read_manifest(source)
    if set(draft.files) != {MODEL_FILE}:
        raise PublishError(f"{source}: expected {MODEL_FILE} alone, got {sorted(draft.files)}")
    verify_files(draft, source)
    # How much fewer bits may lose was decided at the export; here it counts that it was measured.
    check_agreement(draft.parity, draft.precision, margin=ANY_LOSS)
    return draft


def _checked_name(name: str) -> str:
    if not MODEL_NAME.fullmatch(name):
        raise PublishError(f"model name {name!r}: expected letters, digits, '-' and '_' only")
    if name == REGISTRY:
        raise PublishError(
            f"model name {name!r}: the repository has its records there", hint="choose another"
        )
    return name


def _check_version(model: Path, version: int | None) -> None:
    if version is None:
        return
    if version < 1:
        raise PublishError(f"version {version}: expected 1 or more")
    if (model / str(version)).exists() or version in _known(model):
        raise _taken(model, version)


def _taken(model: Path, version: int) -> PublishError:
    return PublishError(
        f"{model / str(version)} exists, or did; a published version never changes",
        hint="leave the version out to get the next one",
    )


def _ensure_config(model: Path, precision: str) -> None:
    """Give a new model the shipped model's configuration under its own name, for its precision."""
    path = model / CONFIG_FILE
    if path.exists():
        return
    if not CONFIG_TEMPLATE.is_file():
        raise PublishError(
            f"{path}: missing, and so is the template {CONFIG_TEMPLATE}", hint="restore it from git"
        )
    text = CONFIG_TEMPLATE.read_text(encoding="utf-8")
    with written_whole(path, shared=True) as stream:
        stream.write(configured(text, name=model.name, precision=precision).encode())


@contextmanager
def _workshop(model: Path) -> Iterator[Path]:
    """Lend a hidden folder beside the versions; servers pass over it, and a rename from it is atomic."""
    # Not tempfile's: its folders are closed to other users, such as the one a server runs as.
    path = model / f"{WORKSHOP}{uuid4().hex}"
    path.mkdir()
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


def _move_in(draft: Manifest, workshop: Path, model: Path, wanted: int | None) -> Path:
    """Finish the version in its workshop and rename it to its number; a number lost to another, the next."""
    while True:
        version = wanted or next_version(model)
        created = datetime.now(UTC).isoformat(timespec="seconds")
        manifest = dataclasses.replace(draft, version=version, created=created)
        write_manifest(manifest, workshop)
        _sync(workshop)
        folder = model / str(version)
        if _renamed(workshop, folder):
            _sync(model)
            return folder
        if wanted:
            raise _taken(model, wanted)


def _renamed(workshop: Path, folder: Path) -> bool:
    """Rename unless the folder is there; published folders are never empty, so none is replaced."""
    try:
        workshop.rename(folder)
    except OSError:
        if folder.exists():
            return False
        raise
    return True


def _copy(source: Path, target: Path) -> None:
    shutil.copyfile(source, target)
    _sync(target)


def _sync(path: Path) -> None:
    """Wait until a file or folder is on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
