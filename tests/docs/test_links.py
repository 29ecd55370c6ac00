from pathlib import Path

import pytest

from docs.links import anchors, dead_links


@pytest.fixture
def document(tmp_path: Path) -> Path:
    """Write a document with one heading, beside a picture."""
    (tmp_path / "cat.png").touch()
    (tmp_path / "other.md").write_text("# Speed: p50, `curl`\n")
    return tmp_path / "README.md"


@pytest.mark.parametrize(
    "link",
    [
        "[a](other.md)",
        "[a](other.md#speed-p50-curl)",
        "![a](cat.png)",
        "[here](#this-one)",
        "[web](https://example.org/nothing)",
        "`[code](missing.md)`",
    ],
)
def test_living_links_pass(document: Path, link: str) -> None:
    """Files, headings and the web are let be; code is no link."""
    document.write_text(f"# This one\n\n{link}\n")
    assert list(dead_links(document)) == []


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("[a](missing.md)", "missing.md: no such file"),
        ("![a](missing.png)", "missing.png: no such file"),
        ("[a](other.md#slow)", "other.md#slow: no such heading"),
        ("[a](#nowhere)", "#nowhere: no such heading"),
    ],
)
def test_dead_links_are_named(document: Path, link: str, problem: str) -> None:
    """A link to a file or heading that is not there is named with its document."""
    document.write_text(f"# This one\n\n{link}\n")
    assert list(dead_links(document)) == [f"{document}: {problem}"]


def test_anchors_are_those_of_github(document: Path) -> None:
    """Lower case, hyphens for blanks, no punctuation."""
    assert anchors(document.parent / "other.md") == {"speed-p50-curl"}
