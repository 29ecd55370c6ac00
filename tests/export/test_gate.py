"""What the gate lets through and what it refuses, with networks whose faults are known to the pixel."""

import dataclasses
import io
import json
from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
from rich.console import Console

from cli.served import open_served
from contract.classes import ClassMap
from contract.errors import ConfigurationError, InvalidParameter, PromotionRefused, UnknownModel
from contract.history import Action
from contract.manifest import MODEL_FILE, file_sha256, read_manifest, write_manifest
from contract.profile import read_profile
from contract.promotion import promote, reject
from contract.registry import State, changing, read_standing
from contract.verdict import REPORT_FILE, Verdict, read_verdict, report_folder
from export.agreement import KEPT
from export.gate.decision import decide
from export.gate.limits import Limits
from export.gate.question import ask
from tests.export.golden import blunt_graph, draw_golden
from tests.serving.colours import colour_graph, publish_colours

LENIENT = Limits(latency_ratio=1000, memory_ratio=1000)
"""Time and memory are of the machine; tests of the other checks leave them out."""

Look = Callable[..., Verdict]


@pytest.fixture(scope="module")
def golden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return draw_golden(tmp_path_factory.mktemp("golden") / "photos")


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A model whose version 1 is live; version 2 is to come."""
    folder = publish_proved(tmp_path / "repository", 1, colour_graph())
    with changing(folder.parent) as changes:
        changes.record(Action.PROMOTE, 1, who="a test", why="the first")
    return folder.parent


@pytest.fixture
def look(golden: Path, model: Path) -> Look:
    """Run the gate on version 2, with other limits where they are given."""

    def run(limits: Limits = LENIENT, **others: object) -> Verdict:
        question, report = ask("2", model, against=None, report=None, golden=golden, limits=limits, **others)
        return decide(question, open_served, report, Console(file=io.StringIO()))

    return run


def publish_proved(root: Path, version: int, graph: onnx.ModelProto, *, parity: float = 1.0) -> Path:
    """Publish a network whose export measured this label agreement; gives the version's folder."""
    folder = publish_colours(root, version=version, graph=graph)
    manifest = read_manifest(folder)
    write_manifest(dataclasses.replace(manifest, parity={"onnxruntime label agreement": parity}), folder)
    return folder


def failed(verdict: Verdict) -> set[str]:
    return {check.name for check in verdict.checks if not check.passed}


def test_an_equal_network_passes(model: Path, look: Look) -> None:
    """It may be promoted then; the registry has verdict, figures, golden profile, report and pictures."""
    publish_proved(model.parent, 2, colour_graph())
    verdict = look()
    assert verdict.passed
    assert (verdict.version, verdict.against) == (2, 1)
    folder = report_folder(model, 2)
    assert read_verdict(folder) == verdict
    findings = json.loads((folder / "findings.json").read_text())
    scores = {row["name"]: row for row in findings["scores"]}
    assert scores["mIoU4"]["candidate"] == scores["mIoU4"]["live"] == [1.0, 1.0, 1.0]
    assert scores["IoU green"]["candidate"] == [None, None, None], "nobody shows it"
    assert findings["agreement"] == 1.0
    assert len(findings["photos"]) == 20
    assert all((folder / name).is_file() for photo in findings["photos"] for name in photo["panels"].values())
    profile = read_profile(folder)
    assert profile is not None
    assert profile.photos == 24
    assert profile.classes["red"] == pytest.approx(28 * 36 / (64 * 96), abs=0.01)
    promote(model, 2, who="a test")
    assert read_standing(model).live == 2


