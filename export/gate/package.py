"""What may lie in a version's folder: one ONNX file of known operators and its manifest, nothing else."""

from collections.abc import Iterator
from pathlib import Path

import onnx
from onnx import AttributeProto, GraphProto, ModelProto, NodeProto, TensorProto

from contract.manifest import MANIFEST_FILE, MODEL_FILE, Manifest

DOMAINS = ("", "ai.onnx")
"""Operators of ONNX itself; any other needs a library of somebody's, which a server would have to load."""

SUFFIXES = (".onnx", ".json")

FOREIGN = {
    b"\x7fELF": "a shared library",
    b"MZ": "a Windows library",
    b"\xcf\xfa\xed\xfe": "a macOS library",
    b"\xca\xfe\xba\xbe": "a macOS library",
    b"PK\x03\x04": "an archive, or a pickled checkpoint",
    b"\x1f\x8b": "an archive",
    b"BZh": "an archive",
    b"\xfd7zXZ": "an archive",
    b"7z\xbc\xaf": "an archive",
    b"\x80\x02": "a pickle",
    b"\x80\x03": "a pickle",
    b"\x80\x04": "a pickle",
    b"\x80\x05": "a pickle",
}
"""What files begin with that have no business in a package, whatever they are called."""


def package_problems(folder: Path, manifest: Manifest) -> list[str]:
    """
    Say what is unsafe about a version's folder, a line each; nothing in it is run or unpacked.

    Args:
        folder: The version's folder.
        manifest: The one that lies in it.
    """
    problems = list(_file_problems(folder, set(manifest.files)))
    # What is a link or no ONNX at all is not opened.
    return problems or list(_graph_problems(folder / MODEL_FILE, set(manifest.files)))


def _file_problems(folder: Path, named: set[str]) -> Iterator[str]:
    if folder.is_symlink():
        yield f"{folder.name} is a symlink"
    yield from (f"the manifest names {name!r}, which leaves the folder" for name in named if _leaves(name))
    for path in sorted(folder.iterdir()):
        if path.is_symlink():
            yield f"{path.name} is a symlink"
        elif not path.is_file():
            yield f"{path.name} is no file"
        elif path.name not in {MANIFEST_FILE, *named}:
            yield f"{path.name} is not named by the manifest"
        elif path.suffix not in SUFFIXES:
            yield f"{path.name}: expected {' or '.join(SUFFIXES)}"
        elif kind := _foreign_kind(path):
            yield f"{path.name} is {kind}"


def _leaves(name: str) -> bool:
    return Path(name).name != name or name in ("", ".", "..") or "\\" in name


def _foreign_kind(path: Path) -> str | None:
    with path.open("rb") as stream:
        start = stream.read(8)
    return next((kind for magic, kind in FOREIGN.items() if start.startswith(magic)), None)


def _graph_problems(path: Path, named: set[str]) -> Iterator[str]:
    try:
        model = onnx.load(path, load_external_data=False)
    except Exception as error:  # protobuf's errors have no base that is known here
        yield f"{path.name} is no ONNX file ({_first_line(error)})"
        return
    problems = [*_operator_problems(model), *_weight_problems(model, named)]
    yield from (f"{path.name} {problem}" for problem in problems)
    if not problems:
        try:
            onnx.checker.check_model(model)
        except Exception as error:  # the checker's errors have no common base
            yield f"{path.name} is no valid ONNX ({_first_line(error)})"


def _operator_problems(model: ModelProto) -> Iterator[str]:
    own = {(function.domain, function.name) for function in model.functions}
    strangers = {
        f"{node.domain}.{node.op_type}"
        for node in _nodes(model)
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in own
    }
    yield from (f"needs the custom operator {name}" for name in sorted(strangers))


def _weight_problems(model: ModelProto, named: set[str]) -> Iterator[str]:
    for place in sorted(_external_places(model)):
        if _leaves(place) or place not in named:
            yield f"keeps weights in {place!r}, which is no file of this version"


def _nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Give all nodes: of the graph, of functions in the file, and of the graphs inside nodes."""
    waiting = [*model.graph.node, *(node for function in model.functions for node in function.node)]
    while waiting:
        node = waiting.pop()
        yield node
        waiting += [inner for graph in _inner_graphs(node) for inner in graph.node]


def _inner_graphs(node: NodeProto) -> Iterator[GraphProto]:
    for attribute in node.attribute:
        if attribute.type == AttributeProto.GRAPH:
            yield attribute.g
        yield from attribute.graphs


def _external_places(model: ModelProto) -> set[str]:
    """Give the files that tensors say they are kept in."""
    graphs = [model.graph, *(graph for node in _nodes(model) for graph in _inner_graphs(node))]
    tensors: list[TensorProto] = []
    for graph in graphs:
        tensors += graph.initializer
        for sparse in graph.sparse_initializer:
            tensors += [sparse.values, sparse.indices]
    for node in _nodes(model):
        for attribute in node.attribute:
            tensors += [attribute.t, *attribute.tensors]
    return {
        next((entry.value for entry in tensor.external_data if entry.key == "location"), "")
        for tensor in tensors
        if tensor.data_location == TensorProto.EXTERNAL
    }


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
