import dataclasses
import os
import shutil
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from contract.errors import Box2SegError, ManifestError, ParityError, PublishError
from contract.manifest import file_sha256, published_versions, read_manifest, verify_files, write_manifest
from export.publish import find_export, publish
from tests.export.drafts import draft_of, make_run

CHECKOUT = Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Give a run's folder with an export."""
    return make_run(tmp_path / "run")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Give a repository that does not exist yet."""
    return tmp_path / "repository"


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
    assert sorted(path.name for path in (root / "pets").iterdir()) == ["1", "config.pbtxt"]


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


@pytest.mark.parametrize("name", ["", "../pets", "a/b", ".hidden", "two words", "registry"])
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
