"""A gateway on a free port, in a thread of the test's process."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from serving.app import create_app
from serving.engines import Engine
from serving.routes.server import GatewayServer
from serving.settings import Settings


@contextmanager
def running_gateway(settings: Settings, engine: Engine) -> Iterator[str]:
    """Run a gateway on a free port, in a thread of its own; gives its address."""
    server = GatewayServer(create_app(settings, engine), port=0)
    thread = threading.Thread(target=asyncio.run, args=[server.serve()])
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the gateway did not start"
            thread.join(0.01)
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
