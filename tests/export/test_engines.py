import dataclasses
import json
from itertools import product
from pathlib import Path

import pytest
from google.protobuf import text_format
from tritonclient.grpc import model_config_pb2

from contract.errors import ExportError
from contract.geometry import FitRule
from export.engines import KEY_FILE, PLAN_FILE, EngineKey, check_engine, write_engine
from export.profiles import Profile, profiles
from export.publish import CONFIG_TEMPLATE

KEY = EngineKey("NVIDIA H100 80GB HBM3", "9.0", "10.9.0.34", "0" * 64, "(1, 32, 384, 3) ...")
RULE = FitRule(384)


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(EngineKey)])
def test_an_engine_of_another_key_is_refused(tmp_path: Path, field: str) -> None:
    """Another GPU, TensorRT, file or shape: the engine is not used, and the message says what differs."""
    write_engine(tmp_path, b"plan", KEY)
    assert check_engine(tmp_path, KEY) == tmp_path / PLAN_FILE
    with pytest.raises(ExportError, match=rf"built for {field} .*, here it is 'another'"):
        check_engine(tmp_path, dataclasses.replace(KEY, **{field: "another"}))


def test_an_engine_that_was_changed_is_refused(tmp_path: Path) -> None:
    """A plan that is only half copied, or not there, is not used."""
    plan = write_engine(tmp_path, b"plan", KEY)
    plan.write_bytes(b"pl")
    with pytest.raises(ExportError, match="not the file that was built"):
        check_engine(tmp_path, KEY)
    plan.unlink()
    with pytest.raises(ExportError, match="missing"):
        check_engine(tmp_path, KEY)


@pytest.mark.parametrize("content", [None, "{", "[]", "{}"], ids=["none", "broken", "a list", "empty"])
def test_an_engine_without_its_key_is_refused(tmp_path: Path, content: str | None) -> None:
    """Whose key cannot be read is nobody's."""
    write_engine(tmp_path, b"plan", KEY)
    (tmp_path / KEY_FILE).unlink()
    if content is not None:
        (tmp_path / KEY_FILE).write_text(content)
    with pytest.raises(ExportError):
        check_engine(tmp_path, KEY)


def test_a_new_engine_takes_the_old_ones_place(tmp_path: Path) -> None:
    """The folder holds one engine and its key."""
    write_engine(tmp_path, b"old", KEY)
    newer = dataclasses.replace(KEY, tensorrt="11.4.0.106")
    write_engine(tmp_path, b"new", newer)
    assert check_engine(tmp_path, newer).read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([KEY_FILE, PLAN_FILE])
    assert json.loads((tmp_path / KEY_FILE).read_text())["tensorrt"] == "11.4.0.106"


@pytest.mark.parametrize("rule", [RULE, FitRule(96), FitRule(32), FitRule(512)], ids=str)
def test_profiles_hold_every_frame_of_a_photo(rule: FitRule) -> None:
    """Each photo's frame, lying or standing, one or a full batch, is in one of the first two profiles."""
    lying, standing, _ = profiles(rule, 8)
    for size in product((50, 333, 375, 500, 999), repeat=2):
        height, width = rule.fit(size).network
        for batch in (1, 8):
            shape = (batch, height, width, 3)
            assert holds(lying, shape) or holds(standing, shape), shape


def test_profiles_hold_warm_up_and_tensors() -> None:
    """The shapes that Triton warms up with, and any multiple of 32 up to the long side, are in a profile."""
    config = text_format.Parse(CONFIG_TEMPLATE.read_text(), model_config_pb2.ModelConfig())
    shapes = [(each.batch_size, *each.inputs["image"].dims) for each in config.model_warmup]
    assert len(shapes) == 4
    sides = range(32, 384 + 1, 32)
    shapes += [(batch, height, width, 3) for batch in (1, 8) for height in sides for width in sides]
    for shape in shapes:
        assert any(holds(profile, shape) for profile in profiles(RULE, 8)), shape
    assert not any(holds(profile, (9, 384, 384, 3)) for profile in profiles(RULE, 8))


@pytest.mark.parametrize("rule", [RULE, FitRule(32), FitRule(96)], ids=str)
def test_profiles_are_what_tensorrt_takes(rule: FitRule) -> None:
    """The best shape lies between the least and the most, axis by axis."""
    for profile in profiles(rule, 8):
        assert holds(profile, profile.best)
    assert profiles(RULE, 8)[0].best == (1, 288, 384, 3)
    assert profiles(RULE, 8)[1].best == (1, 384, 288, 3)


def holds(profile: Profile, shape: tuple[int, ...]) -> bool:
    """Tell whether a shape is in a profile."""
    return all(
        low <= side <= high for low, side, high in zip(profile.least, shape, profile.most, strict=True)
    )
