import pytest

from contract.classes import BACKGROUND, IGNORE, ClassMap, class_map, voc_colour
from contract.errors import ConfigurationError

ANIMALS = class_map(["cat", "cow", "dog"])


@pytest.mark.parametrize(
    ("label", "colour"),
    [
        pytest.param(0, (0, 0, 0), id="background"),
        pytest.param(1, (128, 0, 0), id="aeroplane"),
        pytest.param(8, (64, 0, 0), id="cat"),
        pytest.param(15, (192, 128, 128), id="person"),
        pytest.param(20, (0, 64, 128), id="tvmonitor"),
        pytest.param(255, (224, 224, 192), id="void"),
    ],
)
def test_colours_are_those_of_voc(label: int, colour: tuple[int, int, int]) -> None:
    """A label's colour is the one that the VOC devkit paints."""
    assert voc_colour(label) == colour


def test_background_stands_in_front() -> None:
    """class_map puts background at BACKGROUND; a name gives its label."""
    assert ANIMALS.names[BACKGROUND] == "background"
    assert ANIMALS.foreground == ("cat", "cow", "dog")
    assert [ANIMALS.index(name) for name in ANIMALS.names] == [0, 1, 2, 3]
    assert len(ANIMALS) == 4


def test_each_label_has_a_name() -> None:
    """A label's name is the class's; IGNORE is called void."""
    classes = class_map(["cat"])
    assert [classes.name(label) for label in (0, 1, IGNORE)] == ["background", "cat", "void"]


def test_the_palette_has_256_colours() -> None:
    """The palette fills an indexed PNG, with the map's own colours first and cream white at IGNORE."""
    palette = ClassMap(("background", "cat"), ((1, 2, 3), (4, 5, 6))).palette()
    assert len(palette) == 256 * 3
    assert palette[:6] == bytes([1, 2, 3, 4, 5, 6])
    assert palette[3 * IGNORE :] == bytes([224, 224, 192])


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    """Asking for a class that is not there names those there are."""
    with pytest.raises(ConfigurationError, match="no class 'lion'; there are background, cat, cow, dog"):
        ANIMALS.index("lion")


@pytest.mark.parametrize(
    ("names", "colours", "message"),
    [
        pytest.param((), (), "'background' first", id="none"),
        pytest.param(("cat", "dog"), (), "'background' first", id="no background"),
        pytest.param(("background",), (), "expected 2 to 255, got 1", id="background alone"),
        pytest.param(("background", "cat", "cat"), (), "each once", id="twice"),
        pytest.param(("background", "cat"), ((0, 0, 0),), "colours: expected 2, got 1", id="a colour short"),
        pytest.param(
            ("background", *map(str, range(255))), (), "expected 2 to 255, got 256", id="IGNORE taken"
        ),
    ],
)
def test_unusable_names_are_refused(
    names: tuple[str, ...], colours: tuple[tuple[int, int, int], ...], message: str
) -> None:
    """Names that no label map can carry are refused at birth."""
    with pytest.raises(ConfigurationError, match=message):
        ClassMap(names, colours)
