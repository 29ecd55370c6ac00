import importlib
import sys
from pathlib import Path

import grimp
import pytest

ROOT = Path(__file__).parents[1]
ROOMS = ("contract", "training", "export", "serving", "client", "cli")
NO_PACKAGES = ("benchmarks", "docker", "docs", "model_repository", "requirements", "tests")


@pytest.mark.parametrize("room", ROOMS)
def test_the_package_under_a_rooms_name_is_ours(room: str) -> None:
    """`import serving` and the like find this checkout's folders, not another package of that name."""
    package = importlib.import_module(room)
    assert package.__file__ is not None
    assert Path(package.__file__).parent == ROOT / room


@pytest.mark.parametrize("folder", NO_PACKAGES)
def test_other_folders_are_no_packages(folder: str) -> None:
    """A folder that is no room has no __init__.py, so `import docker` never finds ours."""
    assert not (ROOT / folder / "__init__.py").exists()


def test_contract_needs_arrays_and_pixels_only() -> None:
    """Whoever reads a manifest or a mask installs numpy and what decodes and resizes photos."""
    graph = grimp.build_graph("contract", include_external_packages=True, cache_dir=None)
    others = {name for name in graph.modules if graph.is_module_squashed(name)}
    assert others - sys.stdlib_module_names == {"numpy", "PIL", "cv2", "simplejpeg"}
