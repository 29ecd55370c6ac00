import inspect
import pickle

import pytest

from contract import errors
from contract.errors import AnnotationError, Box2SegError, ShapeError

OURS = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, Box2SegError)]


def test_a_hint_follows_the_message() -> None:
    """What a user reads is the message, and the hint on a line of its own."""
    error = Box2SegError("image has 61 pixels, the limit is 25", hint="send a smaller image")
    assert str(error) == "image has 61 pixels, the limit is 25\n  hint: send a smaller image"
    assert str(Box2SegError("no hint")) == "no hint"


def test_an_annotation_error_names_its_file() -> None:
    """An annotation error begins with the file to look at."""
    assert str(AnnotationError("cat.xml", "no size")) == "cat.xml: no size"


def test_a_shape_error_says_expected_and_got() -> None:
    """A shape error holds both shapes."""
    assert str(ShapeError("labels", expected="(4, 4)", got="(4, 5)")) == "labels: expected (4, 4), got (4, 5)"


@pytest.mark.parametrize("kind", OURS, ids=lambda kind: kind.__name__)
def test_the_tree_in_the_docstring_is_whole(kind: type[Box2SegError]) -> None:
    """Every error of ours stands in the docstring's tree, below its parent."""
    tree = (errors.__doc__ or "").splitlines()
    (line,) = [number for number, text in enumerate(tree) if kind.__name__ in text.split()]
    if kind is not Box2SegError:
        assert _parent(tree, line) == kind.__bases__[0].__name__


def _parent(tree: list[str], line: int) -> str:
    depth = [len(text) - len(text.lstrip(" │├└─")) for text in tree]
    return next(
        tree[above].split("─ ")[-1].split()[0]
        for above in reversed(range(line))
        if depth[above] < depth[line]
    )


def test_errors_come_back_from_worker_processes() -> None:
    """An error survives pickling with its class, message and hint."""
    error = pickle.loads(pickle.dumps(AnnotationError("a.xml", "broken", hint="mend it")))
    assert isinstance(error, AnnotationError)
    assert str(error) == "a.xml: broken\n  hint: mend it"
