"""The ledger knows what is done, what is to be done again, and whose file is whose."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from contract.errors import DataError, InvalidParameter
from serving.batch import claims
from serving.batch.budget import read_budget
from serving.batch.claims import Change, Claim, Verdict
from serving.batch.findings import Failure, Finding
from serving.batch.fresh import begin_anew
from serving.batch.identity import Identity
from serving.batch.items import Item, Stamp, Trouble
from serving.batch.ledger import FILE, Ledger
from serving.batch.outputs import Outputs, choose_outputs

SUFFIXES = {"png": ".png", "overlay": ".jpg", "rle": ".json"}
PNG = Outputs({"png": ".png"})
COLOURS = Identity("colours", 1, "0123", ("png",))
FINDING = Finding((2, 3), 1, {"background": 6}, 0.5)


def item(name: str, *, origin: str | None = None, size: int = 10) -> Item:
    return Item(name, origin or f"here/{name}", lambda: b"", Stamp(size, 1))


def sift(ledger: Ledger, *found: Item | Trouble) -> list[Claim | Verdict]:
    with ledger.transaction():
        return [ledger.sift(each) for each in found]


def open_ledger(out: Path, identity: Identity = COLOURS, outputs: Outputs = PNG) -> Ledger:
    return Ledger(out, identity, outputs)


def test_a_finished_photo_is_not_read_again(tmp_path: Path) -> None:
    """With its length and time as before it is passed over, with others its content decides."""
    with open_ledger(tmp_path) as ledger:
        (done, failed, begun) = sift(ledger, item("a.jpg"), item("b.jpg"), item("c.jpg"))
        assert isinstance(done, Claim)
        assert isinstance(failed, Claim)
        assert isinstance(begun, Claim)
        ledger.finish(done, "abc", FINDING)
        ledger.fail(failed, Failure("broken"))
    (tmp_path / "a.png").touch()
    with open_ledger(tmp_path) as ledger:
        assert sift(ledger, item("a.jpg")) == [Verdict("before")]
        assert [getattr(each, "known", "?") for each in sift(ledger, item("b.jpg"), item("c.jpg"))] == [
            None,
            None,
        ]
    with open_ledger(tmp_path) as ledger:
        (changed,) = sift(ledger, item("a.jpg", size=11))
        assert isinstance(changed, Claim)
        assert changed.known == "abc"
        ledger.keep(changed)
    with open_ledger(tmp_path) as ledger:
        assert sift(ledger, item("a.jpg", size=11)) == [Verdict("before")]


def test_names_are_had_once(tmp_path: Path) -> None:
    """The same photo again is the same; another of its name, or for its mask, is refused."""
    with open_ledger(tmp_path) as ledger:
        _, twice, other, mask = sift(
            ledger, item("a.jpg"), item("a.jpg"), item("a.jpg", origin="there/a.jpg"), item("a.png")
        )
        assert twice == Verdict("twice")
        for verdict in (other, mask):
            assert isinstance(verdict, Verdict)
            assert verdict.trouble is not None
            assert "here/a.jpg" in verdict.trouble.reason


def test_nothing_foreign_is_overwritten(tmp_path: Path) -> None:
    """A file that no run wrote keeps its place, even one that an earlier, unfinished run would have had."""
    (tmp_path / "a.png").write_text("mine")
    with open_ledger(tmp_path) as ledger:
        (verdict,) = sift(ledger, item("a.jpg"))
        assert isinstance(verdict, Verdict)
        (claim,) = sift(ledger, item("b.jpg"))
    (tmp_path / "b.png").write_text("half")
    with open_ledger(tmp_path) as ledger:
        assert isinstance(sift(ledger, item("b.jpg"))[0], Claim)
        assert isinstance(claim, Claim)


def test_own_files_are_reserved(tmp_path: Path) -> None:
    """A photo whose file would be the batch's own is refused."""
    outputs = choose_outputs(["rle"], SUFFIXES)
    with open_ledger(tmp_path, replace(COLOURS, outputs=("rle",)), outputs) as ledger:
        for name in ("coco.jpg", ".box2seg/a.jpg", "report.html/0.jpg", "masks.parquet/deep/0.jpg"):
            (verdict,) = sift(ledger, item(name))
            assert isinstance(verdict, Verdict)
            assert verdict.kind == "failed"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"version": 2}, "version 1 and not 2"),
        ({"sha256": "4567"}, "sha256 0123 and not 4567"),
        ({"outputs": ("png", "rle")}, r"outputs \['png'\] and not"),
    ],
)
def test_a_folder_is_of_one_model_and_its_outputs(
    tmp_path: Path, change: dict[str, object], words: str
) -> None:
    """Another version, network or output is refused, with what to do."""
    open_ledger(tmp_path).close()
    with pytest.raises(DataError, match=f"(?s){words}.*--fresh"):
        open_ledger(tmp_path, replace(COLOURS, **change))  # type: ignore[arg-type]
    open_ledger(tmp_path).close()


def test_one_run_at_a_time(tmp_path: Path) -> None:
    """A second run into the same folder is refused while the first is at work."""
    with open_ledger(tmp_path), pytest.raises(DataError, match="another run writes there"):
        open_ledger(tmp_path)


