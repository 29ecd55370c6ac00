"""Debian's Chromium without a window, and the page in it as a person uses it."""

import base64
import io
import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, Keys
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from contract.arrays import Uint8

PATIENCE_S = 90.0
OPTIONS = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-component-update",
    "--disable-background-networking",
    "--disable-sync",
    "--window-size=1300,900",
)


@contextmanager
def chromium(folder: Path) -> Iterator[Chrome]:
    """Run a fresh Chromium that keeps all it writes in this folder; skips where there is none."""
    program, driver = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver is None:
        pytest.skip("needs Chromium; on Debian: apt-get install chromium chromium-driver")
    options = ChromeOptions()
    options.binary_location = program
    for option in (*OPTIONS, f"--user-data-dir={folder / 'profile'}"):
        options.add_argument(option)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    browser = Chrome(options, Service(driver))
    try:
        browser.execute_cdp_cmd(
            "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(folder)}
        )
        yield browser
    finally:
        browser.quit()


class Page:
    """
    The page at /, opened anew.

    Args:
        browser: Shows it.
        gateway: Its address.
    """

    def __init__(self, browser: Chrome, gateway: str) -> None:
        self.browser = browser
        browser.get(f"{gateway}/")

    def part(self, selector: str) -> WebElement:
        """Give the first part that a CSS selector names, as soon as it is there."""
        return self.until(lambda: self.parts(selector))[0]

    def parts(self, selector: str) -> list[WebElement]:
        """Give all parts that a CSS selector names."""
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def until(self, fact: Callable[[], Any]) -> Any:
        """Wait until a fact holds, and give it."""
        return WebDriverWait(self.browser, PATIENCE_S, 0.1).until(lambda _: fact())

    def choose(self, file: Path) -> None:
        """Choose a photo's file and wait for its mask."""
        self.part("#file").send_keys(str(file))
        self.until(self.has_mask)

    def has_mask(self) -> bool:
        """Tell whether a mask is shown and nothing is under way."""
        return self.part("#downloads-part").is_displayed() and not self.part("#busy").is_displayed()

    def areas(self) -> dict[str, int]:
        """Give the pixels of each class in the legend, by its name."""
        rows = self.parts("#legend li")
        return {self.name_of(row): int(str(row.get_attribute("data-area"))) for row in rows}

    def name_of(self, row: WebElement) -> str:
        """Give the class that a row of the legend is about."""
        return row.find_element(By.CLASS_NAME, "name").text

    def painted(self, canvas: str) -> Uint8:
        """Give what is on a canvas, (H, W, 4) uint8 RGBA."""
        url = self.browser.execute_script(f"return document.querySelector('{canvas}').toDataURL()")
        with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
            return np.asarray(image.convert("RGBA"))

    def point(self, x: float, y: float) -> None:
        """Move the pointer to a place in the picture, in fractions of its width and height."""
        picture = self.part("#picture")
        across, down = (x - 0.5) * picture.size["width"], (y - 0.5) * picture.size["height"]
        ActionChains(self.browser).move_to_element_with_offset(picture, round(across), round(down)).perform()

    def press(self, *keys: str) -> None:
        """Press keys where the focus is."""
        ActionChains(self.browser).send_keys(*keys).perform()

    def tab_to(self, selector: str) -> None:
        """Go to a part by the tabulator alone."""
        wanted = self.part(selector)
        for _ in range(40):
            if self.browser.switch_to.active_element == wanted:
                return
            self.press(Keys.TAB)
        raise AssertionError(f"{selector} is not reached by keys")

    def requests(self) -> list[str]:
        """Give the addresses that Chromium asked since this was last called, by its own network log."""
        events = [json.loads(entry["message"])["message"] for entry in self.browser.get_log("performance")]
        sent = [each for each in events if each["method"] == "Network.requestWillBeSent"]
        return [each["params"]["request"]["url"] for each in sent]

    def width(self, pixels: int) -> None:
        """Look at the page on a screen so wide; 0 for the window's own."""
        size = {"width": pixels, "height": 740 if pixels else 0, "deviceScaleFactor": 0, "mobile": False}
        self.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
