"""Lines of the log, for programs and for people."""

import json
import logging
import os
import sys

import pytest

from serving.logs import FACTS, REQUEST, JsonLines, TextLines


def line(message: str, *args: object, **more: object) -> logging.LogRecord:
    """Give a record as a logger would make it."""
    record = logging.LogRecord("box2seg.tests", logging.INFO, "file.py", 1, message, args, None)
    record.__dict__.update(more)
    return record


def test_json_lines_carry_facts_and_the_request() -> None:
    """A line is one JSON object with the message, the request's id and what was handed over apart."""
    before = REQUEST.set("mine-7")
    try:
        text = JsonLines().format(line("%s took\n%d", "it", 3, **{FACTS: {"status": 200, "key": None}}))
    finally:
        REQUEST.reset(before)
    assert "\n" not in text
    facts = json.loads(text)
    assert facts.pop("time").endswith("+00:00")
    assert facts == {
        "level": "info",
        "process": os.getpid(),
        "logger": "box2seg.tests",
        "message": "it took\n3",
        "request_id": "mine-7",
        "status": 200,
    }


def test_json_lines_hold_a_traceback_on_one_line() -> None:
    """What a bug leaves behind is one member of the object."""
    try:
        raise RuntimeError("bug")
    except RuntimeError:
        text = JsonLines().format(line("failed", exc_info=sys.exc_info()))
    assert "RuntimeError: bug" in json.loads(text)["traceback"]
    assert "\n" not in text


@pytest.mark.parametrize("message", ["it failed", "it failed for mine-7"])
def test_text_lines_name_the_request_once(message: str) -> None:
    """A line written while a request is answered names it."""
    before = REQUEST.set("mine-7")
    try:
        assert TextLines().format(line(message)).count("mine-7") == 1
    finally:
        REQUEST.reset(before)
