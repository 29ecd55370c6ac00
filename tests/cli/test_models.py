"""`box2seg models`: look at versions and change where they stand, as typed."""

import getpass
import io
import json
import re
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from cli.__main__ import app
from cli.cards import read_cards
from cli.tables import version_table
from contract.geometry import FitRule
from contract.history import history_path, read_history
from contract.registry import changing
from contract.verdict import report_folder
from tests.cli.pets import done, make_pets, models, states
from tests.contract.repositories import add_version, change_manifest, judge


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Give a repository with pets."""
    return make_pets(tmp_path)


def test_a_version_comes_and_goes(repository: Path) -> None:
    """Canary, live, rolled back: the history tells the whole story, with who and why."""
    done(repository, "canary", 2, "--share", 0.1, "--shadow", 0.2, "--who", "ann", "--why", "a first look")
    assert states(repository) == {1: "live", 2: "canary", 3: "candidate"}
    done(repository, "withdraw", "--who", "ann")
    done(repository, "promote", 2, "--who", "ann", "--why", "more photos")
    assert states(repository) == {1: "previous", 2: "live", 3: "candidate"}
    done(repository, "rollback", "--who", "bob", "--why", "cows are dogs")
    done(repository, "reject", 3, "--who", "bob", "--why", "cows")
    assert states(repository) == {1: "live", 2: "rejected", 3: "rejected"}
    said = [line.split() for line in done(repository, "history").splitlines()]
    told = [" ".join(words[3:]) for words in said if words and words[0].startswith("20")]
    assert told == [
        "promote box2seg found here before there was a history",
        "canary 10 %, shadow 20 % ann a first look",
        "withdraw ann",
        "promote ann more photos",
        "rollback bob cows are dogs",
        "reject bob cows",
    ]


def test_the_list(repository: Path) -> None:
    """A row per version, the newest first, with state, score, gate and what was done last."""
    done(repository, "canary", 2, "--who", "ann")
    lines = [line.split() for line in done(repository, "list").splitlines()]
    rows = {words[0]: " ".join(words[1:]) for words in lines if words and words[0].isdecimal()}
    assert list(rows) == ["3", "2", "1"]
    assert re.fullmatch(r"candidate 2026-11-21 0\.7300 fp32 0\.0 MB refused -", rows["3"])
    assert rows["2"].startswith("canary 10 %")
    assert " passed " in rows["2"]
    assert "canary 10 % by ann" in rows["2"]
    assert rows["1"].startswith("live")


def test_the_list_where_there_is_little_room(repository: Path) -> None:
    """On 80 columns each version is one line, without the sentence."""
    cards = read_cards(repository / "pets")
    console = Console(width=80, file=io.StringIO())
    console.print(version_table(cards, console.width))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert [line.split()[:2] for line in lines if line.strip()[:1].isdecimal()] == [
        ["3", "candidate"],
        ["2", "candidate"],
        ["1", "live"],
    ]


def test_a_verdict_of_another_time(repository: Path) -> None:
    """A version that was compared with what is not live any more says so, until the gate looks again."""
    done(repository, "promote", 2)
    assert " outdated " in done(repository, "list")
    judge(repository / "pets", 3, against=2)
    assert " outdated " not in done(repository, "list")


def test_the_list_as_json(repository: Path) -> None:
    """Programs get the same, by name."""
    newest, middle, oldest = json.loads(done(repository, "list", "--json"))
    assert (newest["version"], newest["state"], newest["last"]) == (3, "candidate", None)
    assert newest["gate"] == {"passed": False, "against": 1}
    assert middle["scores"] == {"val mIoU3": 0.72}
    assert oldest["last"]["action"] == "promote"
    assert oldest["bytes"] > 100


def test_a_score_that_is_no_number(repository: Path) -> None:
    """NaN, the score of a class seen nowhere, is null: JSON has no other word for it."""
    change_manifest(repository / "pets" / "2", scores={"val mIoU3": float("nan")})
    assert json.loads(done(repository, "show", 2, "--json"))["scores"] == {"val mIoU3": None}
    assert "nan" not in done(repository, "list")


def test_show(repository: Path) -> None:
    """All that is known of a version, each check of the gate, and what stands against it."""
    said = " ".join(done(repository, "show", 3).split())
    for words in ("background, cat, dog", "long_side 384", "voc_animals train", "val mIoU3 0.73", "0.9999"):
        assert words in said
    assert "class cow failed 0.51 against 0.76 no less than 0.73" in said
    assert f"its report: {report_folder(repository / 'pets', 3)}" in said
    assert "`promote` refuses it now: class cow: 0.51 against 0.76" in said


def test_show_as_json(repository: Path) -> None:
    """Programs get manifest, verdict, objections and history."""
    content = json.loads(done(repository, "show", 3, "--json"))
    assert content["manifest"]["classes"]["names"] == ["background", "cat", "dog"]
    assert [check["passed"] for check in content["verdict"]["checks"]] == [True, False]
    assert content["objections"] == ["class cow: 0.51 against 0.76, wanted no less than 0.73"]
    assert json.loads(done(repository, "show", 1, "--json"))["objections"] == []


def test_diff_marks_what_differs(repository: Path) -> None:
    """Numbers with their difference, words with a mark, and nothing where both are the same."""
    change_manifest(repository / "pets" / "3", fit=FitRule(512))
    rows = {line.strip().split("  ")[0]: line for line in done(repository, "diff", 1, 3).splitlines()}
    assert rows["val mIoU3"].split()[-3:] == ["0.71", "0.73", "+0.02"]
    assert rows["fit"].split()[-1] == "differs"
    assert "differs" not in rows["classes"]
    assert rows["data"].split()[-2:] == ["voc_animals", "train"]


def test_the_gate_refuses(repository: Path) -> None:
    """The reasons are said, the exit code is 1, and the live version stays."""
    refused = models(repository, "promote", 3)
    assert refused.exit_code == 1
    assert "class cow: 0.51 against 0.76, wanted no less than 0.73" in refused.stderr
    assert states(repository)[1] == "live"


def test_the_gate_is_passed_over(repository: Path) -> None:
    """Only with a reason; list and history say that it was."""
    needs = models(repository, "promote", 3, "--force")
    assert (needs.exit_code, "needs a reason" in needs.stderr) == (2, True)
    assert "(forced)" in models(repository, "promote", 3, "--force", "--why", "no cows here").stderr
    assert "promote (forced)" in done(repository, "list")
    assert json.loads(done(repository, "history", "--json"))[-1]["forced"] is True


def test_who_it_was(repository: Path) -> None:
    """Without --who it is whoever typed, and where."""
    done(repository, "promote", 2)
    assert read_history(repository / "pets")[-1].who.startswith(f"{getpass.getuser()}@")


def test_somebody_else_is_at_it(repository: Path) -> None:
    """A second change at the same moment is refused with exit code 1; looking is not."""
    with changing(repository / "pets"):
        busy = models(repository, "promote", 2)
        assert (busy.exit_code, "somebody else" in busy.stderr) == (1, True)
        done(repository, "list")
    assert states(repository)[1] == "live"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["promote", 9], "no version 9"),
        (["show", 9], "there are: 1, 2, 3"),
        (["diff", 1, 9], "no version 9"),
        (["canary", 2, "--share", 1.5], "share 1.5"),
        (["reject", 2, "--why", " "], "needs a reason"),
    ],
)
def test_what_cannot_be_done(repository: Path, words: list[object], problem: str) -> None:
    """A version that is not there and a value that cannot be end in a sentence, with exit code 2."""
    refused = models(repository, *words)
    assert (refused.exit_code, problem in refused.stderr) == (2, True), refused.output
    assert states(repository) == {1: "live", 2: "candidate", 3: "candidate"}


def test_no_such_model(repository: Path) -> None:
    """The models that there are are named, by each verb that looks."""
    for words in (["list"], ["history"], ["gc"], ["show", "1"]):
        said = CliRunner().invoke(app, ["models", *words, "--repository", str(repository), "--model", "cars"])
        assert said.exit_code == 2
        assert "there are: pets" in said.stderr
    assert not (repository / "cars").exists()


def test_damage_is_said_and_hides_nothing(repository: Path) -> None:
    """A version that cannot be read, or whose files are gone, has its row with the problem."""
    (repository / "pets" / "2" / "manifest.json").write_text("half")
    (repository / "pets" / "3" / "model.onnx").unlink()
    (report_folder(repository / "pets", 3) / "gate.json").write_text("half")
    said = " ".join(done(repository, "list").split())
    assert "not a readable manifest" in said
    assert "not a readable verdict" in said
    assert models(repository, "promote", 2).exit_code == 2
    assert json.loads(done(repository, "show", 2, "--json"))["manifest"] is None


def test_a_broken_history_is_named(repository: Path) -> None:
    """The file and line are said, by looking and by changing."""
    with history_path(repository / "pets").open("a") as stream:
        stream.write("no event\n")
    for words in (["list"], ["promote", 2]):
        refused = models(repository, *words)
        assert (refused.exit_code, "line 2 is no event" in refused.stderr) == (2, True)


def test_no_history_yet(tmp_path: Path) -> None:
    """Of a repository from before it is said that its newest version answers."""
    add_version(tmp_path / "pets", 4)
    assert "its newest version answers" in models(tmp_path, "history").stderr
    assert json.loads(done(tmp_path, "history", "--json")) == []
    assert "live" in done(tmp_path, "list")
