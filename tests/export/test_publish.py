import dataclasses
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.classes import ClassMap
from contract.collection import collect
from contract.errors import Box2SegError, ManifestError, ParityError, PublishError
from contract.geometry import FitRule
from contract.history import read_history
from contract.manifest import (
    Manifest,
    Origin,
    Tensor,
    file_sha256,
    published_versions,
    read_manifest,
    verify_files,
    write_manifest,
)
from contract.promotion import promote, reject
from contract.registry import State, changing, read_standing
from export.publish import find_export, publish

CHECKOUT = Path(__file__).parents[2]
MODEL_BYTES = 1_000_000


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Give a run's folder with a checkpoint and its export; publishing never looks into the model."""
    folder = tmp_path / "run"
    (folder / "export").mkdir(parents=True)
    (folder / "checkpoint.pt").write_bytes(b"weights")
    (folder / "export" / "model.onnx").write_bytes(os.urandom(MODEL_BYTES))
    write_manifest(draft_of(folder / "export"), folder / "export")
    return folder


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a repository that does not exist yet."""
    return tmp_path / "repository"


def draft_of(folder: Path) -> Manifest:
    """Give a draft that fits the folder's model."""
    return Manifest(
        name="draft",
        version=0,
        classes=ClassMap(("background", "cat")),
        fit=FitRule(96),
        inputs=(Tensor("image", "uint8", (-1, -1, -1, 3)),),
        outputs=(Tensor("labels", "uint8", (-1, -1, -1)),),
        files={"model.onnx": file_sha256(folder / "model.onnx")},
        parity={"onnxruntime label agreement": 0.9999},
        scores={"val mIoU2": 0.8},
        origin=Origin("tiny", "drawn", "boxes", 1, "0123abc", "a test", 0.1),
        created="",
    )


def change_draft(run: Path, **fields: object) -> None:
    """Write the export's draft anew with these fields."""
    write_manifest(dataclasses.replace(draft_of(run / "export"), **fields), run / "export")


def test_versions_count_up(run: Path, root: Path) -> None:
    """The first version is 1, each later one the next, and each knows its name and number."""
    folders = [publish(run, name="pets", root=root) for _ in range(3)]
    assert folders == [root / "pets" / str(version) for version in (1, 2, 3)]
    manifests = [read_manifest(folder) for folder in folders]
    assert [(m.name, m.version) for m in manifests] == [("pets", 1), ("pets", 2), ("pets", 3)]
    assert all(m.created for m in manifests)


def test_a_version_is_whole_and_alone(run: Path, root: Path) -> None:
    """The version holds the proved model and its manifest; nothing hidden is left beside it."""
    folder = publish(run, name="pets", root=root)
    verify_files(read_manifest(folder), folder)
    assert sorted(path.name for path in folder.iterdir()) == ["manifest.json", "model.onnx"]
    assert sorted(path.name for path in (root / "pets").iterdir()) == ["1", "config.pbtxt", "registry"]


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
    shutil.rmtree(root / "pets" / "registry")
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
        shutil.rmtree(root / "pets" / "registry")
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


def test_a_version_can_be_read_by_others(run: Path, root: Path) -> None:
    """The folder has the user's ordinary permissions: a server may run as somebody else."""
    ordinary = root.parent / "ordinary"
    ordinary.mkdir()
    assert publish(run, name="pets", root=root).stat().st_mode == ordinary.stat().st_mode


def test_a_new_model_gets_a_configuration_in_its_name(run: Path, root: Path) -> None:
    """Triton finds a config.pbtxt that names the model and its tensors."""
    publish(run, name="pets", root=root)
    config = (root / "pets" / "config.pbtxt").read_text()
    assert 'name: "pets"' in config
    assert 'name: "box2seg"' not in config
    assert all(f'name: "{tensor}"' in config for tensor in ("image", "labels", "confidence"))


def test_a_configuration_that_is_there_stays(run: Path, root: Path) -> None:
    """What somebody wrote into a model's configuration is not touched."""
    (root / "pets").mkdir(parents=True)
    (root / "pets" / "config.pbtxt").write_text("# mine\n")
    publish(run, name="pets", root=root)
    assert (root / "pets" / "config.pbtxt").read_text() == "# mine\n"


def test_a_published_version_never_changes(run: Path, root: Path) -> None:
    """A version that exists is refused, and stays as it was."""
    folder = publish(run, name="pets", root=root, version=7)
    before = file_sha256(folder / "manifest.json")
    with pytest.raises(PublishError, match="never changes"):
        publish(run, name="pets", root=root, version=7)
    assert file_sha256(folder / "manifest.json") == before
    assert publish(run, name="pets", root=root).name == "8"


