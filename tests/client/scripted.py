"""A real HTTP server that answers what it was told to, in turn, and keeps what it was asked."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(frozen=True)
class Said:
    """One answer; `after_s` is how long it takes."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    after_s: float = 0.0


@dataclass
class Script:
    """What is answered, the last one again and again; and what was asked, with the time."""

    answers: list[Said]
    address: str = ""
    asked: list[tuple[float, str, dict[str, str]]] = field(default_factory=list)

    def next_answer(self, path: str, headers: dict[str, str]) -> Said:
        """Note a question and give its answer."""
        self.asked.append((time.monotonic(), path, headers))
        return self.answers[min(len(self.asked), len(self.answers)) - 1]


@contextmanager
def scripted(*answers: Said) -> Iterator[Script]:
    """Run a server that gives these answers."""
    script = Script(list(answers))

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            said = script.next_answer(
                self.path, {name.lower(): value for name, value in self.headers.items()}
            )
            time.sleep(said.after_s)
            self.send_response(said.status)
            for name, value in {"content-length": str(len(said.body)), **said.headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(said.body)

        do_GET = do_POST = answer  # noqa: N815 # so http.server calls them

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}).start()
    script.address = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield script
    finally:
        server.shutdown()
        server.server_close()
