"""G: answers are the same in every form and company, and the figures about them are true."""

import base64
import json
import random
import socket
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import httpx
import numpy as np
import pytest
import shapely

from contract.metrics import label_agreement
from serving.triton.environment import CHECKOUT
from tests.abuse.conftest import Seen
from tests.abuse.house import GOLDEN, House, running_house
from tests.abuse.test_slow import connect, read_all
from tests.serving.colours import draw_photo, encode, read_labels
from tests.serving.forms import READERS, labels_of

pytestmark = pytest.mark.triton

PICTURES = [
    path.read_bytes()
    for path in sorted((CHECKOUT / "docs" / "pictures").glob("*.jpg"))
    if path.stem in ("cat", "chelsea", "chickens", "cow", "dog", "horses", "pig", "sheep")
]


@pytest.mark.case("G2")
def test_g2_one_photo_in_every_form(house: House, seen: Seen) -> None:
    """Alone, in a batch, in a form, in JSON and in every format a photo has the same labels."""
    photo = encode(draw_photo(333, 517), "JPEG", quality=60)
    expected = read_labels(house.segment(photo).content)
    for name in READERS:
        answer = house.segment(photo, format=name)
        np.testing.assert_array_equal(labels_of(name, answer.content, answer.headers), expected)
    files = [("image", photo), ("image", GOLDEN), ("image", photo)]
    lines = house.client.post("/v1/segment:batch", files=files).text.splitlines()
    bodies = [base64.b64decode(json.loads(line)["base64"]) for line in lines]
    bodies.append(house.client.post("/v1/segment", files={"image": photo}).content)
    text = base64.b64encode(photo).decode()
    bodies.append(house.client.post("/v1/segment", json={"image": text}).content)
    for body in (bodies[0], bodies[2], *bodies[3:]):
        np.testing.assert_array_equal(read_labels(body), expected)
    seen(f"333 x 517: {', '.join(READERS)}, batch, form and JSON: 0 pixels differ")


@pytest.mark.abuse
@pytest.mark.case("G3")
def test_g3_company_changes_nothing(shipped: House, seen: Seen) -> None:
    """Each photo's mask is the same alone and in a crowd that Triton answers in batches."""
    alone = [shipped.segment(photo).content for photo in PICTURES]
    order = list(range(len(PICTURES))) * 12
    random.Random(0).shuffle(order)
    with ThreadPoolExecutor(24) as people:
        crowd = list(people.map(lambda index: shipped.segment(PICTURES[index]).content, order))
    agreements = [
        label_agreement(read_labels(alone[index]), read_labels(mask))
        for index, mask in zip(order, crowd, strict=True)
    ]
    assert min(agreements) >= 0.9999
    same = sum(alone[index] == mask for index, mask in zip(order, crowd, strict=True))
    seen(f"{same} of {len(order)} masks byte-identical, agreement {min(agreements):.6f} at least")


@pytest.mark.case("G4")
def test_g4_read_by_others(house: House, seen: Seen) -> None:
    """COCO's tools read the run lengths, GEOS the polygons, which are valid."""
    photo = encode(draw_photo(333, 517), "JPEG", quality=30)
    expected = read_labels(house.segment(photo).content)
    rle, geo = house.segment(photo, format="rle"), house.segment(photo, format="geojson")
    np.testing.assert_array_equal(labels_of("rle", rle.content, rle.headers), expected)
    features = geo.json()["features"]
    shapes = [shapely.from_geojson(json.dumps(feature["geometry"])) for feature in features]
    assert all(shape.is_valid for shape in shapes)
    assert [shape.area for shape in shapes] == [
        (expected == f["properties"]["category_id"]).sum() for f in features
    ]
    seen(
        "pycocotools: the same pixels; shapely: valid, the same areas; "
        "Label Studio's and CVAT's own forms are not offered"
    )


@pytest.mark.case("G5")
def test_g5_the_same_again(house: House, seen: Seen) -> None:
    """The same photo gets the same bytes each time; files of the page are asked about by their ETag."""
    assert len({house.segment(GOLDEN).content for _ in range(10)}) == 1
    first = house.client.get("/page/page.js")
    again = house.client.get("/page/page.js", headers={"If-None-Match": first.headers["etag"]})
    assert (first.status_code, again.status_code, again.content) == (200, 304, b"")
    seen("no cache of masks: 10 times the same bytes; the page's files: ETag, 304")


