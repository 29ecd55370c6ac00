"""Which form an answer takes: the one named, else the one the client's Accept likes best."""

from dataclasses import dataclass
from functools import cache
from urllib.request import parse_http_list

from python_multipart.multipart import parse_options_header

from contract.errors import UnknownFormat
from serving.formats import FORMATS, Format, find_format

ANY = "*"
SHOWN = 100
"""As many characters of an Accept header are repeated in a problem."""


@dataclass(frozen=True, slots=True)
class Range:
    """
    One media range of an Accept header (RFC 9110, section 12.5.1).

    Args:
        kind: What stands before the slash, `*` for any.
        form: What stands after it, `*` for any.
        profile: Which of several forms of one media type; None for the plain one.
        quality: How much the client likes it, 0 for not at all, to 1.
    """

    kind: str
    form: str
    profile: str | None = None
    quality: float = 1.0

    @property
    def precision(self) -> int:
        """How much it says: of several ranges that cover a media type the most precise one counts."""
        return (self.kind != ANY) + (self.form != ANY) + (self.profile is not None)

    def covers(self, other: "Range") -> bool:
        """Tell whether a media type lies in this range."""
        return (
            self.kind in (ANY, other.kind)
            and self.form in (ANY, other.form)
            and self.profile in (None, other.profile)
        )


def choose_format(name: str | None, accept: str) -> Format:
    """
    Give the form for an answer.

    Args:
        name: The format's name, where the client names one; it goes before `accept`.
        accept: The Accept header; an empty one likes everything.

    Raises:
        UnknownFormat: If there is no such format, or the client accepts none; names those there are.
    """
    if name is not None:
        return find_format(name)
    ranges = parse_accept(accept)
    best = max(FORMATS.values(), key=lambda form: quality(form.media_type, ranges))
    if quality(best.media_type, ranges) == 0:
        raise not_acceptable(accept, [form.media_type for form in FORMATS.values()])
    return best


def quality(media_type: str, ranges: list[Range]) -> float:
    """Give how much a client likes a media type: what its most precise fitting range says, 0 without one."""
    wanted = _range_of(media_type)
    fitting = [(each.precision, each.quality) for each in ranges if each.covers(wanted)]
    return max(fitting)[1] if fitting else 0.0


def parse_accept(accept: str) -> list[Range]:
    """Read an Accept header; what is no media range is passed over, and parameters but q and profile."""
    ranges = (_parse_range(part) for part in parse_http_list(accept or "*/*"))
    return [each for each in ranges if each is not None]


def not_acceptable(accept: str, media_types: list[str]) -> UnknownFormat:
    """Say that a client accepts nothing that there is."""
    return UnknownFormat(
        f"there is no answer for Accept: {accept[:SHOWN]}", hint=f"there are: {', '.join(media_types)}"
    )


@cache
def _range_of(media_type: str) -> Range:
    """Read a media type of ours, once."""
    (wanted,) = parse_accept(media_type)
    return wanted


def _parse_range(part: str) -> Range | None:
    name, options = parse_options_header(part)
    kind, slash, form = name.decode("latin-1").partition("/")
    try:
        quality = float(options.get(b"q", b"1"))
    except ValueError:
        return None
    # Not a number is no quality either: it lies in no interval.
    if not (slash and 0 <= quality <= 1):
        return None
    profile = options.get(b"profile")
    return Range(kind, form, None if profile is None else profile.decode("latin-1"), quality)
