import csv
import io
from pathlib import Path

from rich.console import Console

from training.record import SCORES_FILE, Record


def test_scores_of_an_older_version_get_new_columns(tmp_path: Path) -> None:
    """A run that began with fewer scores goes on with more: old rows keep theirs, under one header."""
    (tmp_path / SCORES_FILE).write_text("epoch,val mIoU3\n0,0.5\n1,0.6\n")
    for epoch in (1, 2):  # resumed twice, each time with the newer scores
        record = Record(tmp_path, Console(file=io.StringIO()), first_epoch=epoch, steps=1)
        record.scores(epoch, epoch, {"val mIoU3": 0.7, "val boundary F": 0.4})
        record.close()
    with (tmp_path / SCORES_FILE).open() as stream:
        rows = list(csv.DictReader(stream))
    assert [row["val mIoU3"] for row in rows] == ["0.5", "0.7", "0.7"]
    assert [row["val boundary F"] for row in rows] == ["", "0.4", "0.4"]
