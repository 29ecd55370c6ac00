"""An inspection drawn as one picture: the photo and all that is made of it, in titled panels of one size."""

from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Rectangle

from contract.annotations import Box
from contract.arrays import Size, Uint8
from contract.classes import BACKGROUND, IGNORE, ClassMap
from contract.geometry import resize
from contract.pictures import draw_overlay
from training.figures import new_figure, save_figure
from training.inspection import Inspection, Map

LONG_SIDE = 640
"""Photos are drawn at most so large [px]; panels are smaller still."""

AREA = 9.0
"""Of each panel's picture, whatever its shape [inch^2]."""
MARGIN = 0.15
TITLE = 0.3
FOOT = 0.4
HEAD = 0.4
"""Around the panels, above each, below each, above them all [inch]."""

HEAT = "inferno"
ALIKE = "RdBu_r"
HEAT_SHARE = 0.7
"""Of a map's colour over the grey photo."""

Panel = Callable[[Axes], None]


def draw_inspection(
    inspection: Inspection, classes: ClassMap, out: Path, *, title: str, masks: Mapping[str, Uint8]
) -> Path:
    """
    Draw all panels into one picture; gives its path.

    Args:
        inspection: What to draw.
        classes: Gives names and colours.
        out: The picture, PNG or JPEG; replaced whole.
        title: Stands above all panels.
        masks: (H, W) uint8 labels from elsewhere by their titles, such as people's.
    """
    panels = choose_panels(inspection, classes, masks)
    figure, places = _lay_out(len(panels), inspection.image.shape[:2])
    top = 1 - 0.3 * HEAD / figure.get_figheight()
    figure.suptitle(title, x=MARGIN / figure.get_figwidth(), y=top, ha="left", va="top", fontsize=12)
    for axes, (name, draw) in zip(places, panels.items(), strict=True):
        axes.set_title(name, loc="left", fontsize=11)
        axes.set_axis_off()
        draw(axes)
    return save_figure(figure, out)


