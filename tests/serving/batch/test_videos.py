"""A video's own outputs: what is seen, and labels of which nothing is lost."""

import io
import json
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from contract.classes import IGNORE
from contract.pictures import draw_overlay
from serving.batch.account import FILE
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger
from serving.batch.outputs import Outputs, choose_outputs
from serving.batch.together.film import COUNTED, LOOKED_AT, Coding, encode_film
from serving.batch.together.videos import write_videos
from tests.cli.test_predict import run
from tests.serving.batch.filling import results
from tests.serving.colours import CLASSES, draw_photo, read_labels

RATE = Fraction(30000, 1001)
ALL = [word for name in ("png", "overlay-video", "mask-video") for word in ("--format", name)]


def draw_film(path: Path, count: int = 6, *, turned: bool = False, size: tuple[int, int] = (64, 96)) -> Path:
    """Make a film whose rectangles move to the right; it may say that it is to be shown turned."""
    with av.open(str(path), "w") as film:
        stream = film.add_stream("mpeg4", rate=RATE)
        (stream.height, stream.width), stream.pix_fmt, stream.bit_rate = size, "yuv420p", 4_000_000
        if turned:
            stream.set_display_rotation(90)
        for number in range(count):
            picture = np.roll(draw_photo(*size), 2 * number, axis=1)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        film.mux(stream.encode())
    return path


def frames(path: Path, kind: str) -> list[np.ndarray]:
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format=kind) for frame in film.decode(video=0)]


def rate(path: Path) -> Fraction | None:
    with av.open(str(path)) as film:
        return film.streams.video[0].average_rate


@pytest.mark.parametrize("size", [(64, 96), (50, 66)])
def test_labels_are_the_pngs(repository: Path, tmp_path: Path, size: tuple[int, int]) -> None:
    """The video of labels has each PNG's bytes, the other the colours over them, both at the film's rate."""
    film = draw_film(tmp_path / "film.mp4", size=size)
    done = run(film, "--out", tmp_path / "out", "--repository", repository, *ALL)
    assert done.exit_code == 0, done.output
    source = frames(film, "rgb24")
    masks = frames(tmp_path / "out" / "film.mp4.mask.mkv", "gray")
    pictures = frames(tmp_path / "out" / "film.mp4.overlay.mp4", "rgb24")
    assert len(masks) == len(pictures) == len(source) == 6
    for name in ("film.mp4.mask.mkv", "film.mp4.overlay.mp4"):
        assert rate(tmp_path / "out" / name) == RATE
    for number, (mask, picture) in enumerate(zip(masks, pictures, strict=True)):
        png = read_labels((tmp_path / "out" / f"film.mp4/{number:06d}.png").read_bytes())
        np.testing.assert_array_equal(mask, png)
        assert {1, 3} <= set(np.unique(png).tolist())
        drawn = draw_overlay(source[number], png, CLASSES).astype(float)
        assert np.abs(drawn - picture).mean() < 8  # colours have half the resolution there
        assert np.abs(drawn - source[number]).mean() > 12  # which is not what a bare film would pass by


def test_a_film_is_upright(repository: Path, tmp_path: Path) -> None:
    """One that says that it is to be turned is turned, in both videos, as in its PNGs."""
    film = draw_film(tmp_path / "film.mp4", 2, turned=True)
    done = run(film, "--out", tmp_path / "out", "--repository", repository, *ALL)
    assert done.exit_code == 0, done.output
    png = read_labels((tmp_path / "out" / "film.mp4" / "000000.png").read_bytes())
    (mask, *_) = frames(tmp_path / "out" / "film.mp4.mask.mkv", "gray")
    (picture, *_) = frames(tmp_path / "out" / "film.mp4.overlay.mp4", "rgb24")
    assert png.shape == mask.shape == picture.shape[:2] == (96, 64)
    np.testing.assert_array_equal(mask, png)


@pytest.mark.parametrize(("coding", "size"), [(LOOKED_AT, (34, 52)), (COUNTED, (33, 51))])
def test_odd_sizes_fit(coding: Coding, size: tuple[int, int]) -> None:
    """Where a codec takes even sides only the last row and column are there twice; labels are as they are."""
    labels = np.arange(33 * 51).astype(np.uint8).reshape(33, 51)
    picture = labels if coding is COUNTED else np.stack([labels] * 3, axis=-1)
    frame = av.VideoFrame(51, 33, "rgb24")
    frame.pts, frame.time_base = None, Fraction(1, 25)
    target = io.BytesIO()
    encode_film(target, coding, Fraction(25), iter([(frame, picture)] * 3))
    target.seek(0)
    with av.open(target) as film:
        shown = [each.to_ndarray(format="gray") for each in film.decode(video=0)]
    assert [each.shape for each in shown] == [size] * 3
    if coding is COUNTED:
        np.testing.assert_array_equal(shown[2], labels)