def _mixed(house: House, count: int) -> Counter[tuple[str, int]]:
    """Ask for this and that, eight at a time; gives how many answers there were by route and status."""
    damaged = GOLDEN[:200]
    kinds = (
        ("/v1/segment", {"content": GOLDEN}),
        ("/v1/segment", {"content": GOLDEN, "params": {"format": "rle"}}),
        ("/v1/segment", {"content": damaged}),
        ("/v1/segment", {"content": GOLDEN, "params": {"format": "gif"}}),
        ("/hf", {"content": GOLDEN}),
    )
    random_kinds = random.Random(0).choices(kinds, weights=(6, 2, 1, 1, 2), k=count)
    limits = httpx.Limits(max_connections=8)
    with (
        httpx.Client(base_url=house.address, limits=limits, timeout=60.0) as client,
        ThreadPoolExecutor(8) as people,
    ):
        answers = people.map(
            lambda kind: (kind[0], client.post(kind[0], **kind[1]).status_code), random_kinds
        )  # type: ignore[arg-type]
        return Counter(answers)


@pytest.mark.case("G6")
@pytest.mark.parametrize(
    "count", [300, pytest.param(10_000, marks=[pytest.mark.abuse, pytest.mark.timeout(1800)])]
)
def test_g6_counts_are_true(the_house: House, seen: Seen, count: int) -> None:
    """After many requests the server's counts are those of the client."""

    def counted() -> dict[tuple[str, int], float]:
        line = 'box2seg_requests_total{route="%s",status="%d"}'
        keys = [("/v1/segment", 200), ("/v1/segment", 400), ("/v1/segment", 406), ("/hf", 200)]
        return {key: the_house.metric(line % key) for key in keys}

    before = counted()
    tally = _mixed(the_house, count)
    after = counted()
    assert {key: after[key] - before[key] for key in after} == tally
    seen(
        f"{count:,} requests: "
        + ", ".join(f"{p} {s}: {n}" for (p, s), n in sorted(tally.items()))
        + ", all as counted"
    )


@pytest.mark.case("G8")
def test_g8_old_and_odd_http(house: House, seen: Seen) -> None:
    """HTTP/1.0, requests in a row without waiting, HEAD and OPTIONS are answered."""
    length = f"Content-Length: {len(GOLDEN)}\r\n"
    with connect(house.address) as connection:
        connection.sendall(f"POST /v1/segment HTTP/1.0\r\n{length}\r\n".encode() + GOLDEN)
        assert read_all(connection).startswith(b"HTTP/1.1 200 ")
    one = f"POST /v1/segment HTTP/1.1\r\nHost: x\r\n{length}".encode()
    with connect(house.address) as connection:
        last = one + b"Connection: close\r\n\r\n" + GOLDEN
        connection.sendall((one + b"\r\n" + GOLDEN) * 4 + last)
        assert read_all(connection).count(b"HTTP/1.1 200 ") == 5
    head = house.client.head("/v1/segment")
    options = house.client.options("/v1/segment")
    assert (head.status_code, options.status_code) == (405, 405)
    assert options.headers["allow"] == "POST"
    seen("HTTP/1.0: 200; 5 pipelined: 5 masks; HEAD and OPTIONS of /v1/segment: 405 with Allow")


@pytest.mark.case("G8")
def test_g8_ipv6(the_house: House, tmp_path_factory: pytest.TempPathFactory, seen: Seen) -> None:
    """The server listens on IPv6 where asked to, and gives the same mask."""
    if not _has_ipv6():
        pytest.skip("this machine has no IPv6")
    log = tmp_path_factory.mktemp("ipv6") / "gateway.log"
    words = ("--triton-url", the_house.triton_url, "--host", "::1")
    with running_house(log, the_house.repository, *words) as house:
        assert house.address.startswith("http://[::1]:")
        assert house.segment().content == the_house.segment().content
    seen("IPv6: the same mask")


def _has_ipv6() -> bool:
    with suppress(OSError), socket.create_server(("::1", 0), family=socket.AF_INET6):
        return True
    return False
