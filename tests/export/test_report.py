"""The gate's report as a person sees it: in a browser, on a phone, without anything from elsewhere."""

import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from contract.verdict import REPORT_FILE, Check, Verdict
from export.gate.findings import Findings, Photo, Row, read_findings, write_findings
from export.gate.report import write_report
from tests.serving.browser import chromium

PHONE = 390

CHECKS = (
    Check("mean IoU", False, "-0.040 (95 %: -0.060 to -0.020; worse)", "lower end at least -0.010"),
    Check("memory", True, "281.9 MiB, live 281.9: 1.00 times", "at most 1.25 times"),
)
ROWS = [
    Row("mIoU3", [0.78, 0.75, 0.81], [0.82, 0.79, 0.85], [-0.04, -0.06, -0.02], shown=True),
    Row("IoU <b>cat</b>", [0.7, 0.6, 0.8], [0.7, 0.6, 0.8], [0.0, -0.01, 0.01]),
    Row("IoU dog", [None, None, None], [None, None, None], [None, None, None]),
    Row("in-box error", [0.1, 0.08, 0.12], [0.05, 0.04, 0.06], [0.05, 0.03, 0.07], shown=True),
]
ORIGIN = {
    **{"recipe": "voc_boxes", "data": "pets train", "reads": "boxes", "seed": 0, "commit": "0123abc"},
    **{"machine": "a test", "hours": 0.35, "created": "2026-11-21T12:00:00+00:00", "precision": "fp32"},
    **{"parity": {"onnxruntime label agreement": 0.999997}, "files": {"model.onnx": "d0ff6f" * 10}},
}


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """A report of a refused candidate with two photos; gives its file."""
    panels = {}
    for name in ("photo", "live", "candidate", "truth"):
        panels[name] = f"pictures/{name}.jpg"
        (tmp_path / "pictures").mkdir(exist_ok=True)
        Image.fromarray(np.full((240, 360, 3), 90, np.uint8)).save(tmp_path / panels[name])
    findings = Findings(
        golden="pets val",
        count=33,
        scores=ROWS,
        milliseconds=[12.0, 10.0],
        memory_mib=[281.9, 281.9],
        agreement=0.99999,
        photos=[Photo("a_rather_long_name_of_a_photo_0001", 0.3, [0.9, 0.5], panels)] * 2,
        colours={"cat": "#800000"},
        limits={"score_loss": 0.01},
        candidate=ORIGIN,
        live=ORIGIN,
    )
    write_findings(findings, tmp_path)
    assert read_findings(tmp_path) == findings
    verdict = Verdict(3, 2, {}, CHECKS, "2026-11-21T20:38:00+00:00", "0123abc", "a test")
    return write_report(verdict, tmp_path)


def test_the_report_fits_a_phone_and_asks_nobody(report: Path, tmp_path: Path) -> None:
    """It begins with the decision, no line is wider than a phone, and every picture is drawn."""
    with chromium(tmp_path) as browser:
        size = {"width": PHONE, "height": 740, "deviceScaleFactor": 1, "mobile": True}
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        browser.get(report.as_uri())
        assert browser.execute_script("return document.documentElement.scrollWidth") <= PHONE
        assert browser.find_element("class name", "decision").text.startswith("Refused")
        assert "mean IoU" in browser.find_element("class name", "decision").text
        widths = browser.execute_script("return [...document.images].map(image => image.naturalWidth)")
        assert widths == [360] * 8
        assert [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"] == []


def test_the_report_is_one_file(report: Path) -> None:
    """Pictures are inside, no address is named, and names from data sets are words, never HTML."""
    page = report.read_text()
    assert report.name == REPORT_FILE
    assert re.findall(r"(?:src|href)=\"(?!data:)", page) == []
    assert "http" not in page
    assert "IoU &lt;b&gt;cat&lt;/b&gt;" in page


def test_errors_that_grow_are_for_the_worse(report: Path) -> None:
    """Of errors less is better: one that grew is drawn as for the worse, as lower mean IoU is."""
    page = report.read_text()
    sides = re.findall(r'class="right (\w+)"', page)
    assert sides == ["down", "none", "none", "down"]
