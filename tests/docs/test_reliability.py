import re
from pathlib import Path

import pytest

from docs.reliability import Outcome, read_cases, read_report, read_table, write_table

ROOT = Path(__file__).parents[2]
DEMANDED = {
    *(f"A{number}" for number in range(1, 11)),
    *(f"B{number}" for number in range(1, 15)),
    *(f"C{number}" for number in range(1, 8)),
    *(f"D{number}" for number in (1, 2, 3, 6, 8, 9, 10, 11)),
    *(f"F{number}" for number in (1, 2, 3, 4, 6)),
    *(f"G{number}" for number in range(2, 9)),
}

REPORT = """<testsuites><testsuite timestamp="2026-11-21T10:00:00+00:00">
<testcase><properties><property name="case" value="A1"/><property name="seen" value="5 ms"/></properties>
</testcase>
<testcase><properties><property name="case" value="A1"/><property name="case" value="C2"/></properties>
  <failure message="no"/></testcase>
<testcase><properties><property name="case" value="C6"/><property name="seen" value="3 times"/></properties>
  <skipped type="pytest.xfail" message="not met: no priority"/></testcase>
<testcase><properties><property name="case" value="B13"/></properties>
  <skipped type="pytest.skip" message="no such door"/></testcase>
</testsuite></testsuites>"""


def test_every_case_has_a_row_and_a_result() -> None:
    """The table has each case that is demanded, with what it does and expects, and what was seen."""
    rows = read_table((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"))
    assert set(rows) >= DEMANDED
    assert set(rows) == set(read_cases())
    for number, row in rows.items():
        assert row.result in ("passes", "fails", "not met", "not run"), number
        assert row.result == "passes" or row.seen, f"{number}: say why"


def test_tests_bear_numbers_that_there_are() -> None:
    """A test's number is that of a case; each case is borne by a test, or its row says why not."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py"))
    borne = {
        number
        for marks in re.findall(r"mark\.case\(([^)]*)\)", text)
        for number in re.findall(r"\w\d+", marks)
    }
    rows = read_table((ROOT / "docs" / "reliability.md").read_text(encoding="utf-8"))
    assert borne <= set(read_cases())
    assert {number for number in rows if rows[number].result != "not run"} <= borne


def test_a_report_becomes_rows(tmp_path: Path) -> None:
    """The worst of a case's results stands in its row, beside all that its tests saw."""
    (tmp_path / "report.xml").write_text(REPORT)
    when = "2026-11-21, 0123abc"
    assert read_report(tmp_path / "report.xml", "0123abc") == {
        "A1": Outcome("5 ms; no", "fails", when),
        "C2": Outcome("no", "fails", when),
        "C6": Outcome("3 times; no priority", "not met", when),
        "B13": Outcome("no such door", "not run", when),
    }


@pytest.mark.parametrize("seen", ["", "5 ms, 2 | 3"])
def test_rows_without_news_stay(seen: str) -> None:
    """What a table says is read from it as it was written."""
    cases = {"A1": {"what": "a", "expected": "b"}}
    outcome = Outcome(seen.replace("|", "/"), "passes", "2026-11-21, 0123abc")
    assert read_table(write_table(cases, {"A1": Outcome(seen, "passes", outcome.when)})) == {"A1": outcome}
