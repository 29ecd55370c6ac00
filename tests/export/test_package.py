"""What a version's folder may hold, and what classes may be called."""

import dataclasses
import io
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper
from rich.console import Console

from cli.served import open_served
from contract.classes import ClassMap
from contract.errors import ConfigurationError, ManifestError, PromotionRefused
from contract.history import Action
from contract.manifest import MANIFEST_FILE, MODEL_FILE, file_sha256, read_manifest, write_manifest
from contract.promotion import promote
from contract.registry import changing
from contract.verdict import REPORT_FILE
from export.gate.contender import Engine
from export.gate.decision import decide
from export.gate.limits import Limits, read_limits
from export.gate.package import package_problems
from export.gate.question import ask
from export.gate.signature import class_problems, parse_mapping, translation
from tests.serving.colours import colour_graph, publish_colours

Spoil = Callable[[Path], None]


class Bomb:
    """Writes a file where it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return os.mkdir, (str(self.path),)


def link_model(folder: Path) -> None:
    elsewhere = folder.parent / "elsewhere.onnx"
    (folder / MODEL_FILE).rename(elsewhere)
    (folder / MODEL_FILE).symlink_to(elsewhere)


def link_folder(folder: Path) -> None:
    elsewhere = folder.with_name("elsewhere")
    folder.rename(elsewhere)
    folder.symlink_to(elsewhere)


def add_file(name: str, content: bytes, *, named: bool) -> Spoil:
    def spoil(folder: Path) -> None:
        (folder / name).write_bytes(content)
        if named:
            name_files(folder, {name: file_sha256(folder / name)})

    return spoil


def pickled_model(folder: Path) -> None:
    (folder / MODEL_FILE).write_bytes(pickle.dumps(Bomb(folder / "went off")))
    name_files(folder, {MODEL_FILE: file_sha256(folder / MODEL_FILE)})


def path_escape(folder: Path) -> None:
    (folder.parent / "secret.onnx").write_bytes(b"not yours")
    name_files(folder, {"../secret.onnx": file_sha256(folder.parent / "secret.onnx")})


def custom_operator(folder: Path) -> None:
    model = colour_graph()
    model.opset_import.append(helper.make_opsetid("evil.ops", 1))
    model.graph.node.append(helper.make_node("Run", ["image"], ["never"], domain="evil.ops"))
    save(model, folder)


def hidden_operator(folder: Path) -> None:
    """Put a custom operator into the branch of an If."""
    model = colour_graph()
    model.opset_import.append(helper.make_opsetid("evil.ops", 1))
    branch = helper.make_graph(
        [helper.make_node("Run", [], ["inner"], domain="evil.ops")],
        "branch",
        [],
        [helper.make_tensor_value_info("inner", TensorProto.FLOAT, [])],
    )
    model.graph.initializer.append(helper.make_tensor("yes", TensorProto.BOOL, [], [True]))
    model.graph.node.append(
        helper.make_node("If", ["yes"], ["never"], then_branch=branch, else_branch=branch)
    )
    save(model, folder)


def weights_elsewhere(place: str) -> Spoil:
    def spoil(folder: Path) -> None:
        model = colour_graph()
        (tensor,) = (each for each in model.graph.initializer if each.name == "threshold")
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        entry = tensor.external_data.add()
        entry.key, entry.value = "location", place
        (folder / MODEL_FILE).write_bytes(model.SerializeToString())
        name_files(folder, {MODEL_FILE: file_sha256(folder / MODEL_FILE)})

    return spoil


def save(model: onnx.ModelProto, folder: Path) -> None:
    (folder / MODEL_FILE).write_bytes(model.SerializeToString())
    name_files(folder, {MODEL_FILE: file_sha256(folder / MODEL_FILE)})


def name_files(folder: Path, files: dict[str, str]) -> None:
    manifest = read_manifest(folder)
    write_manifest(dataclasses.replace(manifest, files={**manifest.files, **files}), folder)


UNSAFE = [
    pytest.param(link_model, "model.onnx is a symlink", id="a symlink to the model"),
    pytest.param(link_folder, "2 is a symlink", id="a symlink to the folder"),
    pytest.param(path_escape, "leaves the folder", id="a path that leaves the folder"),
    pytest.param(lambda folder: (folder / "sub").mkdir(), "sub is no file", id="a folder inside"),
    pytest.param(
        add_file("weights.pt", pickle.dumps([1]), named=False), "not named", id="a file that nobody named"
    ),
    pytest.param(
        add_file("weights.pt", pickle.dumps([1]), named=True), "expected .onnx or .json", id="a checkpoint"
    ),
    pytest.param(
        add_file("other.onnx", pickle.dumps([1]), named=True), "is a pickle", id="a pickle by another name"
    ),
    pytest.param(pickled_model, "model.onnx is a pickle", id="a pickle as the model"),
    pytest.param(
        add_file("other.json", b"\x7fELF\x02\x01\x01" + bytes(9), named=True),
        "is a shared library",
        id="a custom-op library by another name",
    ),
    pytest.param(
        add_file("model.zip", b"PK\x03\x04" + bytes(30), named=True), "expected .onnx", id="an archive"
    ),
    pytest.param(custom_operator, "custom operator evil.ops.Run", id="a custom operator"),
    pytest.param(hidden_operator, "custom operator evil.ops.Run", id="a custom operator inside an If"),
    pytest.param(weights_elsewhere("../../secret"), "'../../secret'", id="weights outside the folder"),
    pytest.param(weights_elsewhere("/etc/passwd"), "'/etc/passwd'", id="weights at an absolute path"),
]


@pytest.mark.case("E9")
@pytest.mark.parametrize(("spoil", "problem"), UNSAFE)
def test_an_unsafe_package_is_refused(
    tmp_path: Path, spoil: Spoil, problem: str, record_property: Callable[[str, object], None]
) -> None:
    """No engine opens it and nothing is run; it may not be promoted, and the report says why."""
    model = publish_colours(tmp_path, version=1).parent
    with changing(model) as changes:
        changes.record(Action.PROMOTE, 1, who="a test", why="")
    spoil(publish_colours(tmp_path, version=2))
    question, report = ask("2", model, against=None, report=None, golden=tmp_path / "not looked at")
    verdict = decide(question, never_opened, report, Console(file=io.StringIO()))
    (reason,) = verdict.reasons()
    assert reason.startswith("package: ")
    assert problem in reason
    assert not list(tmp_path.rglob("went off"))
    assert "Refused before it was run" in (report / REPORT_FILE).read_text()
    with pytest.raises((PromotionRefused, ManifestError)):
        promote(model, 2, who="a test")
    record_property("seen", f"{len(UNSAFE)} packages refused before any engine saw them")


def never_opened(path: Path) -> Engine:
    """Stand where an engine's opener stands, and never be asked."""
    raise AssertionError(f"{path} was opened")


