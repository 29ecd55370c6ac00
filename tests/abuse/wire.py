"""A wire between the gateway and Triton that can be slow, and that can forget what goes over it."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

HOST = "127.0.0.1"


class Wire:
    """
    Passes bytes on to a port of this machine.

    Args:
        port: Where to.
    """

    def __init__(self, port: int) -> None:
        self.delay_s = 0.0
        self.url = ""
        self._port = port
        self._alive: list[asyncio.Event] = []
        self._ends: list[asyncio.StreamWriter] = []

    def forget(self) -> None:
        """Lose all that goes over the connections there are, without a word to either end."""
        for each in self._alive:
            each.clear()

    async def run(self, ready: threading.Event) -> None:
        """Pass on until cancelled."""
        server = await asyncio.start_server(self._connect, HOST, 0)
        self.url = f"{HOST}:{server.sockets[0].getsockname()[1]}"
        ready.set()
        try:
            await server.serve_forever()
        finally:
            for each in self._ends:
                each.transport.abort()
            await asyncio.sleep(0.1)  # all tasks notice

    async def _connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        alive = asyncio.Event()
        alive.set()
        self._alive.append(alive)
        with suppress(OSError):
            beyond = await asyncio.open_connection(HOST, self._port)
            self._ends += [writer, beyond[1]]
            await asyncio.gather(
                self._pass_on(reader, beyond[1], alive), self._pass_on(beyond[0], writer, alive)
            )

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, alive: asyncio.Event
    ) -> None:
        on_its_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()
        arriving = asyncio.create_task(_arrive(on_its_way, writer, alive))
        clock = asyncio.get_running_loop().time
        with suppress(OSError):
            while data := await reader.read(65_536):
                on_its_way.put_nowait((clock() + self.delay_s, data))
        await asyncio.sleep(self.delay_s)
        arriving.cancel()
        if alive.is_set():
            writer.close()


async def _arrive(
    on_its_way: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter, alive: asyncio.Event
) -> None:
    clock = asyncio.get_running_loop().time
    while True:
        at, data = await on_its_way.get()
        await asyncio.sleep(at - clock())
        if alive.is_set():
            writer.write(data)


@contextmanager
def running_wire(port: int) -> Iterator[Wire]:
    """Run a wire in a thread of its own."""
    wire, ready = Wire(port), threading.Event()
    loop = asyncio.new_event_loop()
    task = loop.create_task(wire.run(ready))

    def run() -> None:
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(task)

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert ready.wait(10)
        yield wire
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join()
        loop.close()