def test_numbers_taken_by_anything_are_passed_over(run: Path, root: Path) -> None:
    """A folder without a manifest is somebody's too."""
    (root / "pets" / "4").mkdir(parents=True)
    assert publish(run, name="pets", root=root).name == "5"


@pytest.mark.parametrize("name", ["", "../pets", "a/b", ".hidden", "two words"])
def test_names_that_leave_the_repository(run: Path, root: Path, name: str) -> None:
    """A name that is no plain folder name is refused."""
    with pytest.raises(PublishError, match="model name"):
        publish(run, name=name, root=root)
    assert not root.exists()


def test_version_zero(run: Path, root: Path) -> None:
    """Versions begin at 1."""
    with pytest.raises(PublishError, match="expected 1 or more"):
        publish(run, name="pets", root=root, version=0)


@pytest.mark.parametrize("parity", [{}, {"onnxruntime label agreement": 0.99}], ids=["missing", "low"])
def test_nothing_unproved_is_published(run: Path, root: Path, parity: dict[str, float]) -> None:
    """Without parity, or with too little of it, the repository is not touched."""
    change_draft(run, parity=parity)
    with pytest.raises(ParityError):
        publish(run, name="pets", root=root)
    assert not root.exists()


def test_a_file_that_is_not_the_proved_one(run: Path, root: Path) -> None:
    """A model changed since its export is refused."""
    with (run / "export" / "model.onnx").open("ab") as stream:
        stream.write(b"!")
    with pytest.raises(ManifestError, match="sha256"):
        publish(run, name="pets", root=root)
    assert not root.exists()


def test_files_beside_the_model(run: Path, root: Path) -> None:
    """A draft that lists other files than the model is refused."""
    shutil.copy(run / "checkpoint.pt", run / "export")
    digest = file_sha256(run / "checkpoint.pt")
    change_draft(run, files={"checkpoint.pt": digest})
    with pytest.raises(PublishError, match=r"expected model"):
        publish(run, name="pets", root=root)


def test_a_run_without_an_export(tmp_path: Path, root: Path) -> None:
    """A run that was never exported is refused with the command that exports it."""
    with pytest.raises(PublishError, match="box2seg export"):
        publish(tmp_path, name="pets", root=root)


def test_a_run_that_went_on_after_its_export(run: Path) -> None:
    """An export older than its checkpoint is refused, unless it is named itself."""
    os.utime(run / "checkpoint.pt", (4e9, 4e9))
    with pytest.raises(PublishError, match="newer than its export"):
        find_export(run)
    assert find_export(run / "export") == run / "export"


def test_two_at_once_never_clash(run: Path, root: Path) -> None:
    """Eight publishes at the same moment give eight whole versions."""
    with ThreadPoolExecutor(8) as pool:
        folders = list(pool.map(lambda _: publish(run, name="pets", root=root), range(8)))
    assert {folder.name for folder in folders} == {str(version) for version in range(1, 9)}
    for folder in folders:
        manifest = read_manifest(folder)
        assert manifest.version == int(folder.name)
        verify_files(manifest, folder)


def test_one_version_wanted_by_two(run: Path, root: Path) -> None:
    """Of four who want the same version at the same moment one gets it, the others are refused."""

    def attempt(_: int) -> bool:
        try:
            publish(run, name="pets", root=root, version=3)
        except Box2SegError:
            return False
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(attempt, range(4))) == [False, False, False, True]


@pytest.mark.parametrize("versions_before_kill", [1, 3])
def test_killed_while_publishing(run: Path, root: Path, versions_before_kill: int) -> None:
    """After kill -9 every version folder that is there is whole."""
    endless = (
        "import sys; from pathlib import Path; from export.publish import publish\n"
        "while True: publish(Path(sys.argv[1]), name='pets', root=Path(sys.argv[2])); print(flush=True)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", endless, run, root], cwd=CHECKOUT, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        for _ in range(versions_before_kill):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
    folders = [path for path in (root / "pets").iterdir() if path.name.isdecimal()]
    assert len(published_versions(root / "pets")) == len(folders) >= versions_before_kill
    for folder in folders:
        verify_files(read_manifest(folder), folder)


def test_publishing_needs_no_torch() -> None:
    """Publishing starts at once, also where only serving is installed."""
    code = "import sys, export.publish; sys.exit('torch' in sys.modules or 'onnx' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=CHECKOUT, check=True)
