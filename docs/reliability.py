"""
Writes docs/reliability.md: what the server did when it was abused, from the report of a test run.

    pytest -m "abuse or case" --junitxml report.xml; python docs/reliability.py report.xml

Rows whose tests did not run keep what stands in the table. With --check it says whether each case has a row.
"""

import re
import subprocess
import sys
import tomllib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

DOCS = Path(__file__).parent
CASES = DOCS / "reliability.toml"
TABLE = DOCS / "reliability.md"

HEAD = """\
# Reliability

What the server did when it was abused: the real one in a process of its own, with a real Triton behind it.
After most cases it must be the same process, ready within 5 s, give the same bytes for the same photo, and
hold no more files and, but for 64 MiB, no more memory than before. `make abuse` runs them and writes this
table; times are those of the machine that it last ran on. "not met" is what was expected and is known not
to be so.

| case | what | expected | seen | result | date, commit |
|---|---|---|---|---|---|
"""
NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    What the tests of a case came to.

    Args:
        seen: What they saw, in figures.
        result: "passes", "fails", "not met" or "not run".
        when: Date and commit.
    """

    seen: str = ""
    result: str = NOT_RUN
    when: str = ""


@dataclass(frozen=True, slots=True)
class Proof:
    """One test's contribution to a case."""

    seen: tuple[str, ...]
    result: str


def main() -> None:
    """Write the table anew, or check it."""
    if "--check" in sys.argv:
        missing = sorted(set(read_cases()) - set(read_table(TABLE.read_text(encoding="utf-8"))))
        sys.exit(
            f"docs/reliability.md has no row for {', '.join(missing)}: `make abuse`" if missing else None
        )
    outcomes = read_table(TABLE.read_text(encoding="utf-8")) if TABLE.is_file() else {}
    for report in sys.argv[1:]:
        outcomes |= read_report(Path(report), commit())
    TABLE.write_text(write_table(read_cases(), outcomes), encoding="utf-8")


def read_cases() -> dict[str, dict[str, str]]:
    """Read what each case does and expects, in order."""
    return tomllib.loads(CASES.read_text(encoding="utf-8"))


def read_report(report: Path, commit: str) -> dict[str, Outcome]:
    """Read the outcome of each case from a JUnit report."""
    proofs: dict[str, list[Proof]] = defaultdict(list)
    suite = ElementTree.parse(report).getroot()[0]
    for test in suite.iter("testcase"):
        said = [(each.get("name"), each.get("value", "")) for each in test.iter("property")]
        seen = tuple(value for name, value in said if name == "seen")
        for number in [value for name, value in said if name == "case"]:
            proofs[number].append(_proof(test, seen))
    when = f"{suite.get('timestamp', '')[:10]}, {commit}"
    return {number: sum_up(each, when) for number, each in proofs.items()}


def sum_up(proofs: list[Proof], when: str) -> Outcome:
    """Make one outcome of all proofs of a case: the worst result, and all that was seen."""
    results = [proof.result for proof in proofs]
    worst = next(each for each in ("fails", "not met", "passes", NOT_RUN) if each in results)
    seen = [words for proof in proofs for words in proof.seen]
    return Outcome("; ".join(dict.fromkeys(seen)), worst, when)


def read_table(text: str) -> dict[str, Outcome]:
    """Read the outcomes that stand in a table."""
    lines = [line for line in text.splitlines() if re.match(r"\| [A-G]\d+ \|", line)]
    rows = [line.removeprefix("| ").removesuffix(" |").split(" | ") for line in lines]
    return {number: Outcome(*outcome) for number, _, _, *outcome in rows}


def write_table(cases: dict[str, dict[str, str]], outcomes: dict[str, Outcome]) -> str:
    """Give the document."""
    return HEAD + "".join(_row(number, case, outcomes.get(number)) for number, case in cases.items())


def commit() -> str:
    """Name the commit that is checked out."""
    command = ["git", "rev-parse", "--short", "HEAD"]
    return subprocess.run(command, cwd=DOCS, capture_output=True, text=True, check=True).stdout.strip()


def _row(number: str, case: dict[str, str], outcome: Outcome | None) -> str:
    outcome = outcome or Outcome(seen="no run is written down yet")
    cells = (number, case["what"], case["expected"], outcome.seen, outcome.result, outcome.when)
    return "| " + " | ".join(cell.replace("\n", " ").replace("|", "/") for cell in cells) + " |\n"


def _proof(test: ElementTree.Element, seen: tuple[str, ...]) -> Proof:
    broken = [*test.findall("failure"), *test.findall("error")]
    if broken:
        return Proof((*seen, broken[0].get("message", "").partition("\n")[0]), "fails")
    skipped = test.find("skipped")
    if skipped is None:
        return Proof(seen, "passes")
    if skipped.get("type") == "pytest.xfail":
        return Proof((*seen, skipped.get("message", "").removeprefix("not met: ")), "not met")
    reason = skipped.get("message", "")
    return Proof((*seen, reason.rpartition(": ")[2]), NOT_RUN)


if __name__ == "__main__":
    main()
