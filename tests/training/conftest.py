from pathlib import Path

import pytest

from contract.classes import ClassMap, class_map
from tests.drawing import draw_voc


@pytest.fixture
def classes() -> ClassMap:
    return class_map(("cat", "dog"))


@pytest.fixture(scope="session")
def drawn_voc(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A VOC folder of drawn photos; not to be changed."""
    return draw_voc(tmp_path_factory.mktemp("voc") / "drawn", train=12, val=4)
