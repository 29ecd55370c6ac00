"""Log lines for people, or for programs: one JSON object a line. Each names the request that it is about."""

import datetime
import json
import logging
from contextvars import ContextVar

REQUEST: ContextVar[str | None] = ContextVar("request", default=None)
"""The id of the request that is answered now."""

FACTS = "facts"
"""The name under which a line's `extra` carries what a program wants apart."""


class TextLines(logging.Formatter):
    """Lines for people."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s")

    def format(self, record: logging.LogRecord) -> str:
        """Add the request's id where the line does not say it itself."""
        line, request = super().format(record), REQUEST.get()
        return line if request is None or request in line else f"{line} [{request}]"


class JsonLines(logging.Formatter):
    """Lines for programs."""

    def format(self, record: logging.LogRecord) -> str:
        """Give one JSON object without line breaks."""
        facts = {
            "time": datetime.datetime.fromtimestamp(record.created, datetime.UTC).isoformat(),
            "level": record.levelname.lower(),
            "process": record.process,
            "logger": record.name,
            "message": record.getMessage(),
            "request_id": REQUEST.get(),
            **getattr(record, FACTS, {}),
        }
        if record.exc_info:
            facts["traceback"] = self.formatException(record.exc_info)
        return json.dumps({name: value for name, value in facts.items() if value is not None})


def install_logs(form: str) -> None:
    """
    Send the log to standard error.

    Args:
        form: "text" or "json".
    """
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines() if form == "json" else TextLines())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
