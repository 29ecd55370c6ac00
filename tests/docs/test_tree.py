from pathlib import Path

import pytest

from docs.tree import BEGIN, END, draw_tree, first_line, replace_tree


@pytest.mark.parametrize(
    ("name", "text", "line"),
    [
        pytest.param("a.py", '"""Fits images."""\n', "Fits images.", id="docstring"),
        pytest.param(
            "a.py", '"""\nFits images.\n\nMore.\n"""\n', "Fits images.", id="docstring on its own lines"
        ),
        pytest.param("a.py", "x = 1\n", "", id="no docstring"),
        pytest.param("Makefile", "# Every way in.\n\nall:\n", "Every way in.", id="comment"),
        pytest.param("run", "#!/bin/sh\n# What CI runs.\n", "What CI runs.", id="comment below a shebang"),
        pytest.param("a.md", "# Decisions\n", "Decisions", id="title"),
        pytest.param("LICENSE", "\n   Apache License\n", "", id="says nothing of itself"),
    ],
)
def test_a_files_first_line_says_what_it_is_for(tmp_path: Path, name: str, text: str, line: str) -> None:
    """A docstring, a leading comment or a title is the file's line in the tree."""
    file = tmp_path / name
    file.write_text(text)
    assert first_line(file) == line


def test_folders_stand_before_files_with_their_purpose() -> None:
    """A package's line is its docstring's; its files follow, indented; closed folders show no files."""
    files = [
        Path("Makefile"),
        Path("contract/__init__.py"),
        Path("contract/masks.py"),
        Path("tests/test_rooms.py"),
    ]
    names = [line.split("  ")[0] or line.split()[0] for line in draw_tree(files).splitlines()]
    assert names == ["contract/", "masks.py", "tests/", "Makefile"]


def test_the_tree_is_replaced_between_its_marks() -> None:
    """What stands around the tree stays."""
    assert (
        replace_tree(f"before\n{BEGIN}old\n{END}\nafter\n", "new\n") == f"before\n{BEGIN}new\n{END}\nafter\n"
    )
