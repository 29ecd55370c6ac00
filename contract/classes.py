"""Class names with their indices and colours, and the two indices that mean something everywhere."""

from dataclasses import dataclass
from functools import cache

from contract.errors import ConfigurationError

BACKGROUND = 0
"""Label of every pixel that belongs to no named class."""

IGNORE = 255
"""Label of pixels that are not scored and not learned from (void)."""

VOID = "void"
"""What IGNORE is called where labels have names."""

Colour = tuple[int, int, int]


def voc_colour(index: int) -> Colour:
    """Give the colour that the PASCAL VOC devkit gives to a label: RGB in [0, 255]."""
    red = green = blue = 0
    for bit in range(8):
        red |= (index >> 0 & 1) << (7 - bit)
        green |= (index >> 1 & 1) << (7 - bit)
        blue |= (index >> 2 & 1) << (7 - bit)
        index >>= 3
    return red, green, blue


@dataclass(frozen=True, slots=True)
class ClassMap:
    """
    Ordered class names; a label is an index into them.

    Args:
        names: Background first, then the named classes; 2 to 255 of them, all different.
        colours: One RGB colour per name; VOC's where left out.

    Raises:
        ConfigurationError: If names repeat, are too many, or do not begin with "background".
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...] = ()

    def __post_init__(self) -> None:
        if not self.colours:
            object.__setattr__(self, "colours", tuple(map(voc_colour, range(len(self.names)))))
        if not self.names or self.names[0] != "background":
            raise ConfigurationError(f"class names: expected 'background' first, got {list(self.names)[:3]}")
        if len(set(self.names)) != len(self.names):
            raise ConfigurationError(f"class names: each once, got {list(self.names)}")
        if not 2 <= len(self.names) <= IGNORE:
            raise ConfigurationError(f"class names: expected 2 to {IGNORE}, got {len(self.names)}")
        if len(self.colours) != len(self.names):
            raise ConfigurationError(f"class colours: expected {len(self.names)}, got {len(self.colours)}")

    def __len__(self) -> int:
        return len(self.names)

    @property
    def foreground(self) -> tuple[str, ...]:
        """Names without background."""
        return self.names[BACKGROUND + 1 :]

    def index(self, name: str) -> int:
        """
        Give a name's label.

        Raises:
            ConfigurationError: If there is no such class; names those there are.
        """
        if name not in self.names:
            raise ConfigurationError(f"no class {name!r}; there are {', '.join(self.names)}")
        return self.names.index(name)

    def name(self, label: int) -> str:
        """Give a label's name; that of IGNORE is "void"."""
        return VOID if label == IGNORE else self.names[label]

    def palette(self) -> bytes:
        """Give 256 RGB triples for an indexed PNG; IGNORE is the devkit's cream white."""
        return _palette(self.colours)


@cache
def _palette(colours: tuple[Colour, ...]) -> bytes:
    """Fill up with VOC's colours; once per model, as it takes longer than to compress a small mask."""
    filled = [*colours, *map(voc_colour, range(len(colours), 256))]
    return bytes(channel for colour in filled for channel in colour)


def class_map(foreground: tuple[str, ...] | list[str]) -> ClassMap:
    """Give the ClassMap of these classes, with background in front."""
    return ClassMap(("background", *foreground))
