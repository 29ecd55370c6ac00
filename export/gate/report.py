"""The gate's report as one HTML file that needs no other: for a screen, a phone and paper."""

import base64
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from contract.arrays import Uint8
from contract.files import written_whole
from contract.images import read_image
from contract.metrics import class_iou, mean_known
from contract.pictures import draw_overlay
from contract.verdict import REPORT_FILE, Verdict
from export.gate.contender import Contender
from export.gate.findings import Findings, Photo, Row, known, read_findings
from export.gate.golden import Comparison, Golden
from training.figures import save_picture

SHOWN = 20
"""Photos on which the two disagree most."""

SIDE = 360
"""Longer side of a picture [px]; the file stays below 3 MB."""

LEAST_REACH = 0.02
"""The axis of differences reaches at least so far to each side."""

PICTURES = "pictures"


def draw_disagreements(
    seen: Comparison, golden: Golden, candidate: Contender, live: Contender, folder: Path
) -> list[Photo]:
    """
    Draw the photos on which the two disagree most, each as photo, live, candidate and truth.

    Returns:
        What the findings say of them; the pictures lie in the report's folder.
    """
    ious = {
        score: dict(zip(score.names, mean_known(class_iou(score.photos.confusion)).tolist(), strict=True))
        for score in (seen.live, seen.candidate)
        if score is not None
    }
    photos = []
    for place, (image, share) in enumerate(seen.disagreements[:SHOWN]):
        photo = read_image(image.path)
        masks = {
            "live": live.answer(photo).whole,
            "candidate": candidate.answer(photo).whole,
            "truth": golden.dataset.truth(image),
        }
        drawn = {"photo": photo} | {
            name: draw_overlay(photo, labels, golden.dataset.classes) for name, labels in masks.items()
        }
        panels = {name: _save(panel, folder, f"{place:02d}-{name}.jpg") for name, panel in drawn.items()}
        both = [known(found[image.name]) for found in ious.values()]
        photos.append(Photo(image.name, round(share, 4), both, panels))
    return photos


def write_report(verdict: Verdict, folder: Path) -> Path:
    """
    Write the report from a verdict and the findings in its folder; gives its path.

    Raises:
        RegistryError: If the findings cannot be read.
        WriteError: If it cannot be written.
    """
    found = read_findings(folder)
    reach = _reach(found)
    environment = Environment(
        loader=PackageLoader("export.gate", "page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals["picture"] = lambda name: _data_uri(folder / name)
    environment.filters.update(FILTERS)
    environment.filters["place"] = lambda value: round(50 + 50 * value / reach, 2)
    page = environment.get_template("report.html").render(verdict=verdict, found=found, reach=reach)
    path = folder / REPORT_FILE
    with written_whole(path) as stream:
        stream.write(page.encode())
    return path


def _reach(found: Findings) -> float:
    """Give the farthest end of a difference: the edge of the drawn axis."""
    ends = [abs(end) for row in found.scores for end in row.difference if end is not None]
    return max([*ends, LEAST_REACH])


def _score(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _signed(value: float | None) -> str:
    return "-" if value is None else f"{value:+.3f}"


def _ends(values: list[float | None]) -> str:
    return "" if values[1] is None else f"{values[1]:.3f} to {values[2]:.3f}"


def _side(row: Row) -> str:
    """Tell whether a difference that is shown is for the better; of errors less is."""
    value = row.difference[0]
    if not row.shown or value is None:
        return "none"
    return "up" if (value > 0) != ("error" in row.name or "false" in row.name) else "down"


def _plain(value: object) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_plain(each)}" for name, each in value.items())
    return f"{value:g}" if isinstance(value, float) else str(value)


FILTERS = {
    "score": _score,
    "signed": _signed,
    "ends": _ends,
    "side": _side,
    "plain": _plain,
    "day": lambda created: created.replace("T", " ")[:16] + " UTC",
}
"""How the template writes numbers."""


def _save(panel: Uint8, folder: Path, name: str) -> str:
    picture = Image.fromarray(panel)
    picture.thumbnail((SIDE, SIDE))
    save_picture(picture, folder / PICTURES / name)
    return f"{PICTURES}/{name}"


def _data_uri(path: Path) -> str:
    return f"data:image/jpeg;base64,{base64.b64encode(path.read_bytes()).decode()}"
