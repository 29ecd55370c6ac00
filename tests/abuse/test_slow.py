"""B1, B3, B4: bodies too long, headers and bodies too slow, answers that nobody reads."""

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import urlsplit

import httpx
import pytest

from serving.engines.local import LocalEngine
from serving.settings import Settings
from tests.abuse.test_time import metric, until
from tests.serving.colours import draw_photo, encode, publish_colours
from tests.serving.running import running_gateway

PHOTO = encode(draw_photo())
LIMIT = 100_000
POST = "POST /v1/segment HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A gateway with little patience."""
    repository = tmp_path_factory.mktemp("repository")
    publish_colours(repository)
    settings = Settings(
        engine="local",
        repository=repository,
        max_body_bytes=LIMIT,
        header_timeout_s=1.5,
        receive_timeout_s=2.0,
        write_timeout_s=2.0,
    )
    with running_gateway(settings, LocalEngine()) as address:
        yield address


@pytest.fixture(autouse=True)
def server_goes_on(address: str) -> Iterator[None]:
    """After each abuse the server is ready and gives the same mask as before."""
    before = httpx.post(f"{address}/v1/segment", content=PHOTO, timeout=30.0).content
    yield
    until(lambda: httpx.get(f"{address}/readyz", timeout=30.0).status_code == 200, timeout_s=5.0)
    assert httpx.post(f"{address}/v1/segment", content=PHOTO, timeout=30.0).content == before


def connect(address: str) -> socket.socket:
    """Open a connection without a client's help."""
    host, _, port = urlsplit(address).netloc.partition(":")
    return socket.create_connection((host, int(port)), timeout=20.0)


def read_all(connection: socket.socket) -> bytes:
    """Read until the server hangs up."""
    parts = []
    try:
        while part := connection.recv(65_536):
            parts.append(part)
    except ConnectionResetError:
        pass
    return b"".join(parts)


def test_b1_length_over_the_limit_is_refused_unread(address: str) -> None:
    """B1: one byte more than the limit is 413 by its Content-Length, before a byte of it was sent."""
    with connect(address) as connection:
        connection.sendall(f"{POST}Content-Length: {LIMIT + 1}\r\n\r\n".encode())
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_b1_body_over_the_limit_is_refused_while_it_comes(address: str) -> None:
    """B1: without a length the answer is there when the limit is passed, though more was to come."""
    with connect(address) as connection:
        connection.sendall(f"{POST}Transfer-Encoding: chunked\r\n\r\n".encode())
        for _ in range(11):
            connection.sendall(b"2710\r\n" + bytes(10_000) + b"\r\n")
        assert connection.recv(65_536).startswith(b"HTTP/1.1 413 ")


def test_b3_slow_headers_are_cut(address: str) -> None:
    """B3: headers a byte at a time end with 408 after the time for headers, however busy they look."""
    with connect(address) as connection:
        begin = time.monotonic()
        for byte in POST.encode():
            try:
                connection.sendall(bytes([byte]))
            except OSError:
                break
            time.sleep(0.1)
        answer = read_all(connection)
        assert 1.0 < time.monotonic() - begin < 10.0
    assert not answer or json.loads(answer.partition(b"\r\n\r\n")[2])["status"] == 408


def test_b3_silence_is_cut(address: str) -> None:
    """B3: a connection on which nothing is ever said is closed without a word."""
    with connect(address) as connection:
        assert read_all(connection) == b""


def test_b3_slow_body_is_408(address: str) -> None:
    """B3: a body a byte at a time is 408 after its time, and the connection ends with it."""
    with connect(address) as connection:
        connection.sendall(f"{POST}Content-Length: 1000\r\n\r\n".encode())
        begin = time.monotonic()
        for _ in range(40):
            try:
                connection.sendall(b"x")
            except OSError:
                break
            time.sleep(0.1)
        answer = read_all(connection)
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b"body-too-slow" in answer
    assert b"connection: close" in answer.lower()
    assert time.monotonic() - begin < 10.0


def test_b3_a_crowd_of_slow_clients_keeps_nobody_waiting(address: str) -> None:
    """B3: beside 200 connections that send next to nothing, photos are segmented as before."""
    with ThreadPoolExecutor(20) as people:
        crowd = list(people.map(connect, [address] * 200))
        for connection in crowd[:100]:
            connection.sendall(b"POST /v1/seg")
        for connection in crowd[100:]:
            connection.sendall(f"{POST}Content-Length: 1000\r\n\r\nx".encode())
        assert httpx.post(f"{address}/v1/segment", content=PHOTO, timeout=30.0).status_code == 200
        answers = list(people.map(read_all, crowd))
    assert sum(b" 408 " in answer for answer in answers) >= 190
    for connection in crowd:
        connection.close()


def test_b3_endless_headers_are_431(address: str) -> None:
    """B3, B6: headers without end are refused when they are longer than any browser's."""
    with connect(address) as connection:
        connection.sendall(POST.encode() + b"X-Long: ")
        try:
            for _ in range(1000):
                connection.sendall(b"x" * 1000)
        except OSError:
            pass
        answer = read_all(connection)
        assert b" 431 " in answer[:20]
        assert b"\r\nX-Request-Id: " in answer


def test_what_is_no_http_gets_a_problem_document(address: str) -> None:
    """Bytes that are no request are refused in the form of all refusals."""
    with connect(address) as connection:
        connection.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        head, _, body = read_all(connection).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in head
    assert json.loads(body)["error"]


def test_b4_answer_that_nobody_reads_is_cut(address: str) -> None:
    """B4: a client that never reads its mask loses its connection after the time to read; others go on."""
    cut = 'box2seg_connections_cut_total{slow="reading"}'
    before = metric(address, cut)
    host, _, port = urlsplit(address).netloc.partition(":")
    with socket.socket() as connection:
        # A small window from the start: the kernels would hold a whole mask otherwise.
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.connect((host, int(port)))
        question = "GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 4000
        connection.sendall(question.encode())
        until(lambda: metric(address, cut) > before, timeout_s=60.0)


def test_slow_but_steady_readers_are_served(address: str) -> None:
    """An answer that is read within its time comes whole."""
    with httpx.stream("GET", f"{address}/openapi.json", timeout=30.0) as answer:
        parts = []
        for part in answer.iter_raw(1024):
            parts.append(part)
            time.sleep(0.02)
    assert json.loads(b"".join(parts))["openapi"]
