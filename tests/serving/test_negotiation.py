"""Accept headers, and what is chosen by them."""

import httpx
import pytest

from contract.errors import UnknownFormat
from serving.formats import FORMATS
from serving.routes.negotiation import choose_format
from tests.serving.colours import draw_photo, encode
from tests.serving.test_problems import check_problem

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8"
FIREFOX = "image/avif,image/webp,image/png,image/svg+xml,image/*;q=0.8,*/*;q=0.5"

TABLE = {
    "nothing": ("", "png"),
    "anything": ("*/*", "png"),
    "chrome": (CHROME, "png"),
    "firefox": (FIREFOX, "png"),
    "any image": ("image/*", "png"),
    "jpeg": ("image/jpeg", "overlay"),
    "json": ("application/json", "rle"),
    "geojson": ("application/geo+json", "geojson"),
    "npy": ("application/x-npy", "npy"),
    "npz": ("application/x-npz", "npz"),
    "octets": ("application/octet-stream", "raw"),
    "profile": ("image/png;profile=overlay", "overlay-png"),
    "quoted profile": ('image/png; profile="confidence"', "confidence"),
    "charset": ("application/json; charset=utf-8", "rle"),
    "upper case": ("IMAGE/PNG", "png"),
    "better liked": ("image/png;q=0.5, application/json", "rle"),
    "equally liked": ("application/json, image/png", "png"),
    "anything but png": ("image/png;q=0, */*", "overlay"),
    "the precise range counts": ("image/*, image/png;q=0.1", "overlay"),
    "unknown first": ("text/csv, application/x-npy;q=0.2", "npy"),
    "broken parts": ("nonsense, image/jpeg;q=nan, ;q=1, application/json;q=0.001", "rle"),
}

REFUSED = ["text/csv", "image/gif, text/*", "image/png;q=0", "*/*;q=0", "nonsense", "image/png;profile=other"]


@pytest.mark.parametrize("case", TABLE)
def test_accept_decides(case: str) -> None:
    """The client's best liked form is taken; of equally liked ones the first that there is."""
    accept, name = TABLE[case]
    assert choose_format(None, accept) is FORMATS[name]


@pytest.mark.parametrize("accept", REFUSED)
def test_what_there_is_not_is_refused(accept: str) -> None:
    """An Accept header that allows nothing we have is refused with all there is."""
    with pytest.raises(UnknownFormat) as refused:
        choose_format(None, accept)
    assert all(form.media_type in str(refused.value.hint) for form in FORMATS.values())


def test_a_name_overrides_accept() -> None:
    """`?format=` goes before Accept, even where that would refuse it."""
    assert choose_format("npy", "text/csv") is FORMATS["npy"]


def test_negotiation_through_the_gateway(client: httpx.Client) -> None:
    """The answer's Content-Type is what was accepted, and caches are told what it depends on."""
    photo = encode(draw_photo())
    for accept in ("image/png", "application/geo+json", "image/png;profile=overlay"):
        answer = client.post("/v1/segment", content=photo, headers={"Accept": accept})
        assert answer.status_code == 200
        assert answer.headers["content-type"] == accept
        assert answer.headers["vary"] == "Accept"


def test_not_acceptable_is_a_problem(client: httpx.Client) -> None:
    """Accept: text/csv gets a 406 that lists the media types; several headers count as one."""
    photo = encode(draw_photo())
    answer = client.post("/v1/segment", content=photo, headers={"Accept": "text/csv"})
    assert "application/geo+json" in str(check_problem(answer, 406, "unknown-format")["hint"])
    two = [("Accept", "text/csv"), ("Accept", "application/x-npy")]
    answer = client.post("/v1/segment", content=photo, headers=two)
    assert answer.headers["content-type"] == "application/x-npy"
