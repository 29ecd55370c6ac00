"""Real places at URIs: a web server with passwords, and an S3 of moto's in a process of its own."""

import base64
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

USER, PASSWORD = "ann", "hunter2secret"


class Door(SimpleHTTPRequestHandler):
    """Python's own file server; below /locked/ it asks for a password. It gives no parts of files."""

    def do_GET(self) -> None:
        """Answer, or ask who it is."""
        asked = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        if self.path.startswith("/locked/") and self.headers["Authorization"] != f"Basic {asked}":
            self.send_error(401)
        else:
            super().do_GET()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Takes as many callers at once as others do; Python's own takes five."""

    request_queue_size = 128


@contextmanager
def web(folder: Path) -> Iterator[str]:
    """Serve a folder; gives host and port."""
    with Server(("127.0.0.1", 0), partial(Door, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@contextmanager
def s3(log: Path) -> Iterator[dict[str, str]]:
    """Run an S3; gives the environment that leads clients there."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    keys = {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "word", "AWS_DEFAULT_REGION": "us-east-1"}
    command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as said:
        process = subprocess.Popen(command, stdout=said, stderr=said, env={**os.environ, **keys})
    try:
        address = f"http://127.0.0.1:{port}"
        _wait(address, process, log)
        yield {**keys, "AWS_ENDPOINT_URL": address}
    finally:
        process.terminate()
        process.wait()


def _wait(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    end = time.monotonic() + 60
    while True:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except OSError:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.1)
