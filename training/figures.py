"""Pictures and figures, written whole or not at all as PNG or JPEG by their name."""

from pathlib import Path

from matplotlib import rcParams
from matplotlib.figure import Figure
from PIL import Image

from contract.errors import ConfigurationError
from contract.files import written_whole

# Names of runs, photos and classes are words, whatever signs are in them; two "$" would make a formula.
rcParams["text.parse_math"] = False

DOTS_PER_INCH = 120
OPTIONS: dict[str, dict[str, int]] = {".png": {}, ".jpg": {"quality": 85}, ".jpeg": {"quality": 85}}
"""How Pillow writes a picture, by the ending of its name."""


def new_figure(width: float, height: float) -> Figure:
    """Give an empty figure of a size [inch]."""
    # Without pyplot, which would keep every figure for a window that nobody opens.
    return Figure(figsize=(width, height), dpi=DOTS_PER_INCH)


def check_picture_name(path: Path) -> None:
    """
    Refuse a name that does not end as a picture's, before anything slow begins.

    Raises:
        ConfigurationError: Naming the endings there are.
    """
    if path.suffix.lower() not in OPTIONS:
        raise ConfigurationError(f"{path}: a picture's name ends in {', '.join(OPTIONS)}")


def save_figure(figure: Figure, path: Path) -> Path:
    """
    Write a figure; gives its path.

    Raises:
        ConfigurationError: If the name does not end as a picture's.
        WriteError: If it cannot be written.
    """
    check_picture_name(path)
    suffix = path.suffix.lower()
    with written_whole(path) as stream:
        figure.savefig(stream, format=suffix[1:], pil_kwargs=OPTIONS[suffix])
    return path


def save_picture(picture: Image.Image, path: Path) -> Path:
    """
    Write a picture; gives its path.

    Raises:
        ConfigurationError: If the name does not end as a picture's.
        WriteError: If it cannot be written.
    """
    check_picture_name(path)
    suffix = path.suffix.lower()
    with written_whole(path) as stream:
        picture.save(stream, "PNG" if suffix == ".png" else "JPEG", **OPTIONS[suffix])
    return path
