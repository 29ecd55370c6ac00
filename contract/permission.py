"""Whether something may be done to a version as things stand; true while nobody changes the history."""

from pathlib import Path

from contract.errors import InvalidParameter, PromotionRefused, UnknownModel
from contract.manifest import manifest_sha256, published_versions, read_manifest, verify_files
from contract.registry import Standing, State, read_standing
from contract.verdict import read_verdict, report_folder


def check_promotion(model: Path, version: int, *, why: str, force: bool) -> bool:
    """
    Make sure that a version may answer; tells whether that passes over the gate.

    Raises:
        Box2SegError: As `contract.promotion.promote`.
    """
    standing = read_standing(model)
    if state_of(model, version, standing) is State.LIVE:
        raise PromotionRefused(f"{model.name} version {version} answers already")
    return _check_gate(model, version, standing, why=why, force=force)


def check_canary(model: Path, version: int, *, share: float, shadow: float, why: str, force: bool) -> bool:
    """
    Make sure that a version may be the canary; tells whether that passes over the gate.

    Raises:
        Box2SegError: As `contract.promotion.start_canary`.
    """
    for name, value in (("share", share), ("shadow", shadow)):
        if not 0 <= value <= 1:
            raise InvalidParameter(f"{name} {value:g}: expected a part of all requests, from 0 to 1")
    if not share and not shadow:
        raise InvalidParameter("share and shadow are 0: a canary would see no request")
    standing = read_standing(model)
    state = state_of(model, version, standing)
    if state not in (State.CANDIDATE, State.CANARY):
        raise PromotionRefused(
            f"{model.name} version {version} is {state}; only a candidate can be the canary",
            hint="publish it again as another version" if state is State.REJECTED else None,
        )
    if standing.live is None:
        raise PromotionRefused(f"{model.name} has no live version beside which {version} could run")
    if share:
        return _check_gate(model, version, standing, why=why, force=force)
    verify_files(read_manifest(model / str(version)), model / str(version))
    return False


def check_rollback(model: Path) -> int:
    """
    Give the version that a rollback goes back to.

    Raises:
        Box2SegError: As `contract.promotion.rollback`.
    """
    standing = read_standing(model)
    if standing.previous is None:
        raise PromotionRefused(
            f"{model.name} has no previous version to roll back to",
            hint="promote another version; `box2seg models list` shows them",
        )
    state_of(model, standing.previous, standing)
    folder = model / str(standing.previous)
    verify_files(read_manifest(folder), folder)
    return standing.previous


def check_model(model: Path) -> None:
    """
    Make sure that a model is there.

    Raises:
        UnknownModel: If not; names those there are.
    """
    if published_versions(model):
        return
    folders = sorted(model.parent.iterdir()) if model.parent.is_dir() else []
    there = [folder.name for folder in folders if published_versions(folder)]
    raise UnknownModel(
        f"{model.parent}: no published model {model.name!r}", hint=f"there are: {', '.join(there) or 'none'}"
    )


def state_of(model: Path, version: int, standing: Standing) -> State:
    """
    Give a version's state.

    Raises:
        UnknownModel: If it is not there; names those there are.
    """
    there = published_versions(model)
    if version not in there:
        raise UnknownModel(
            f"{model.name} has no version {version}", hint=f"there are: {', '.join(map(str, there))}"
        )
    return standing.states[version]


def objections(model: Path, version: int, standing: Standing) -> list[str]:
    """
    Say what the gate has against a version now, a line each; none where no version is live.

    Raises:
        RegistryError: If the verdict cannot be read.
        ManifestError: If the manifest cannot be read.
    """
    if standing.live is None:
        return []
    found = ["it was rejected"] if standing.states.get(version) is State.REJECTED else []
    verdict = read_verdict(report_folder(model, version))
    if verdict is None:
        return [*found, "the gate has not looked at it"]
    found += verdict.reasons()
    if not verdict.checks:
        found.append("the gate checked nothing")
    if verdict.version != version:
        found.append(f"the gate's verdict is of version {verdict.version}")
    if verdict.against != standing.live:
        before = "nothing" if verdict.against is None else f"version {verdict.against}"
        found.append(f"the gate compared it with {before}, and version {standing.live} is live now")
    published = read_manifest(model / str(version))
    if (verdict.files, verdict.manifest_sha256) != (published.files, manifest_sha256(published)):
        found.append("the gate looked at other files than are published, or at another manifest")
    return found


def check_reason(why: str, what: str) -> None:
    """
    Make sure that somebody said why.

    Raises:
        InvalidParameter: If not.
    """
    if not why.strip():
        raise InvalidParameter(f"{what} needs a reason", hint="say why: it stands in the history")


def _check_gate(model: Path, version: int, standing: Standing, *, why: str, force: bool) -> bool:
    if force:
        check_reason(why, "passing over the gate")
    verify_files(read_manifest(model / str(version)), model / str(version))
    found = objections(model, version, standing)
    if found and not force:
        raise PromotionRefused(
            f"{model.name} version {version} may not answer: {'; '.join(found)}",
            hint=f"`box2seg gate {version} --golden FOLDER` looks at it; its report is in "
            f"{report_folder(model, version)}",
        )
    return bool(found)
