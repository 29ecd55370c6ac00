"""Whether a candidate can take the live version's place without its clients noticing: tensors and classes."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from contract.arrays import Uint8
from contract.classes import BACKGROUND, IGNORE, ClassMap
from contract.errors import ConfigurationError
from contract.manifest import MODEL_FILE, Manifest, Tensor
from export.onnx import read_tensors

Pairs = tuple[tuple[str, str], ...]
"""A class of the live version, and what the candidate calls it."""

KINDS = ("inputs", "outputs")


def parse_mapping(words: Iterable[str]) -> Pairs:
    """
    Read "old=new" words: what a class of the live version is called by the candidate.

    Raises:
        ConfigurationError: If a word is none.
    """
    pairs = []
    for word in words:
        old, _, new = word.partition("=")
        if not (old and new):
            raise ConfigurationError(f"--map {word!r}: expected OLD=NEW", hint="--map kitten=cat")
        pairs.append((old, new))
    return tuple(pairs)


def tensor_problems(candidate: Manifest, folder: Path, live: Manifest | None) -> list[str]:
    """Say where a candidate's tensors differ from its own file's, or from the live version's."""
    try:
        own = read_tensors(folder / MODEL_FILE)
    except (KeyError, ValueError, TypeError):
        return ["an input or output is no tensor"]
    stated = (candidate.inputs, candidate.outputs)
    problems = [
        f"{kind} are {_words(there)}, the manifest says {_words(said)}"
        for kind, said, there in zip(KINDS, stated, own, strict=True)
        if said != there
    ]
    now = (live.inputs, live.outputs) if live else stated
    return problems + [
        f"{kind} are {_words(said)}, the live version's {_words(before)}"
        for kind, said, before in zip(KINDS, stated, now, strict=True)
        if said != before
    ]


def class_problems(candidate: ClassMap, live: ClassMap, pairs: Pairs) -> list[str]:
    """
    Say which labels mean something else than before, and are not mapped.

    A label may mean another class where a pair says so: ("old", "new") for one renamed or moved,
    ("old", "background") for one that is gone, and ("background", "new") for one that is added.
    """
    mapped, reached = {old for old, _ in pairs}, {new for _, new in pairs}
    problems = [
        *(f"--map {old}=: no class of the live version" for old in sorted(mapped - {*live.names})),
        *(f"--map ={new}: no class of the candidate" for new in sorted(reached - {*candidate.names})),
    ]
    for label in range(max(len(live), len(candidate))):
        old, new = _name(live, label), _name(candidate, label)
        if old == new:
            continue
        if old is not None and old not in mapped:
            problems.append(f"label {label} was {old}, is {new or 'no class'}")
        elif new is not None and new not in reached and new not in live.names:
            problems.append(f"label {label} is new, {new}")
    return problems


def translation(live: ClassMap, candidate: ClassMap, pairs: Pairs) -> Uint8:
    """
    Give the table (256,) uint8 from the live version's labels to the candidate's.

    A class without a counterpart is background there; background stays what it is.
    """
    renamed = {old: new for old, new in pairs if old != live.names[BACKGROUND]}
    table = np.full(IGNORE + 1, BACKGROUND, dtype=np.uint8)
    for label, name in enumerate(live.names):
        wanted = renamed.get(name, name)
        if wanted in candidate.names:
            table[label] = candidate.names.index(wanted)
    return table


def _name(classes: ClassMap, label: int) -> str | None:
    return classes.names[label] if label < len(classes) else None


def _words(tensors: Sequence[Tensor]) -> str:
    return ", ".join(f"{each.name} {each.dtype} {list(each.shape)}" for each in tensors)
