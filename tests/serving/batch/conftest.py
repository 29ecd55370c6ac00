"""A folder with photos."""

from pathlib import Path

import pytest

from tests.serving.batch.finding import PHOTO


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two photos, one deeper, and a file that is none."""
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    (folder / "a.png").write_bytes(PHOTO)
    (folder / "deep" / "b.JPG").write_bytes(PHOTO)
    (folder / "notes.md").write_text("none")
    return folder