def test_a_frame_without_a_mask_is_void(repository: Path, tmp_path: Path) -> None:
    """So both videos are as long as the film; and as often as it runs the same files are made."""
    film = draw_film(tmp_path / "film.mp4", 4)
    words = (film, "--out", tmp_path / "out", "--repository", repository, *ALL)
    assert run(*words).exit_code == 0
    first = results(tmp_path / "out")
    assert run(*words).exit_code == 0
    assert results(tmp_path / "out") == first
    with closing(sqlite3.connect(tmp_path / "out" / FILE)) as ledger, ledger:
        ledger.execute("UPDATE photos SET state = 'failed' WHERE name = 'film.mp4/000002'")
    with Ledger(tmp_path / "out", *identity(tmp_path / "out")) as ledger:
        write_videos(ledger, CLASSES, [film])
    masks = frames(tmp_path / "out" / "film.mp4.mask.mkv", "gray")
    assert [bool((mask == IGNORE).all()) for mask in masks] == [False, False, True, False]
    assert len(frames(tmp_path / "out" / "film.mp4.overlay.mp4", "gray")) == 4


def identity(out: Path) -> tuple[Identity, Outputs]:
    """Give what a batch was begun with."""
    with closing(sqlite3.connect(out / FILE)) as ledger:
        content = json.loads(ledger.execute("SELECT content FROM identity").fetchone()[0])
    outputs = tuple(content.pop("outputs"))
    return Identity(**content, outputs=outputs), choose_outputs(outputs, {"png": ".png"})


def test_a_video_of_others_stays(repository: Path, tmp_path: Path) -> None:
    """Before the first frame it is refused; ours goes with --fresh."""
    film = draw_film(tmp_path / "film.mp4", 2)
    theirs = tmp_path / "out" / "film.mp4.mask.mkv"
    theirs.parent.mkdir()
    theirs.write_text("mine")
    words = (film, "--out", tmp_path / "out", "--repository", repository, "--format", "mask-video")
    refused = run(*words)
    assert refused.exit_code == 2
    assert "not of this batch" in refused.output
    assert theirs.read_text() == "mine"
    theirs.unlink()
    assert run(*words).exit_code == 0
    assert list(results(tmp_path / "out")) == ["film.mp4.mask.mkv"]
    assert run(*words[:-1], "png", "--fresh").exit_code == 0
    assert sorted(results(tmp_path / "out")) == ["film.mp4/000000.png", "film.mp4/000001.png"]


def test_photos_make_no_video(repository: Path, photos: Path, tmp_path: Path) -> None:
    """A format of videos without a video is a mistake, and nothing is written."""
    refused = run(photos, "--out", tmp_path / "out", "--repository", repository, "--format", "overlay-video")
    assert refused.exit_code == 2
    assert "no video among the sources" in refused.output
    assert not (tmp_path / "out").exists()


def test_killed_it_ends_as_unbroken(repository: Path, tmp_path: Path) -> None:
    """A film that is killed half-way has no video, and the same command makes those of an unbroken run."""
    film = draw_film(tmp_path / "film.mp4", 200)
    words = (film, "--repository", repository, *ALL, "--out")
    out = tmp_path / "out"
    command = [sys.executable, "-m", "cli", "predict", *map(str, words), str(out), "--quiet"]
    process = subprocess.Popen(command)
    end = time.monotonic() + 120
    while len(list(out.glob("film.mp4/*.png"))) < 40:
        assert process.poll() is None
        assert time.monotonic() < end
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert 40 <= len(list(out.glob("film.mp4/*.png"))) < 200
    assert not list(out.glob("film.mp4.*"))
    resumed = run(*words, out)
    assert resumed.exit_code == 0, resumed.output
    assert "segmented before" in resumed.output
    assert run(*words, tmp_path / "unbroken").exit_code == 0
    assert results(out) == results(tmp_path / "unbroken")
