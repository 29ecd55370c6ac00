import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from contract.classes import class_map
from contract.errors import ManifestError
from contract.geometry import FitRule
from contract.manifest import (
    MANIFEST_FILE,
    MODEL_FILE,
    Manifest,
    Origin,
    Tensor,
    file_sha256,
    published_versions,
    read_manifest,
    verify_files,
    write_manifest,
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Publish a version by hand: a file and its manifest."""
    (tmp_path / MODEL_FILE).write_bytes(b"weights")
    write_manifest(manifest(files={MODEL_FILE: file_sha256(tmp_path / MODEL_FILE)}), tmp_path)
    return tmp_path


def manifest(**changes: Any) -> Manifest:
    """Fill a manifest with plausible values."""
    whole = Manifest(
        name="box2seg",
        version=3,
        classes=class_map(["cat", "dog"]),
        fit=FitRule(384),
        inputs=(Tensor("image", "uint8", (-1, -1, -1, 3)),),
        outputs=(Tensor("labels", "uint8", (-1, -1, -1)), Tensor("confidence", "uint8", (-1, -1, -1))),
        files={},
        parity={"onnxruntime": 0.9999},
        scores={"val mIoU6": 0.78},
        origin=Origin("voc_boxes", "voc_animals train", "boxes", 0, "0123abc", "a laptop", 1.5),
        created="2026-11-21T12:00:00+00:00",
    )
    return dataclasses.replace(whole, **changes)


def test_a_manifest_is_read_as_it_was_written(folder: Path) -> None:
    """Every field survives the file, colours and shapes as tuples again."""
    read = read_manifest(folder)
    assert read == manifest(files=read.files)
    verify_files(read, folder)


def test_writing_leaves_one_file(folder: Path) -> None:
    """Nothing partial stays beside the manifest."""
    assert sorted(path.name for path in folder.iterdir()) == [MANIFEST_FILE, MODEL_FILE]


REQUIRED = [field.name for field in dataclasses.fields(Manifest) if field.name != "precision"]


@pytest.mark.parametrize("name", REQUIRED)
def test_a_missing_field_is_named(folder: Path, name: str) -> None:
    """The message holds the file and the field."""
    content = json.loads((folder / MANIFEST_FILE).read_text())
    del content[name]
    (folder / MANIFEST_FILE).write_text(json.dumps(content))
    with pytest.raises(ManifestError, match=rf"manifest\.json: field '{name}' is missing"):
        read_manifest(folder)


def test_manifests_from_before_precisions_are_fp32(folder: Path) -> None:
    """A version published before there were other precisions than fp32 is read as what it is."""
    content = json.loads((folder / MANIFEST_FILE).read_text())
    del content["precision"]
    (folder / MANIFEST_FILE).write_text(json.dumps(content))
    assert read_manifest(folder).precision == "fp32"


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        pytest.param("schema", 2, "schema 2 is not 1", id="another schema"),
        pytest.param(
            "precision", "fp8", "expected one of fp32, fp16, bf16, int8, got 'fp8'", id="no precision"
        ),
        pytest.param("precision", ["fp32"], "expected one of fp32", id="several precisions"),
        pytest.param("version", "three", "three", id="a word as version"),
        pytest.param("fit", {"long_side": 500}, "positive multiple of 32", id="a rule that cannot work"),
        pytest.param("fit", {"length": 384}, "length", id="a rule with another field"),
        pytest.param("classes", {"names": ["cat"], "colours": []}, "'background' first", id="no background"),
        pytest.param("files", ["model.onnx"], "list", id="no sums"),
    ],
)
def test_a_field_of_another_kind_is_refused(folder: Path, field: str, value: Any, message: str) -> None:
    """A manifest with a wrong value says which file and what is wrong."""
    content = json.loads((folder / MANIFEST_FILE).read_text()) | {field: value}
    (folder / MANIFEST_FILE).write_text(json.dumps(content))
    with pytest.raises(ManifestError, match=message) as refused:
        read_manifest(folder)
    assert MANIFEST_FILE in str(refused.value)


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "\x00"], ids=repr)
def test_what_is_no_manifest_is_refused(folder: Path, text: str) -> None:
    """Half a file, or another JSON, is a ManifestError."""
    (folder / MANIFEST_FILE).write_text(text)
    with pytest.raises(ManifestError, match=r"manifest\.json"):
        read_manifest(folder)


def test_a_folder_without_manifest_is_refused(tmp_path: Path) -> None:
    """The message names the file looked for."""
    with pytest.raises(ManifestError, match=r"manifest\.json: not a readable manifest"):
        read_manifest(tmp_path)


def test_a_tampered_file_is_found(folder: Path) -> None:
    """One byte more and the sum differs; the message shows both sums' beginnings."""
    with (folder / MODEL_FILE).open("ab") as stream:
        stream.write(b"!")
    with pytest.raises(ManifestError, match=r"model\.onnx: sha256 is [0-9a-f]{12}…, the manifest says"):
        verify_files(read_manifest(folder), folder)


def test_a_missing_file_is_found(folder: Path) -> None:
    """A version that lost its model is refused."""
    (folder / MODEL_FILE).unlink()
    with pytest.raises(ManifestError, match=r"model\.onnx: missing"):
        verify_files(read_manifest(folder), folder)


@pytest.mark.parametrize("name", ["../model.onnx", "/etc/hostname", "a/b", ".."])
def test_no_file_outside_the_folder_is_read(folder: Path, name: str) -> None:
    """A manifest cannot point out of its version folder."""
    with pytest.raises(ManifestError, match=r"leaves the version folder|missing"):
        verify_files(manifest(files={name: "0" * 64}), folder)


def test_versions_count_when_their_manifest_is_there(tmp_path: Path) -> None:
    """Versions are listed as numbers, oldest first; a half-published or hidden folder is none."""
    for name in ("10", "9", "2", ".3-partial", "latest"):
        (tmp_path / name).mkdir()
        write_manifest(manifest(), tmp_path / name)
    (tmp_path / "2" / MANIFEST_FILE).unlink()
    assert published_versions(tmp_path) == [9, 10]
    assert published_versions(tmp_path / "nothing") == []
