"""The page at /, in a real browser where there is one, and what it is made of."""

import json
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np
import pytest
from selenium.webdriver import Chrome, Keys

from contract.arrays import Uint8
from serving.engines.local import LocalEngine
from serving.keys import ADMIN, INFER, change_keys, make_key
from serving.routes.page import PAGE
from serving.settings import Settings
from tests.serving.browser import Page, chromium
from tests.serving.colours import CLASSES, draw_photo, encode, read_labels
from tests.serving.running import running_gateway

RED, BLUE = CLASSES.index("red"), CLASSES.index("blue")
IN_RED, IN_BLUE, IN_GREY = (0.2, 0.5), (0.7, 0.5), (0.45, 0.5)
"""Places in the drawn photo, in fractions of its width and height."""

READ_LABELS = """
const [bytes, done] = arguments;
import("/page/png.js")
  .then(({ readLabels }) => readLabels(new Blob([new Uint8Array(bytes)])))
  .then((read) => done({ ...read, labels: [...read.labels] }), (error) => done({ error: String(error) }));
"""


def filtered_png(labels: Uint8, depth: int) -> bytes:
    """Give an indexed PNG with so many bits per pixel, in whose rows PNG's five filters take turns."""
    bits = np.unpackbits(labels[..., None], axis=2)[..., 8 - depth :]
    rows = np.packbits(bits.reshape(len(labels), -1), axis=1).astype(int)
    up, left, corner = np.zeros_like(rows), np.zeros_like(rows), np.zeros_like(rows)
    up[1:], left[:, 1:], corner[1:, 1:] = rows[:-1], rows[:, :-1], rows[:-1, :-1]
    guesses = np.stack([np.zeros_like(rows), left, up, (left + up) // 2, paeth(left, up, corner)])
    filters = np.arange(len(rows)) % 5
    filtered = (rows - guesses[filters, np.arange(len(rows))]) % 256
    raw = np.concatenate([filters[:, None], filtered], axis=1).astype(np.uint8).tobytes()
    header = struct.pack(">IIBBBBB", labels.shape[1], labels.shape[0], depth, 3, 0, 0, 0)
    halves = zlib.compress(raw)[:9], zlib.compress(raw)[9:]
    chunks = ((b"IHDR", header), (b"PLTE", bytes(3 * 2**depth)), *((b"IDAT", half) for half in halves))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        for kind, content in (*chunks, (b"IEND", b""))
    )


def paeth(left: np.ndarray, up: np.ndarray, corner: np.ndarray) -> np.ndarray:
    """Give the neighbour that is nearest to left + up - corner, as PNG's specification has it."""
    guess = left + up - corner
    away = np.abs(np.stack([left, up, corner]) - guess)  # the first of equals wins, as there
    return np.choose(away.argmin(axis=0), [left, up, corner])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the browser keeps what it writes, downloads too."""
    return tmp_path_factory.mktemp("chromium")


@pytest.fixture(scope="module")
def browser(folder: Path) -> Iterator[Chrome]:
    """One Chromium for this file's tests."""
    with chromium(folder) as browser:
        yield browser


@pytest.fixture
def page(browser: Chrome, gateway: str) -> Page:
    """The page as it is when somebody comes to it."""
    return Page(browser, gateway)


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A photo with a red rectangle at the left and a blue one at the right."""
    path = tmp_path / "drawn.png"
    path.write_bytes(encode(draw_photo()))
    return path


def test_mask_and_legend_tell_what_the_server_told(client: httpx.Client, page: Page, photo: Path) -> None:
    """The mask lies over the photo in the classes' colours; areas are those of the RLE answer."""
    page.choose(photo)
    told = client.post("/v1/segment?format=rle", content=photo.read_bytes()).json()
    areas = {each["label"]: each["area"] for each in told["annotations"]}
    assert page.areas() == areas | {"background": 64 * 96 - sum(areas.values())}
    assert "Not in this photo: green." in page.part("#absent").text
    tint = page.painted("#tint")
    for (x, y), expected in {
        IN_RED: (*CLASSES.colours[RED], 255),
        IN_BLUE: (*CLASSES.colours[BLUE], 255),
        IN_GREY: (0, 0, 0, 0),
    }.items():
        height, width, _ = tint.shape
        assert tuple(tint[int(y * height), int(x * width)]) == expected
    shown = page.painted("#photo")
    np.testing.assert_array_equal(shown[..., :3], draw_photo())
    assert page.part("#model-name").text == "model box2seg, version 1"
    assert {"decode", "infer", "encode"} <= {each.text for each in page.parts("#times dt")}


def test_pointing_names_the_class(page: Page, photo: Path) -> None:
    """The class under the pointer stands beside it, and its row in the legend is marked."""
    page.choose(photo)
    for place, name in ((IN_RED, "red"), (IN_BLUE, "blue"), (IN_GREY, "background")):
        page.point(*place)
        assert page.part("#tip").text == name
        assert [page.name_of(row) for row in page.parts("#legend .marked")] == [name]
    assert re.fullmatch("background at 4[23], 3[12]", page.part("#reading").text)  # whole screen pixels


def test_a_class_is_switched_off_and_on(page: Page, photo: Path) -> None:
    """A press on a class takes its pixels from the mask, another brings them back; opacity is a slider."""
    page.choose(photo)
    for pressed in ("false", "true"):
        page.part(f"#legend [data-label='{RED}'] button").click()
        assert page.part(f"#legend [data-label='{RED}'] button").get_attribute("aria-pressed") == pressed
        tint = page.painted("#tint")
        assert (tint[..., :3] == CLASSES.colours[RED]).all(axis=2).any() == (pressed == "true")
    page.part("#opacity").send_keys(Keys.HOME)
    assert page.part("#tint").value_of_css_property("opacity") == "0"


def test_keys_alone_are_enough(page: Page) -> None:
    """By tabulator, Enter and arrows a sample is segmented and its pixels are read out."""
    page.part("#legend li")
    page.tab_to("[data-sample]")
    page.press(Keys.ENTER)
    page.until(page.has_mask)
    page.tab_to("#picture")
    page.press(Keys.ARROW_RIGHT, Keys.ARROW_DOWN)
    assert re.fullmatch(r"\w+ at \d+, \d+", page.part("#reading").text)
    assert page.part("#cross").is_displayed()
    page.press(Keys.ESCAPE)
    assert not page.part("#cross").is_displayed()


def test_every_format_downloads(client: httpx.Client, page: Page, photo: Path, folder: Path) -> None:
    """Each format of the model's card has a button that saves what the server answers."""
    page.choose(photo)
    card = client.get("/v1/models/box2seg").json()
    buttons = page.parts("#downloads button")
    assert [each.get_attribute("data-format") for each in buttons] == card["formats"]
    for button in buttons:
        page.until(button.is_enabled)
        button.click()
    names = {f"drawn_{name if '.' + name != end else 'mask'}{end}" for name, end in card["suffixes"].items()}
    page.until(lambda: names <= {path.name for path in folder.iterdir()})
    answer = client.post("/v1/segment?format=rle", content=photo.read_bytes())
    assert json.loads((folder / "drawn_rle.json").read_text()) == answer.json()
    labels = read_labels((folder / "drawn_mask.png").read_bytes())
    assert (labels[32, 20], labels[32, 70]) == (RED, BLUE)


def test_nothing_leaves_the_origin(gateway: str, page: Page, browser: Chrome, photo: Path) -> None:
    """By Chromium's own log, the page and /docs ask this server alone, and break no rule of theirs."""
    page.choose(photo)
    browser.get(f"{gateway}/docs")
    page.part(".opblock-summary-path")
    asked = [url for url in page.requests() if not url.startswith(("data:", "blob:", "chrome"))]
    assert {"/", "/v1/models", "/docs", "/openapi.json"} <= {httpx.URL(url).path for url in asked}
    assert all(url.startswith(f"{gateway}/") for url in asked), asked
    severe = [entry["message"] for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    assert [each for each in severe if "Content Security Policy" in each] == []


def test_narrow_screens_do_not_scroll_sideways(page: Page, photo: Path) -> None:
    """At 360 pixels the page fits, empty and with a mask."""
    page.width(360)
    try:
        for step in (lambda: None, lambda: page.choose(photo)):
            step()
            wide = page.browser.execute_script("return document.documentElement.scrollWidth")
            assert wide <= 360
    finally:
        page.width(0)


def test_trouble_is_said_in_the_servers_words(page: Page, tmp_path: Path) -> None:
    """A bad photo is answered with the problem's sentence and its hint; the next photo is fine."""
    bad = tmp_path / "bad.png"
    bad.write_bytes(b"hello")
    page.part("#file").send_keys(str(bad))
    page.until(lambda: page.part("#trouble").is_displayed())
    assert page.part("#trouble-title").text == "Invalid image"
    assert page.part("#trouble-detail").text == "The bytes are no image. Send JPEG, PNG, WebP or BMP."
    page.part("[data-sample]").click()
    page.until(page.has_mask)
    assert not page.part("#trouble").is_displayed()


@dataclass(frozen=True)
class Keyed:
    """A gateway with keys, and two that it knows: one to infer, and one for metrics alone."""

    address: str
    infer: str
    admin: str


@pytest.fixture(scope="module")
def keyed(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Keyed]:
    """A running one."""
    file = tmp_path_factory.mktemp("keys") / "keys.json"
    made = [make_key(scope, (scope,)) for scope in (INFER, ADMIN)]
    change_keys(file, lambda _: [key for key, _ in made])
    settings = Settings(engine="local", repository=repository, keys_file=file)
    with running_gateway(settings, LocalEngine()) as address:
        yield Keyed(address, *(token for _, token in made))


def test_a_server_with_keys_is_asked_with_one(browser: Chrome, keyed: Keyed, photo: Path) -> None:
    """Where the server wants a key a field asks for it until one opens; that is kept in the tab alone."""
    page = Page(browser, keyed.address)
    for title, key in (
        ("The server wants a key", "wrong"),
        ("This key was not accepted", "ключ"),
        ("This key was not accepted", keyed.admin),
        ("Scope missing", keyed.infer),
    ):
        page.until(lambda title=title: page.part("#trouble-title").text == title)
        page.until(page.part("#key").is_displayed)
        browser.execute_script("document.getElementById('trouble-title').textContent = ''")
        page.part("#key").send_keys(key, Keys.ENTER)
    page.until(lambda: not page.part("#trouble").is_displayed() and page.part("#model-name").text)
    page.choose(photo)
    assert browser.execute_script("return sessionStorage.getItem('box2seg-key')") == keyed.infer
    page.part("#forget").click()
    assert browser.execute_script("return sessionStorage.length") == 0


def test_docs_ask_with_a_key(browser: Chrome, keyed: Keyed) -> None:
    """On /docs the Authorize button takes a key, with which what is tried out is then answered."""
    page = Page(browser, keyed.address)
    browser.get(f"{keyed.address}/docs")
    page.part("#operations-models-list_models .opblock-summary-control").click()
    page.part("#operations-models-list_models .try-out__btn").click()
    for status in ("401", "200"):
        if status == "200":
            page.part(".auth-wrapper > .authorize").click()
            page.part("#auth-bearer-value").send_keys(keyed.infer)
            page.part(".auth-container .authorize").click()
            page.part(".auth-container .btn-done").click()
        page.part("#operations-models-list_models .execute").click()
        page.until(
            lambda status=status: (
                [each.text for each in page.parts(".live-responses-table .response .response-col_status")]
                == [status]
            )
        )


@pytest.mark.parametrize("depth", [1, 2, 4, 8])
def test_labels_are_read_from_any_indexed_png(page: Page, depth: int) -> None:
    """The page reads labels exactly, whichever row filters and however few bits the PNG has."""
    labels = np.random.default_rng(depth).integers(0, 2**depth, (10, 21), np.uint8)
    read = page.browser.execute_async_script(READ_LABELS, list(filtered_png(labels, depth)))
    assert (read["height"], read["width"]) == labels.shape
    assert read["labels"] == labels.ravel().tolist()


@pytest.mark.parametrize("path", ["/", "/docs"])
def test_the_browser_is_told_to_stay_here(client: httpx.Client, path: str) -> None:
    """Both pages forbid their browser all but this origin, and name no other."""
    answer = client.get(path)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert not re.search(r"https?:|\*|unsafe", policy)
    assert "//" not in answer.text


def test_all_that_the_page_names_is_there(client: httpx.Client) -> None:
    """Scripts, style, pictures and modules are served, by paths that also work below a prefix."""
    text = "".join((PAGE / name).read_text() for name in ("index.html", "docs.html"))
    named = set(re.findall(r'(?:src|href|data-sample)="([^"]+)"', text))
    modules = {f"page/{name}" for name in re.findall(r'from "\./(.+?)"', (PAGE / "page.js").read_text())}
    assert len(named) > 10
    for path in named | modules:
        assert not path.startswith("/")
        assert client.get(f"/{path}").status_code == 200, path


def test_every_sample_names_its_source() -> None:
    """Each photo that comes with the page is offered with its maker and terms."""
    offered = re.findall(
        r'data-sample="page/(.+?)">.*?<small>(.+?), (CC0|public domain)<',
        (PAGE / "index.html").read_text(),
        re.S,
    )
    assert {path for path, *_ in offered} == {f"samples/{path.name}" for path in PAGE.glob("samples/*.jpg")}