def test_a_damaged_ledger_is_named(tmp_path: Path) -> None:
    """A file that is no database ends in a sentence."""
    (tmp_path / FILE).parent.mkdir()
    (tmp_path / FILE).write_bytes(b"no database" * 1000)
    with pytest.raises(DataError, match=r"ledger\.sqlite: is damaged"):
        open_ledger(tmp_path)


def test_fresh_removes_what_is_ours(tmp_path: Path) -> None:
    """Masks and ledger go, other files stay."""
    with open_ledger(tmp_path) as ledger:
        (claim,) = sift(ledger, item("deep/a.jpg"))
        assert isinstance(claim, Claim)
        ledger.finish(claim, "abc", FINDING)
    (tmp_path / "deep").mkdir()
    for name in ("deep/a.png", "deep/b.png", "report.html"):
        (tmp_path / name).touch()
    begin_anew(tmp_path, SUFFIXES)
    files = sorted(str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file())
    assert files == ["deep/b.png"]


@pytest.mark.parametrize("name", ["report.html", "coco.json"])
def test_files_of_that_name_are_not_written_over(tmp_path: Path, name: str) -> None:
    """A user's own file that a batch would write at its end is named at its beginning, and stays."""
    (tmp_path / name).write_text("mine")
    outputs, identity = Outputs({}, ("coco",)), replace(COLOURS, outputs=("coco",))
    for _ in range(2):
        with pytest.raises(DataError, match=f"{name} is there already, and not of this batch"):
            open_ledger(tmp_path, identity, outputs)
        begin_anew(tmp_path, SUFFIXES)
    assert (tmp_path / name).read_text() == "mine"


def test_fresh_leaves_what_the_batch_was_not_to_write(tmp_path: Path) -> None:
    """A COCO file beside a batch without one is somebody's; of a batch with one it is the batch's."""
    for outputs, left in ((PNG, True), (Outputs({}, ("coco",)), False)):
        open_ledger(tmp_path, replace(COLOURS, outputs=outputs.names), outputs).close()
        (tmp_path / "coco.json").touch()
        begin_anew(tmp_path, SUFFIXES)
        assert (tmp_path / "coco.json").exists() is left
        (tmp_path / "coco.json").unlink(missing_ok=True)


def test_a_photo_is_written_down_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whenever another thread writes what waits, no photo is done there without its run lengths."""
    whole = claims.finished

    def slowly(*words: Any) -> Iterator[Change]:
        for change in whole(*words):
            yield change
            ledger.flush()
            done = "SELECT COUNT(*) FROM photos WHERE state = 'done'"
            assert list(ledger.rows(done)) == list(ledger.rows("SELECT COUNT(*) FROM masks"))

    monkeypatch.setattr(claims, "finished", slowly)
    with open_ledger(tmp_path) as ledger:
        (claim,) = sift(ledger, item("a.jpg"))
        assert isinstance(claim, Claim)
        ledger.finish(claim, "abc", replace(FINDING, rle=b"{}"))


def test_the_least_confident_are_kept(tmp_path: Path) -> None:
    """Of many pictures those of the least confident photos stay, whatever the order they came in."""
    kept = []
    for order in (range(100), reversed(range(100))):
        with open_ledger(tmp_path / str(len(kept))) as ledger:
            for number in order:
                (claim,) = sift(ledger, item(f"{number}.jpg"))
                assert isinstance(claim, Claim)
                confidence = number // 2 / 100
                picture = b"jpeg" if ledger.admits(confidence) else None
                ledger.finish(claim, "abc", replace(FINDING, confidence=confidence, picture=picture))
            ledger.flush()
            kept.append(list(ledger.rows("SELECT name, confidence FROM pictures ORDER BY confidence, name")))
    assert kept[0] == kept[1]
    assert len(kept[0]) == 24
    assert kept[0][-1][1] == 0.11


def test_the_ledger_can_be_read_by_others(tmp_path: Path) -> None:
    """It is a SQLite file with a row for each photo."""
    with open_ledger(tmp_path) as ledger:
        sift(ledger, item("a.jpg"))
    with sqlite3.connect(tmp_path / FILE) as database:
        assert database.execute("SELECT name, state FROM photos").fetchall() == [("a.jpg", "begun")]
    database.close()


@pytest.mark.parametrize(
    ("words", "failed", "settled", "spent"),
    [
        (None, 10**6, 10**6, False),
        ("0", 0, 1, False),
        ("0", 1, 1, True),
        ("20", 20, 20, False),
        ("5%", 5, 5, False),
        ("5%", 6, 6, True),
        ("5%", 50, 1000, False),
        ("5%", 51, 1000, True),
    ],
)
def test_budgets_are_spent(words: str | None, failed: int, settled: int, spent: bool) -> None:
    """A number is of photos; a share is of all, or of a hundred as long as they are fewer."""
    assert read_budget(words).is_spent(failed, settled) is spent


def test_a_share_is_of_all_in_the_end() -> None:
    """A small batch that has ended is held to its share."""
    assert read_budget("5%").is_spent(1, 10, ended=True)
    assert not read_budget("5%").is_spent(1, 20, ended=True)


@pytest.mark.parametrize("words", ["many", "-1", "1.5", "101%", "%", "nan", "inf%"])
def test_budgets_that_make_no_sense_are_refused(words: str) -> None:
    """What is neither a number nor a share is named."""
    with pytest.raises(InvalidParameter, match="--max-failures"):
        read_budget(words)
