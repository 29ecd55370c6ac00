"""The Grafana dashboard asks for what /metrics gives."""

import json
import re
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families

from tests.serving.colours import draw_photo, encode

ROOT = Path(__file__).parents[2]
DASHBOARD = json.loads((ROOT / "docker" / "grafana" / "box2seg.json").read_text(encoding="utf-8"))

FROM_PROMETHEUS = {"le"}


def test_the_dashboard_asks_for_metrics_that_are_there(client: httpx.Client) -> None:
    """Each metric of the dashboard is exposed, each exposed metric is shown, and so are the labels."""
    client.post("/v1/segment", content=encode(draw_photo()))
    families = list(text_string_to_metric_families(client.get("/metrics").text))
    exposed = {family.name for family in families if not family.name.endswith("_created")}
    asked = " ".join(target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"])
    names = {re.sub("_(total|bucket|sum|count)$", "", name) for name in re.findall(r"box2seg_\w+", asked)}
    assert names == exposed
    labels = {label for family in families for sample in family.samples for label in sample.labels}
    grouped = {label.strip() for group in re.findall(r"by \((.*?)\)", asked) for label in group.split(",")}
    assert grouped <= labels | FROM_PROMETHEUS | {"slow", "state"}  # of nothing that this gateway saw


def test_panels_do_not_overlap() -> None:
    """Each panel has its place and its number."""
    taken: list[Any] = [cell for panel in DASHBOARD["panels"] for cell in _cells(panel["gridPos"])]
    assert len(taken) == len(set(taken))
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(numbers) == len(set(numbers))


def _cells(at: dict[str, int]) -> list[tuple[int, int]]:
    return [(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])]
