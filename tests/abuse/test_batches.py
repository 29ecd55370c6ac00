"""F1, F2, F3, F4, F6: batches that are killed, fed with rubbish, and run out of room."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer
from click.testing import Result
from typer.testing import CliRunner

from cli.errors import Verbs
from cli.predict import predict
from serving.batch.ledger import FILE
from tests.abuse.conftest import Seen
from tests.full_disk import limit
from tests.serving.batch.filling import fill, pack, results
from tests.serving.batch.listing import run_listing
from tests.serving.colours import draw_photo, encode, publish_colours

PHOTOS = 90
NOBODY = 65_534
FORMATS = ("png", "overlay", "coco", "sheet", "parquet")


def words_of(repository: Path, out: Path, *sources: Path, formats: tuple[str, ...] = FORMATS) -> list[str]:
    """Give the command line of a batch behind the verb."""
    options = [word for name in formats for word in ("--format", name)]
    return [*map(str, sources), "--out", str(out), "--repository", str(repository), *options]


def run(*words: str) -> Result:
    """Run the verb in this process."""
    app = typer.Typer(cls=Verbs, pretty_exceptions_enable=False)
    app.command()(predict)
    app.command("other")(lambda: None)
    return CliRunner().invoke(app, ["predict", *words])


def kill_at(masks: int, words: list[str], out: Path, log: Path) -> int:
    """Run the verb in a process of its own and kill it as soon as there are so many masks; gives how many."""
    with log.open("wb") as stream:
        command = [sys.executable, "-m", "cli", "predict", *words]
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    end = time.monotonic() + 120
    try:
        while not (out / FILE).exists() or len(list((out / "png").rglob("*.png"))) < masks:
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.002)
    finally:
        process.kill()
    assert process.wait() == -signal.SIGKILL
    return len(list((out / "png").rglob("*.png")))


@pytest.mark.case("F1")
def test_killed_anywhere_it_ends_as_unbroken(repository: Path, tmp_path: Path, seen: Seen) -> None:
    """A batch killed at its start, early, at half and near its end has the same files, byte for byte."""
    folder = fill(tmp_path / "photos", PHOTOS, bad=3)
    archive = pack(fill(tmp_path / "more", PHOTOS // 2), tmp_path / "more.tar.gz")
    unbroken = run(*words_of(repository, tmp_path / "unbroken", folder, archive))
    assert unbroken.exit_code == 1, unbroken.output
    out = tmp_path / "killed"
    words = words_of(repository, out, folder, archive)
    moments = [kill_at(masks, words, out, tmp_path / "log") for masks in (0, 5, 60, 120)]
    resumed = run(*words)
    assert resumed.exit_code == 1, resumed.output
    assert "132 of 135 photos segmented" in resumed.output
    assert results(out) == results(tmp_path / "unbroken")
    again = run(*words)
    assert "segmented         0" in again.output
    assert results(out) == results(tmp_path / "unbroken")
    seen(f"killed at {', '.join(map(str, moments))} of 132 masks, then the same {len(results(out))} files")


@pytest.mark.case("F2")
def test_some_bad_photos_are_reported(repository: Path, tmp_path: Path, seen: Seen) -> None:
    """With 5 % bad photos the others are done, the report names each, and the exit code says "some"."""
    folder = fill(tmp_path / "photos", 100, bad=5)
    result = run(*words_of(repository, tmp_path / "out", folder, formats=("png",)))
    assert result.exit_code == 1
    report = (tmp_path / "out" / "report.html").read_text()
    for number in (19, 39, 59, 79, 99):
        assert f"{folder / f'{number:04d}.jpg'}<" in report
    assert "95 of 100 photos" in result.output
    seen("95 masks, 5 named in the report, exit code 1")


@pytest.mark.case("F2")
@pytest.mark.parametrize("budget", ["2", "2%"])
def test_too_many_bad_photos_stop_it(repository: Path, tmp_path: Path, seen: Seen, budget: str) -> None:
    """Above --max-failures a batch stops early, says so, and goes on when more may fail."""
    folder = fill(tmp_path / "photos", 300, bad=100)
    words = words_of(repository, tmp_path / "out", folder, formats=("png",))
    stopped = run(*words, "--max-failures", budget)
    assert stopped.exit_code == 3, stopped.output
    masks = len(list((tmp_path / "out").glob("*.png")))
    assert masks < 100
    assert "Stopped" in (tmp_path / "out" / "report.html").read_text()
    assert run(*words).exit_code == 1
    assert len(list((tmp_path / "out").glob("*.png"))) == 200
    seen(f"--max-failures {budget}: exit code 3 after {masks} of 200 masks, resumed")


@pytest.mark.case("F3")
def test_odd_names_are_all_accounted_for(repository: Path, tmp_path: Path, seen: Seen) -> None:
    """Unicode, bytes that are none, blanks, line ends, links in circles, a photo named twice: each once."""
    photo = encode(draw_photo())
    folder = tmp_path / "photos"
    (folder / "inner").mkdir(parents=True)
    names = ["ä.png", "a\u0308.png", "猫 1.png", "line\nend.png", "-x.png", ".hidden.png", "a.b.png"]
    for name in (*names, b"caf\xe9.png".decode(errors="surrogateescape")):
        (folder / name).write_bytes(photo)
    (folder / "inner" / "up").symlink_to(folder)
    (folder / "self.png").symlink_to("self.png")
    (folder / "twice.txt").write_text("ä.png\nä.png\n# a remark\n\nno such.png\n")
    result = run(*words_of(repository, tmp_path / "out", folder, formats=("png",)))
    assert result.exit_code == 1
    assert "8 of 9 photos" in result.output, result.output
    assert "self.png: cannot be read (Too many levels of symbolic links)" in result.output
    listed = run(*words_of(repository, tmp_path / "listed", folder / "twice.txt", formats=("png",)))
    assert "named twice  1" in listed.output, listed.output
    assert "1 of 2 photos" in listed.output
    assert sorted(results(tmp_path / "listed")) == ["ä.png"]
    seen("8 masks of 8 photos, a link to itself named, a second mention counted once")


@pytest.mark.case("F3")
def test_an_output_that_cannot_be_written_is_named(repository: Path, tmp_path: Path, seen: Seen) -> None:
    """A read-only folder, and a file in its place, end it in a sentence before a photo is read."""
    photo = Path("0000.jpg")
    (tmp_path / "file").touch()
    result = run(*words_of(repository, tmp_path / "file" / "out", photo, formats=("png",)))
    assert result.exit_code == 2
    assert "cannot be written (Not a directory)" in result.output
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        publish_colours(Path(folder) / "models")
        (Path(folder) / "locked").mkdir(mode=0o555)
        words = words_of(Path(folder) / "models", Path(folder) / "locked", photo, formats=("png",))
        with no_longer_root():
            result = run(*words)
    assert result.exit_code == 2
    assert "cannot be written (Permission denied)" in result.output, result.output
    seen("exit code 2, the folder named")


@contextmanager
def no_longer_root() -> Iterator[None]:
    """Have the rights of nobody in particular: those of root know no read-only folder."""
    user = os.geteuid()
    try:
        if user == 0:
            os.seteuid(NOBODY)
        yield
    finally:
        os.seteuid(user)


@pytest.mark.case("F4")
@pytest.mark.parametrize(("room", "named"), [(400_000, "big.raw"), (30_000, "ledger.sqlite")])
def test_a_full_disk_stops_it_cleanly(
    repository: Path, tmp_path: Path, seen: Seen, monkeypatch: pytest.MonkeyPatch, room: int, named: str
) -> None:
    """What does not fit is named, no half of a file is left, and with room the batch goes on to its end."""
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    folder = fill(tmp_path / "photos", 20)
    (folder / "big.png").write_bytes(encode(draw_photo(700, 800)))
    words = words_of(repository, tmp_path / "out", folder, formats=("raw",))
    with limit(room):
        full = run(*words)
    assert full.exit_code == 2, full.output
    assert f"{named}: cannot be written" in full.output
    assert not list((tmp_path / "out").rglob("*.partial"))
    assert not (tmp_path / "out" / "big.raw").exists()
    resumed = run(*words)
    assert resumed.exit_code == 0, resumed.output
    assert len(results(tmp_path / "out")) == 21
    seen(f"{named} named, nothing half written, resumed")


@pytest.mark.case("F6")
def test_a_long_list_takes_no_memory(tmp_path: Path, seen: Seen) -> None:
    """A list of 20,000 photos takes no more memory than one of 2,000, and so does its second run."""
    short, long = (run_listing(tmp_path / str(count), count) for count in (2_000, 20_000))
    assert long.peak_mib - short.peak_mib < 16, (short, long)
    seen(f"{short.peak_mib:.0f} MiB at 2,000 entries, {long.peak_mib:.0f} MiB at 20,000")


@pytest.mark.abuse
@pytest.mark.timeout(3000)
@pytest.mark.case("F6")
def test_a_million_entries_take_no_memory(tmp_path: Path, seen: Seen) -> None:
    """Nor does one of 1,000,000."""
    short, long = (run_listing(tmp_path / str(count), count) for count in (10_000, 1_000_000))
    assert long.peak_mib - short.peak_mib < 32, (short, long)
    seen(
        f"{short.peak_mib:.0f} MiB at 10,000 entries, {long.peak_mib:.0f} MiB at 1,000,000;"
        f" the first after {long.first_s:.1f} s"
    )