@pytest.mark.case("E6")
def test_a_worse_network_is_refused(
    model: Path, look: Look, record_property: Callable[[str, object], None]
) -> None:
    """A candidate that loses 5 points of mean IoU is not promoted; force needs a reason, which is kept."""
    publish_proved(model.parent, 2, blunt_graph())
    verdict = look(dataclasses.replace(LENIENT, class_loss=1, boundary_loss=1))
    assert failed(verdict) == {"mean IoU"}
    lost = json.loads((report_folder(model, 2) / "findings.json").read_text())["scores"][0]["difference"][0]
    assert -0.06 < lost < -0.03
    with pytest.raises(PromotionRefused, match="mean IoU"):
        promote(model, 2, who="a test")
    assert read_standing(model).states[2] is State.CANDIDATE, "a refused version stays"
    with pytest.raises(InvalidParameter, match="reason"):
        promote(model, 2, who="a test", force=True)
    event = promote(model, 2, who="a test", why="the old one has a fault", force=True)
    assert event.forced
    record_property("seen", f"refused at {100 * lost:+.1f} points of mean IoU; by force with a reason alone")


@pytest.mark.case("E6")
def test_labels_that_engines_see_differently_are_refused(model: Path, look: Look) -> None:
    """An export whose engines gave torch's labels in 99.4 % of pixels is below the 99.5 % asked for."""
    publish_proved(model.parent, 2, colour_graph(), parity=0.994)
    assert failed(look()) == {"torch to onnxruntime"}


def test_no_class_may_pay_for_the_others(model: Path, look: Look) -> None:
    """One class that loses more than its margin is named, whatever the mean says."""
    publish_proved(model.parent, 2, blunt_graph())
    verdict = look(dataclasses.replace(LENIENT, score_loss=1, boundary_loss=1))
    assert failed(verdict) == {"each class"}
    assert "blue -0.1" in verdict.reasons()[0]


def test_few_photos_prove_nothing(model: Path, look: Look) -> None:
    """Of fewer photos than asked for no interval is believed; time and memory have limits, too."""
    publish_proved(model.parent, 2, colour_graph())
    verdict = look(dataclasses.replace(LENIENT, least_photos=25, memory_ratio=0, latency_ratio=0))
    assert failed(verdict) == {"golden photos", "time per photo", "memory"}


def test_what_is_measured_is_of_these_files(model: Path, look: Look) -> None:
    """A file changed after the gate has another sha256 than the verdict names; promoting it is refused."""
    folder = publish_proved(model.parent, 2, colour_graph())
    assert look().files == {MODEL_FILE: file_sha256(folder / MODEL_FILE)}
    onnx.save(blunt_graph(), folder / MODEL_FILE)
    assert failed(look()) == {"files"}
    write_manifest(
        dataclasses.replace(read_manifest(folder), files={MODEL_FILE: file_sha256(folder / MODEL_FILE)}),
        folder,
    )
    with pytest.raises(PromotionRefused):
        promote(model, 2, who="a test")


def test_a_first_version_is_measured_alone(golden: Path, tmp_path: Path) -> None:
    """Where nothing is live there is nothing to be worse than."""
    root = tmp_path / "repository"
    folder = publish_proved(root, 1, blunt_graph())
    with changing(folder.parent) as changes:
        changes.record(Action.PUBLISH, 1, who="a test", why="")
        changes.record(Action.REJECT, 1, who="a test", why="to have none")
    question, report = ask("1", folder.parent, against=None, report=None, golden=golden, limits=LENIENT)
    verdict = decide(question, open_served, report, Console(file=io.StringIO()))
    assert verdict.passed
    assert verdict.against is None
    assert "no live version" in (report / REPORT_FILE).read_text()


def test_classes_may_change_when_they_are_mapped(model: Path, look: Look) -> None:
    """A renamed class needs its pair; with it the live version's labels count under the new name."""
    folder = publish_proved(model.parent, 2, colour_graph())
    names = ("background", "red", "lime", "blue")
    write_manifest(dataclasses.replace(read_manifest(folder), classes=ClassMap(names)), folder)
    renames = {"green": "lime"}
    verdict = look(renames=renames)
    assert failed(verdict) == {"classes"}
    assert "label 2 was green, is lime" in verdict.reasons()[0]
    assert look(renames=renames, pairs=(("green", "lime"),)).passed


