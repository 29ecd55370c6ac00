import csv
import io
from pathlib import Path

from rich.console import Console

from training.record import SCORES_FILE, STEPS_FILE, Record


def test_scores_of_an_older_version_get_new_columns(tmp_path: Path) -> None:
    """A run that began with fewer scores goes on with more: old rows keep theirs, under one header."""
    (tmp_path / SCORES_FILE).write_text("epoch,val mIoU3\n0,0.5\n1,0.6\n")
    for epoch in (1, 2):  # resumed twice, each time with the newer scores
        with Record(tmp_path, Console(file=io.StringIO()), first_epoch=epoch, steps=1) as record:
            record.scores(epoch, epoch, {"val mIoU3": 0.7, "val boundary F": 0.4})
    with (tmp_path / SCORES_FILE).open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["val mIoU3"] for row in rows] == ["0.5", "0.7", "0.7"]
    assert [row["val boundary F"] for row in rows] == ["", "0.4", "0.4"]


def test_waiting_is_said_of_all_steps(tmp_path: Path) -> None:
    """The share of their time counts the steps of all sittings, but for those that an older version wrote."""
    (tmp_path / STEPS_FILE).write_text("epoch,step,seconds,waited\n0,0,9,9\n")
    said = io.StringIO()
    for epoch, waited in ((1, 0.5), (2, 0.1)):
        with Record(tmp_path, Console(file=said), first_epoch=epoch, steps=1) as record:
            record.step(epoch, epoch, rate=0.1, waited=waited, took=2, terms={"loss": 1.0})
            record.say_waiting()
    assert said.getvalue().splitlines() == [
        "steps waited 25% of the time for photos",
        "steps waited 15% of the time for photos",
    ]