@pytest.mark.case("E9")
def test_an_archive_is_not_unpacked(tmp_path: Path) -> None:
    """The gate takes folders; a file is refused whatever is in it."""
    archive = shutil.make_archive(str(tmp_path / "package"), "gztar", publish_colours(tmp_path))
    question, report = ask(archive, tmp_path / "box2seg", against=None, report=None, golden=tmp_path)
    with pytest.raises(ConfigurationError, match="archives are not unpacked"):
        decide(question, open_served, report, Console(file=io.StringIO()))


def test_a_half_copied_version_is_refused(tmp_path: Path) -> None:
    """Without its manifest, or with half of its model, a folder is no version."""
    model = publish_colours(tmp_path, version=1).parent
    folder = publish_colours(tmp_path, version=2)
    (folder / MODEL_FILE).write_bytes((folder / MODEL_FILE).read_bytes()[:100])
    for words in ("model.onnx is no", "manifest.json: missing"):
        question, report = ask("2", model, against=1, report=None, golden=tmp_path)
        verdict = decide(question, never_opened, report, Console(file=io.StringIO()))
        assert words in verdict.reasons()[0]
        (folder / MANIFEST_FILE).unlink(missing_ok=True)


def test_the_shipped_model_is_a_safe_package() -> None:
    """What the project exports passes its own gate."""
    folder = Path(__file__).parents[2] / "model_repository" / "box2seg" / "2"
    assert package_problems(folder, read_manifest(folder)) == []


