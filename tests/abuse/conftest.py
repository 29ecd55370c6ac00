"""The real server in its own process, and the word that goes into docs/reliability.md."""

import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from contract.geometry import FitRule
from serving.triton.environment import CHECKOUT, Environment
from tests.abuse.house import House, goes_on, running_house
from tests.serving.colours import colour_graph, encode, publish_colours

Seen = Callable[[str], None]

CONFIG = CHECKOUT / "model_repository" / "box2seg" / "config.pbtxt"
SETTINGS = {"max_pixels": 20_000_000, "write_timeout_s": 3.0}
LARGE = encode(np.full((4000, 4000, 3), (250, 10, 10), np.uint8), compress_level=1)
"""16 Mpx in few bytes."""


@pytest.fixture
def seen(record_property: Callable[[str, object], None]) -> Seen:
    """Says what a case showed, in figures; it stands in the table."""
    return lambda words: record_property("seen", words)


@pytest.fixture(scope="session")
def colour_models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Models for a Triton: colours, the same from larger photos, one with labels of no class, one of NaN."""
    root = tmp_path_factory.mktemp("colour_models")
    publish_colours(root)
    publish_colours(root, name="fine", fit=FitRule(384))
    publish_colours(root, name="wrong", graph=colour_graph(first=9))
    publish_colours(root, name="nan", graph=nan_graph())
    for name in ("box2seg", "fine", "wrong", "nan"):
        copy_config(root, name)
    return root


def nan_graph() -> onnx.ModelProto:
    """Build the colour network with NaN for every pixel."""
    model = colour_graph()
    model.graph.node[0].output[0] = "numbers"
    model.graph.node.insert(1, helper.make_node("Mul", ["numbers", "nan"], ["pixels"]))
    model.graph.initializer.append(helper.make_tensor("nan", TensorProto.FLOAT, [], [float("nan")]))
    return model


def copy_config(root: Path, name: str) -> None:
    """Let Triton serve a model as the shipped one."""
    (root / name / "config.pbtxt").write_text(CONFIG.read_text().replace('"box2seg"', f'"{name}"'))


@pytest.fixture(scope="session")
def the_house(
    triton_environment: Environment, colour_models: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[House]:
    """`box2seg serve` with its Triton, for all tests; leave it running."""
    log = tmp_path_factory.mktemp("house") / "gateway.log"
    with running_house(log, colour_models, **SETTINGS) as house:
        with ThreadPoolExecutor(4) as people:  # each of its threads has one; its memory has its size then
            answers = list(people.map(lambda _: house.segment(LARGE), range(8)))
        assert {answer.status_code for answer in answers} == {200}
        yield house


@pytest.fixture
def house(the_house: House) -> Iterator[House]:
    """The server, which is as before after the test."""
    with goes_on(the_house):
        yield the_house


@pytest.fixture(scope="module")
def shipped(triton_environment: Environment, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A server of its own with the shipped model, whose photos take long enough to queue."""
    folder = tmp_path_factory.mktemp("shipped")
    shutil.copytree(CHECKOUT / "model_repository", folder / "models")
    with running_house(folder / "gateway.log", folder / "models", queue=400, timeout_s=120.0) as house:
        yield house