def _lay_out(count: int, size: tuple[int, ...]) -> tuple[Figure, list[Axes]]:
    """Give a figure with so many places for pictures, all of one size and of the photo's shape."""
    columns = 3 if count in (3, 5, 6, 9) else min(4, count)
    rows = -(-count // columns)
    width, height = (AREA * size[1] / size[0]) ** 0.5, (AREA * size[0] / size[1]) ** 0.5
    across, down = width + MARGIN, TITLE + height + FOOT
    whole = (columns * across + MARGIN, rows * down + HEAD)
    figure = new_figure(*whole)
    places = []
    for index in range(count):
        left = MARGIN + index % columns * across
        bottom = whole[1] - HEAD - (index // columns + 1) * down + FOOT
        places.append((left / whole[0], bottom / whole[1], width / whole[0], height / whole[1]))
    return figure, [figure.add_axes(place) for place in places]


def choose_panels(inspection: Inspection, classes: ClassMap, masks: Mapping[str, Uint8]) -> dict[str, Panel]:
    """Give what there is to draw, by title."""
    overlay = partial(_draw_labels, image=inspection.image, classes=classes)
    panels: dict[str, Panel] = {"photo": partial(_draw_photo, inspection=inspection, classes=classes)}
    for title, labels in {**masks, "prediction": inspection.labels}.items():
        panels[title] = partial(overlay, labels=labels)
    for label in inspection.attention:
        attention = partial(_draw_attention, inspection=inspection, classes=classes, label=label)
        panels[f"attention: {classes.names[label]}"] = attention
    panels["affinity to the marked pixel"] = partial(_draw_affinity, inspection=inspection)
    panels["confidence"] = partial(_draw_confidence, inspection=inspection)
    return panels


def _draw_photo(axes: Axes, *, inspection: Inspection, classes: ClassMap) -> None:
    _show(axes, inspection.image, inspection.image.shape)
    _outline(axes, inspection.boxes, classes)
    _write_names(axes, {box.label for box in inspection.boxes}, classes)


def _draw_labels(axes: Axes, *, image: Uint8, labels: Uint8, classes: ClassMap) -> None:
    size = _drawn_size(labels)
    drawn = draw_overlay(resize(image, size), resize(labels, size, nearest=True), classes)
    _show(axes, drawn, labels.shape)
    _write_names(axes, set(np.unique(labels).tolist()) - {BACKGROUND, IGNORE}, classes)


def _draw_attention(axes: Axes, *, inspection: Inspection, classes: ClassMap, label: int) -> None:
    _draw_map(axes, image=inspection.image, values=inspection.attention[label], colours=HEAT, least=0)
    _outline(axes, (box for box in inspection.boxes if box.label == label), classes)


def _draw_confidence(axes: Axes, *, inspection: Inspection) -> None:
    _draw_map(axes, image=inspection.image, values=inspection.confidence, colours=HEAT, least=0)


def _draw_affinity(axes: Axes, *, inspection: Inspection) -> None:
    _draw_map(axes, image=inspection.image, values=inspection.affinity, colours=ALIKE, least=-1)
    x, y = inspection.pixel
    for colour, width in (("white", 4.5), ("black", 2)):
        axes.plot(x + 0.5, y + 0.5, marker="+", color=colour, markersize=14, markeredgewidth=width)


def _draw_map(axes: Axes, *, image: Uint8, values: Map, colours: str, least: float) -> None:
    """Lay a map's colours over the grey photo, with a bar that tells its values, from `least` to 1."""
    grey = resize(image, (values.shape[0], values.shape[1])).mean(axis=2, keepdims=True) / 255
    scale = ScalarMappable(Normalize(least, 1), colours)
    _show(axes, HEAT_SHARE * scale.to_rgba(values)[..., :3] + (1 - HEAT_SHARE) * grey, image.shape)
    ends = [least, (1 + least) / 2, 1.0]
    place = axes.inset_axes((0.0, -0.06, 1.0, 0.03))
    bar = axes.figure.colorbar(scale, cax=place, orientation="horizontal", ticks=ends)
    bar.ax.set_xticklabels([f"{end:.0%}" if least == 0 else f"{end:g}" for end in ends], fontsize=8)
    bar.ax.tick_params(length=2, pad=1)
    for words, align in zip(bar.ax.get_xticklabels(), ("left", "center", "right"), strict=True):
        words.set(ha=align)
    bar.outline.set_visible(False)


def _outline(axes: Axes, boxes: Iterable[Box], classes: ClassMap) -> None:
    """Draw boxes in their class's colour, on white so that they stand out of any photo."""
    for box in boxes:
        corner, size = (box.left, box.top), (box.right - box.left, box.bottom - box.top)
        for colour, width in (("white", 3.5), (_colour(classes, box.label), 1.8)):
            axes.add_patch(Rectangle(corner, *size, fill=False, edgecolor=colour, linewidth=width))


def _write_names(axes: Axes, labels: set[int], classes: ClassMap) -> None:
    """Write class names below a panel, each in its class's colour."""
    if not labels:
        return
    colours = [_colour(classes, label) for label in sorted(labels)]
    axes.legend(
        handles=[Patch(color=colour) for colour in colours],
        labels=[classes.names[label] for label in sorted(labels)],
        labelcolor=colours,
        loc="upper left",
        bbox_to_anchor=(0, 0),
        ncols=4,
        frameon=False,
        borderaxespad=0.3,
        borderpad=0,
        handlelength=0.8,
        handleheight=0.8,
        fontsize=10,
    )


def _show(axes: Axes, picture: Uint8 | Map, size: tuple[int, ...]) -> None:
    """Show a picture of any resolution in the photo's pixel coordinates."""
    axes.imshow(picture, extent=(0, size[1], size[0], 0), interpolation="antialiased")


def _drawn_size(array: Uint8) -> Size:
    height, width = array.shape[:2]
    scale = min(1.0, LONG_SIDE / max(height, width))
    return max(1, round(height * scale)), max(1, round(width * scale))


def _colour(classes: ClassMap, label: int) -> tuple[float, float, float]:
    red, green, blue = (channel / 255 for channel in classes.colours[label])
    return red, green, blue