def test_no_engine_is_needed_to_look_at_a_package() -> None:
    """What looks at strangers' files loads no code that could run them."""
    code = "import sys, export.gate.package; sys.exit('onnxruntime' in sys.modules or 'torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], cwd=Path(__file__).parents[2], check=True)


OLD = ClassMap(("background", "cat", "dog"))


@pytest.mark.parametrize(
    ("names", "words", "problems"),
    [
        pytest.param(("background", "cat", "dog"), [], [], id="the same"),
        pytest.param(("background", "cat", "dog", "cow"), [], ["label 3 is new, cow"], id="one more"),
        pytest.param(("background", "cat", "dog", "cow"), ["background=cow"], [], id="one more, said"),
        pytest.param(("background", "cat"), [], ["label 2 was dog, is no class"], id="one less"),
        pytest.param(("background", "cat"), ["dog=background"], [], id="one less, said"),
        pytest.param(
            ("background", "dog", "cat"),
            [],
            ["label 1 was cat, is dog", "label 2 was dog, is cat"],
            id="another order",
        ),
        pytest.param(("background", "dog", "cat"), ["cat=cat", "dog=dog"], [], id="another order, said"),
        pytest.param(("background", "cat", "wolf"), ["dog=wolf"], [], id="renamed"),
        pytest.param(
            ("background", "cat", "wolf"),
            ["dog=hound"],
            ["--map =hound: no class of the candidate", "label 2 is new, wolf"],
            id="mapped to nothing",
        ),
    ],
)
def test_labels_mean_what_they_meant(names: tuple[str, ...], words: list[str], problems: list[str]) -> None:
    """Each label that means another class than before is named, unless a pair says so."""
    assert class_problems(ClassMap(names), OLD, parse_mapping(words)) == problems


def test_labels_are_translated_by_name() -> None:
    """What the live version calls a class counts as what the candidate calls it; others are background."""
    table = translation(OLD, ClassMap(("background", "wolf", "cow")), parse_mapping(["dog=wolf"]))
    assert table[:3].tolist() == [0, 0, 1]


def test_limits_are_read_from_files_and_words(tmp_path: Path) -> None:
    """A word goes before the file, the file before the default."""
    path = tmp_path / "limits.toml"
    path.write_text("score_loss = 0.02\nleast_photos = 50\n")
    assert read_limits(path, ["score_loss=0.03"]) == Limits(least_photos=50, score_loss=0.03)


@pytest.mark.parametrize(
    ("word", "message"),
    [
        pytest.param("score=0.1", "no limit 'score'; there are least_photos, score_loss", id="no such limit"),
        pytest.param("score_loss=much", "score_loss: expected a number, got 'much'", id="no number"),
        pytest.param("score_loss=nan", "score_loss: expected a number from 0, got nan", id="not a number"),
        pytest.param("agreement=1.5", "agreement: expected a number from 0", id="more than all"),
        pytest.param("latency_ratio=-1", "latency_ratio: expected a number from 0", id="negative"),
        pytest.param("score_loss", "expected NAME=VALUE", id="no value"),
    ],
)
def test_wrong_limits_are_refused(word: str, message: str) -> None:
    """By their names, with those that there are."""
    with pytest.raises(ConfigurationError, match=message):
        read_limits(None, [word])
