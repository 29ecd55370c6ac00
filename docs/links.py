"""Finds dead links in this project's documents: files that are missing, headings that are not there."""

import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).parents[1]
ELSEWHERE = ("http://", "https://", "mailto:")


def main() -> None:
    """Print each dead link and fail, or end in silence."""
    sys.exit("\n".join(link for document in documents() for link in dead_links(document)) or None)


def documents() -> list[Path]:
    """List the project's Markdown files, new ones too."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.md"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [ROOT / name for name in names if (ROOT / name).is_file()]


def dead_links(document: Path) -> Iterator[str]:
    """Give a line for each link of a document that leads nowhere in this checkout."""
    for target in link_targets(document):
        if target.startswith(ELSEWHERE):
            continue
        name, _, heading = target.partition("#")
        file = document.parent / name if name else document
        if not file.exists():
            yield f"{document}: {target}: no such file"
        elif heading and file.suffix == ".md" and heading not in anchors(file):
            yield f"{document}: {target}: no such heading"


def link_targets(document: Path) -> list[str]:
    """List where a document's links and pictures lead."""
    spans = [span for token in parse(document) for span in token.children or []]
    targets = [span.attrGet("href") or span.attrGet("src") for span in spans]
    return [str(target) for target in targets if target]


def anchors(document: Path) -> set[str]:
    """Give the names by which a document's headings are linked, as GitHub makes them."""
    tokens = parse(document)
    headings = [text.content for mark, text in pairwise(tokens) if mark.type == "heading_open"]
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def parse(document: Path) -> list[Token]:
    """Read a document's tokens."""
    return MarkdownIt().parse(document.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
