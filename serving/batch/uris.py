"""URIs as people may read them: told from paths, shown without what is secret in them, and made names."""

import re
from urllib.parse import unquote

URI = re.compile(r"[a-z][a-z0-9+.-]*(::[a-z][a-z0-9+.-]*)*://", re.IGNORECASE)
WITHIN = re.compile(r"[a-z][a-z0-9+.-]*://[^\s'\"<>)]+", re.IGNORECASE)
"""One within a sentence."""

PART = re.compile(r"(?P<scheme>[^:/?#]+)://(?P<host>[^/?#]*)(?P<path>[^?#]*)(?P<query>\?[^#]*)?")
WEB = ("http", "https")
CONTAINERS = ("abfs", "abfss", "wasb", "wasbs", "az", "adl")
"""There "container@account" stands where elsewhere a user does."""

SECRET = re.compile(
    r"sig|token|key|secret|pass|pwd|cred|auth|access|session|jwt|code|policy|expires|x-amz|x-goog"
    r"|^(se|sp|sv|sr|st|spr|skoid|sktid|skt|ske|sks|skv)$",
    re.IGNORECASE,
)
"""Parameters that sign a link, or unlock it: S3's, Google's, Azure's, and what others call theirs."""

PLAIN = re.compile(r"[\w.,-]{0,12}")
"""A value too short and too plain to be a key."""

HIDDEN = "..."


def is_uri(place: str) -> bool:
    """Tell whether a place is a URI and no path."""
    return URI.match(place) is not None


def is_web(uri: str) -> bool:
    """Tell whether a URI is a web server's, where "%20" is a blank and "?" begins a query."""
    return uri.lower().startswith(tuple(f"{scheme}://" for scheme in WEB))


def shown(uri: str) -> str:
    """Give a URI without passwords, tokens and signatures; the same one for a link that is signed anew."""
    return "::".join(PART.sub(_shown_part, part) for part in uri.split("::"))


def shown_words(words: str) -> str:
    """Give a sentence with its URIs as `shown` gives them."""
    return WITHIN.sub(lambda found: shown(found[0]), words)


def uri_name(uri: str) -> str:
    """Give what to call a photo at a URI: host or bucket and path, and what of its query is plain."""
    return "/".join(filter(None, map(_part_name, reversed(shown(uri).split("::")))))


def _part_name(part: str) -> str:
    parts = PART.match(part)
    if parts is None:
        return ""
    path = unquote(parts["path"]) if is_web(part) else parts["path"]
    query = re.sub(r"[^\w.,=-]", "_", parts["query"] or "")
    return f"{parts['host']}{path}{query}".strip("/")


def _shown_part(parts: re.Match[str]) -> str:
    scheme, host, query = parts["scheme"], parts["host"], parts["query"]
    if scheme.lower() not in CONTAINERS:
        host = host.rpartition("@")[2]
    values = [] if query is None else [_shown_value(each) for each in query[1:].split("&")]
    tail = "&".join(value for value in values if value)
    return f"{scheme}://{host}{parts['path']}{'?' if tail else ''}{tail}"


def _shown_value(parameter: str) -> str:
    """Give a parameter, its name alone where its value may be secret, and of a signature nothing."""
    name, equals, value = parameter.partition("=")
    if SECRET.search(name):
        return ""
    if not equals:
        return name if PLAIN.fullmatch(name) else HIDDEN
    return parameter if PLAIN.fullmatch(value) else f"{name}={HIDDEN}"