def test_labels_without_a_class_are_refused(model: Path, look: Look) -> None:
    """A network that names a label which its manifest has no class for is not run to its end."""
    publish_proved(model.parent, 2, colour_graph(first=2))
    verdict = look()
    assert failed(verdict) == {"runs"}
    assert "label 4" in verdict.reasons()[0]


def test_other_tensors_are_refused(model: Path, look: Look) -> None:
    """The manifest must say what the file has, and the file must have what the live version has."""
    folder = publish_proved(model.parent, 2, colour_graph())
    manifest = read_manifest(folder)
    inputs = (dataclasses.replace(manifest.inputs[0], dtype="float32"),)
    write_manifest(dataclasses.replace(manifest, inputs=inputs), folder)
    verdict = look()
    assert failed(verdict) == {"tensors"}
    assert "the manifest says image float32" in verdict.reasons()[0]


def test_a_version_is_not_compared_with_itself(model: Path, golden: Path) -> None:
    """Nor with one that is not there."""
    with pytest.raises(ConfigurationError, match="itself"):
        ask("1", model, against=None, report=None, golden=golden)
    with pytest.raises(UnknownModel, match="no version 7"):
        ask("7", model, against=None, report=None, golden=golden)


def test_a_rejected_version_can_be_looked_at(model: Path, look: Look) -> None:
    """The gate decides nothing about states; a rejected version keeps its state."""
    publish_proved(model.parent, 2, colour_graph())
    reject(model, 2, who="a test", why="to see")
    assert look().passed
    assert read_standing(model).states[2] is State.REJECTED


def publish_fewer_bits(root: Path, graph: onnx.ModelProto, **parity: float) -> Path:
    """Publish a version 2 in half precision, made from version 1's weights; its labels agree in 97 %."""
    folder = publish_proved(root, 2, graph, parity=0.97)
    manifest = read_manifest(folder)
    measured = {**manifest.parity, **parity}
    write_manifest(dataclasses.replace(manifest, precision="fp16", parity=measured), folder)
    return folder


def test_fewer_bits_are_judged_by_mean_iou(model: Path, look: Look) -> None:
    """Beside the fp32 version of the same weights on the golden photos; label agreement is only told."""
    publish_fewer_bits(model.parent, colour_graph())
    verdict = look()
    assert verdict.passed
    checks = {check.name: check for check in verdict.checks}
    assert checks["fp16 beside fp32"].seen == "0.00% lost, 1.0000 of 1.0000"
    assert checks["torch to onnxruntime"].seen == "97.000% of labels"
    assert checks["torch to onnxruntime"].wanted.startswith("told only")


def test_fewer_bits_that_lose_too_much_are_refused(model: Path, look: Look) -> None:
    """More than the margin of fp32's mean IoU, whatever is allowed beside the live version."""
    publish_fewer_bits(model.parent, blunt_graph())
    verdict = look(dataclasses.replace(LENIENT, score_loss=1, class_loss=1, boundary_loss=1))
    assert failed(verdict) == {"fp16 beside fp32"}


@pytest.mark.parametrize(("kept", "passes"), [(0.995, True), (0.985, False)])
def test_fewer_bits_without_their_fp32(model: Path, look: Look, kept: float, passes: bool) -> None:
    """Where that version was never published, what the export measured counts."""
    folder = publish_fewer_bits(model.parent, colour_graph(), **{KEPT: kept})
    manifest = read_manifest(folder)
    write_manifest(dataclasses.replace(manifest, origin=dataclasses.replace(manifest.origin, seed=9)), folder)
    verdict = look()
    assert failed(verdict) == (set() if passes else {"fp16 beside fp32"})
    (check,) = (each for each in verdict.checks if each.name == "fp16 beside fp32")
    assert check.seen.endswith("lost, as its export measured it")
