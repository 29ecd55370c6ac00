"""report.html: what became of a batch, in one file that needs nothing else."""

import base64
import html
import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from contract.classes import VOID, ClassMap
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger
from serving.batch.outputs import REPORT, TOGETHER
from serving.batch.places import Place, last_name, written
from serving.batch.run import GOES_ON, Tally

MOST_FAILURES = 1000
"""Listed; a page with a million lines opens nowhere. The ledger has all."""

COUNTS = "SELECT state, COUNT(*) FROM photos GROUP BY state"
AREAS = "SELECT areas, height * width FROM photos WHERE state = 'done' AND areas IS NOT NULL"
FAILURES = (
    "SELECT origin, reason, jpeg FROM (SELECT origin, reason, name FROM photos WHERE state = 'failed'"
    " UNION ALL SELECT origin, reason, NULL FROM troubles) LEFT JOIN pictures USING (name)"
    f" ORDER BY origin LIMIT {MOST_FAILURES}"
)
TROUBLES = "SELECT COUNT(*) FROM troubles"
RUNS = "SELECT COUNT(*), TOTAL(seconds), TOTAL(photos) FROM runs WHERE photos > 0"

STYLE = """
:root { color-scheme: light dark; font: 15px/1.45 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.5rem; } h2 { font-size: 1.15rem; margin-top: 2.2rem; }
table { border-collapse: collapse; }
td, th { padding: .25rem 1rem .25rem 0; text-align: left; vertical-align: top; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
tr + tr td { border-top: 1px solid #8884; }
.swatch { display: inline-block; width: .9em; height: .9em; border: 1px solid #8888; margin-right: .5em; }
.bar { background: #8883; width: 14rem; height: .8em; } .bar div { background: #38c; height: 100%; }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(11rem, 1fr)); gap: 1rem; }
figure { margin: 0; } img { max-width: 100%; border-radius: 4px; display: block; }
figcaption, .origin { overflow-wrap: anywhere; font-size: .85rem; }
td img { max-height: 8rem; min-width: 4rem; }
.stopped { border-left: 4px solid #c33; padding-left: .8rem; }
"""


def write_report(ledger: Ledger, classes: ClassMap, identity: Identity, tally: Tally) -> Place:
    """
    Write the report beside the masks; gives its path.

    Args:
        ledger: What became of each photo, of all runs.
        classes: Give names and colours.
        identity: What the masks are of.
        tally: Says whether the last run was stopped, and whether files for all photos were written.

    Raises:
        WriteError: If it cannot be written.
    """
    path = ledger.out / REPORT
    parts = (_head(ledger, identity, tally), _classes(ledger, classes), _failures(ledger), _doubtful(ledger))
    with written(path) as stream:
        for part in parts:
            for text in part:
                stream.write(text.encode("utf-8", "replace"))
        stream.write(b"</body></html>\n")
    return path


def _head(ledger: Ledger, identity: Identity, tally: Tally) -> Iterator[str]:
    title = f"{_text(identity.model)} version {identity.version} over {_text(last_name(ledger.out))}"
    yield f"<!doctype html><html lang=en><meta charset=utf-8><title>{title}</title>"
    yield f"<meta name=viewport content='width=device-width'><style>{STYLE}</style><body><h1>{title}</h1>"
    if tally.stopped is not None:
        words = "Too many failed" if tally.ended else "Stopped"
        yield f"<p class=stopped>{words}: {_text(tally.stopped)}; {GOES_ON}.</p>"
    states = dict(ledger.rows(COUNTS))
    ((troubles,),) = ledger.rows(TROUBLES)
    ((runs, seconds, photos),) = ledger.rows(RUNS)
    rows = {
        "Photos with masks": f"{states.get('done', 0):,}",
        "Failed": f"{states.get('failed', 0) + troubles:,}",
        "Named twice in the last run": f"{tally.twice:,}",
        "Not finished": f"{states.get('begun', 0):,}",
        "Photos per second": f"{photos / seconds:.1f}" if seconds else "none",
        "Runs": f"{runs:,}, {seconds / 60:.1f} minutes in all",
        "Formats": ", ".join(identity.outputs),
    }
    yield "<table>"
    yield from (
        f"<tr><td>{name}<td class=number>{_text(value)}" for name, value in rows.items() if value != "0"
    )
    yield "</table>"
    links = [TOGETHER[name] for name in ledger.outputs.together if tally.ended]  # else they are older
    yield "".join(f"<p><a href='{name}'>{name}</a>" for name in links)


def _classes(ledger: Ledger, classes: ClassMap) -> Iterator[str]:
    """Show how much of all photos each class covers, and how many photos it is in."""
    pixels: Counter[str] = Counter()
    photos: Counter[str] = Counter()
    whole = counted = 0
    for areas, size in ledger.rows(AREAS):
        each = json.loads(areas)
        pixels.update(each)
        photos.update(each.keys())
        whole += size
        counted += 1
    if not whole:
        return
    yield "<h2>Classes</h2><table><tr><th>class<th class=number>photos<th class=number>of photos"
    yield "<th class=number>of all pixels<th>"
    for name in (*classes.names, VOID):
        if photos[name]:
            share = pixels[name] / whole
            colour = "" if name == VOID else "rgb({}, {}, {})".format(*classes.colours[classes.index(name)])
            yield f"<tr><td><span class=swatch style='background: {colour}'></span>{_text(name)}"
            yield f"<td class=number>{photos[name]:,}<td class=number>{photos[name] / counted:.1%}"
            yield f"<td class=number>{share:.2%}"
            yield f"<td><div class=bar><div style='width: {share:.2%}'></div></div>"
    yield "</table>"


def _failures(ledger: Ledger) -> Iterator[str]:
    rows = list(ledger.rows(FAILURES))
    if not rows:
        return
    yield "<h2>Failures</h2>"
    if len(rows) == MOST_FAILURES:
        yield f"<p>The first {MOST_FAILURES:,}.</p>"
    yield "<table><tr><th>photo<th>why<th>what is left of it"
    for origin, reason, jpeg in rows:
        yield f"<tr><td class=origin>{_text(origin)}<td>{_text(reason)}<td>{_image(jpeg)}"
    yield "</table>"


def _doubtful(ledger: Ledger) -> Iterator[str]:
    rows = list(ledger.doubtful())
    if not rows:
        return
    yield "<h2>Least confident</h2><p>The mean of the winner's probability over the photo's pixels.</p>"
    yield "<div class=grid>"
    for name, confidence, jpeg in rows:
        yield f"<figure>{_image(jpeg)}<figcaption>{confidence:.2f} {_text(name)}</figcaption></figure>"
    yield "</div>"


def _image(jpeg: bytes | None) -> str:
    if jpeg is None:
        return ""
    return f"<img loading=lazy alt='' src='data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}'>"


def _text(words: Any) -> str:
    return html.escape(str(words))
