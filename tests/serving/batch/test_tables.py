"""Tables give bytes or paths, and videos their frames."""

from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from contract.images import decode_image
from serving.batch.items import Item, Trouble
from tests.serving.batch.finding import PHOTO, contents, find, troubles
from tests.serving.colours import draw_photo


def test_a_video_gives_its_frames(tmp_path: Path) -> None:
    """Frames are named by their number, and have the film's colours and size."""
    with av.open(str(tmp_path / "film.mp4"), "w") as film:
        stream = film.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 96, 64, "yuv420p"
        for _ in range(5):
            for packet in stream.encode(av.VideoFrame.from_ndarray(draw_photo(64, 96), format="rgb24")):
                film.mux(packet)
        film.mux(stream.encode())
    found = contents(tmp_path / "film.mp4")
    assert list(found) == [f"film.mp4/{number:06d}" for number in range(5)]
    for frame in found.values():
        pixels = decode_image(frame)
        assert pixels.shape == (64, 96, 3)
        assert np.abs(pixels[32, 20].astype(int) - [250, 10, 10]).max() < 30
    (tmp_path / "none.mp4").write_bytes(b"no film")
    assert "no video" in troubles(tmp_path / "none.mp4")[0]


def test_a_table_gives_bytes_or_paths(folder: Path) -> None:
    """A column of bytes, of Hugging Face's images, or of paths; one with neither names its columns."""
    pq.write_table(pa.table({"image": [PHOTO, None]}), folder / "bytes.parquet")
    pq.write_table(pa.table({"image": [{"bytes": PHOTO, "path": "x/y.png"}]}), folder / "hf.parquet")
    pq.write_table(pa.table({"file_name": ["deep/b.JPG", "none.png"]}), folder / "paths.parquet")
    pq.write_table(pa.table({"number": [1]}), folder / "other.parquet")
    assert contents(folder / "bytes.parquet") == {"bytes.parquet/000000000": PHOTO}
    assert "neither bytes nor a path" in troubles(folder / "bytes.parquet")[0]
    assert contents(folder / "hf.parquet") == {"x/y.png": PHOTO}
    assert [each.name for each in find(folder / "paths.parquet") if isinstance(each, Item)] == [
        "deep/b.JPG",
        "none.png",
    ]
    (said,) = troubles(folder / "other.parquet")
    assert "no column of photos among number; call it image" in said


def test_a_table_of_odd_paths(folder: Path) -> None:
    """Paths elsewhere are named as those of a list; one with a NUL fails alone, and text is UTF-8."""
    paths = ["a..b.png", "../other.png", "x\0y.png", "a.png"]
    pq.write_table(pa.table({"path": paths}), folder / "odd.parquet")
    first, second, nul, last = find(folder / "odd.parquet")
    assert isinstance(first, Item)
    assert first.name == "a..b.png"
    assert isinstance(second, Item)
    assert second.name == f"{folder.parent}/other.png".lstrip("/")
    assert isinstance(nul, Trouble)
    assert isinstance(last, Item)
    latin = pa.array([b"\xe9.png"]).view(pa.string())
    pq.write_table(pa.table({"path": latin}), folder / "latin.parquet")
    assert "'utf-8' codec can't decode" in troubles(folder / "latin.parquet")[0]
    pq.write_table(pa.table({"image": [{"bytes": PHOTO, "path": "x\0.png"}]}), folder / "hf.parquet")
    assert contents(folder / "hf.parquet") == {"hf.parquet/000000000": PHOTO}
