"""Writes the README's tree from each file's first line; with --check, says whether it is still true."""

import ast
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"
BEGIN, END = "<!-- tree: made by `make tree` -->\n```\n", "```\n<!-- end of tree -->"
COLUMN = 32

FOLDERS = {
    ".ci": "What CI runs.",
    "benchmarks": "Speed, each figure beside its reference in one run.",
    "docker": "Images; see docs/deployment.md for what has been tried.",
    "docker/grafana": "A dashboard of the gateway's metrics, and how Grafana finds it.",
    "docker/grafana/provisioning": "What Grafana reads at its start: where its figures and dashboards are.",
    "docker/kubernetes": "Manifests to apply: pods with a GPU and a Triton each, and who may reach them.",
    "docker/prometheus": "What Prometheus asks.",
    "docs": "Words for people, and the checks that keep them true.",
    "model_repository": "What Triton mounts; the default model is in git.",
    "requirements": "Every package that is installed, pinned by hash.",
    "serving/page": "What a browser loads: the page at /, and /docs; as it is written, without a build.",
    "serving/page/samples": "Photos that people may try.",
    "serving/triton/backends": "What our Triton runs models with; read by Triton alone.",
    "serving/triton/models": "Models of our own that prove a started Triton.",
    "tests": "tests/<room>/test_<file>.py; journeys/ go across rooms.",
}
"""What folders that are no package are for; a package says it in its `__init__.py`."""

COMMENTS = ("# ", "// ", "/* ")
"""How a first line begins that says something."""

CLOSED = (
    ".ci",
    "docker/grafana/provisioning",
    "model_repository",
    "requirements",
    "serving/page/samples",
    "serving/triton/backends",
    "serving/triton/models",
    "tests",
)
"""Folders shown without what is in them."""


def main() -> None:
    """Write the tree, or fail where it is not true."""
    text = README.read_text(encoding="utf-8")
    true = replace_tree(text, draw_tree(project_files()))
    if "--check" not in sys.argv:
        README.write_text(true, encoding="utf-8")
    elif text != true:
        sys.exit("README.md: the tree is not true any more; run `make tree`")


def replace_tree(text: str, tree: str) -> str:
    """Put a tree in the place of the one between the two marks."""
    before, rest = text.split(BEGIN)
    _, after = rest.split(END)
    return before + BEGIN + tree + END + after


def project_files() -> list[Path]:
    """List the project's files below its root, new ones too, as relative paths."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    return [Path(name) for name in names if (ROOT / name).is_file()]


def draw_tree(files: list[Path]) -> str:
    """Draw folders and files with what they are for; what does not say it is left out."""
    folders = {folder for file in files for folder in file.parents} - {Path()}
    entries = [path for path in sorted({*files, *folders}, key=order) if is_shown(path, folders)]
    return "".join(draw_entry(path, is_folder=path in folders) for path in entries)


def order(path: Path) -> list[tuple[bool, str]]:
    """Sort folders before files and both by name, level by level."""
    parts = path.parts
    return [((ROOT.joinpath(*parts[: depth + 1])).is_file(), part) for depth, part in enumerate(parts)]


def is_shown(path: Path, folders: set[Path]) -> bool:
    """Say whether a path has something to say and lies in no closed folder."""
    if any(str(folder) in CLOSED for folder in path.parents):
        return False
    return bool(purpose(path, is_folder=path in folders)) and path.name != "__init__.py"


def draw_entry(path: Path, *, is_folder: bool) -> str:
    """Draw one line: the name, indented by depth, and the purpose in its column."""
    name = "  " * (len(path.parts) - 1) + path.name + "/" * is_folder
    return f"{name:<{COLUMN - 1}} {purpose(path, is_folder=is_folder)}\n"


def purpose(path: Path, *, is_folder: bool) -> str:
    """Give the sentence that a file or folder says of itself; empty if it says none."""
    if not is_folder:
        return first_line(ROOT / path)
    package = ROOT / path / "__init__.py"
    return first_line(package) if package.is_file() else FOLDERS.get(str(path), "")


def first_line(file: Path) -> str:
    """Give the first line of a module's docstring, of a leading comment or of a document's title."""
    if file.suffix == ".py":
        docstring = ast.get_docstring(ast.parse(file.read_text(encoding="utf-8"))) or ""
        return docstring.partition("\n")[0]
    with file.open(encoding="utf-8", errors="replace") as stream:
        line = stream.readline().strip()
        line = stream.readline().strip() if line.startswith("#!") else line
    marks = [mark for mark in COMMENTS if line.startswith(mark)]
    return line.removeprefix(marks[0]).removesuffix(" */") if marks else ""


if __name__ == "__main__":
    main()
