"""What a new version is: live where nothing is, a candidate elsewhere, and never half of either."""

import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.collection import collect
from contract.errors import ManifestError, PublishError
from contract.history import read_history
from contract.manifest import published_versions, read_manifest
from contract.promotion import promote, reject
from contract.registry import State, changing, read_standing
from export.publish import publish
from tests.export.drafts import make_run

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Give a run's folder with an export."""
    return make_run(tmp_path / "run")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a repository that does not exist yet."""
    return tmp_path / "repository"


def test_a_new_version_waits(run: Path, root: Path) -> None:
    """The first version answers, as nothing else does; the next are candidates, whatever their numbers."""
    publish(run, name="pets", root=root)
    publish(run, name="pets", root=root, who="ann@laptop", why="more cats")
    publish(run, name="pets", root=root, version=9)
    standing = read_standing(root / "pets")
    assert standing.states == {1: State.LIVE, 2: State.CANDIDATE, 9: State.CANDIDATE}
    event = read_history(root / "pets")[1]
    assert (event.action, event.version, event.who, event.why) == ("publish", 2, "ann@laptop", "more cats")


def test_a_repository_from_before(run: Path, root: Path) -> None:
    """Where versions came without a history, the newest goes on answering, and that is written down."""
    for _ in range(2):
        publish(run, name="pets", root=root)
    shutil.rmtree(root / "registry")
    publish(run, name="pets", root=root)
    states = {1: State.PREVIOUS, 2: State.LIVE, 3: State.CANDIDATE}
    assert read_standing(root / "pets").states == states


def test_a_number_is_used_once(run: Path, root: Path) -> None:
    """The number of a collected version is nobody's again: the history tells of one version by it."""
    for _ in range(2):
        publish(run, name="pets", root=root)
    reject(root / "pets", 2, who="ann", why="no better")
    collect(root / "pets", 2, who="ann")
    with pytest.raises(PublishError, match="exists, or did"):
        publish(run, name="pets", root=root, version=2)
    assert publish(run, name="pets", root=root).name == "3"


def test_a_version_from_elsewhere(run: Path, root: Path) -> None:
    """A version's folder of another repository is verified and gets a name and number of this one."""
    foreign = publish(run, name="cats", root=root / "there", version=40)
    folder = publish(foreign, name="pets", root=root)
    manifest = read_manifest(folder)
    assert (manifest.name, manifest.version) == ("pets", 1)
    assert manifest.files == read_manifest(foreign).files
    (foreign / "model.onnx").write_bytes(b"half copied")
    with pytest.raises(ManifestError, match="sha256"):
        publish(foreign, name="pets", root=root)
    assert published_versions(root / "pets") == [1]


def test_somebody_else_changes_the_versions(run: Path, root: Path) -> None:
    """Publishing waits until the other has done, and is done then."""
    publish(run, name="pets", root=root)
    with ThreadPoolExecutor(1) as pool:
        with changing(root / "pets"):
            waiting = pool.submit(publish, run, name="pets", root=root)
            while not list((root / "pets").glob(".publishing-*/model.onnx")):
                time.sleep(0.01)
            assert published_versions(root / "pets") == [1]
        assert waiting.result().name == "2"


@pytest.mark.case("E3")
@pytest.mark.parametrize("history", [True, False], ids=["history", "no history"])
def test_killed_between_the_version_and_its_event(
    run: Path, root: Path, history: bool, record_property: Callable[[str, object], None]
) -> None:
    """A version whose publisher died before it could say so is a candidate, and promoted as any other."""
    publish(run, name="pets", root=root)
    if not history:
        shutil.rmtree(root / "registry")
    dying = (
        "import os, signal, sys; from pathlib import Path; from contract.registry import Changes\n"
        "from export.publish import publish\n"
        "Changes.record = lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL)\n"
        "publish(Path(sys.argv[1]), name='pets', root=Path(sys.argv[2]))"
    )
    died = subprocess.run([sys.executable, "-c", dying, run, root], cwd=CHECKOUT, check=False)
    assert died.returncode == -signal.SIGKILL
    assert read_standing(root / "pets").states == {1: State.LIVE, 2: State.CANDIDATE}
    promote(root / "pets", 2, who="ann", why="it is fine", force=True)
    assert read_standing(root / "pets").live == 2
    record_property("seen", "publisher killed before its event: a candidate")
