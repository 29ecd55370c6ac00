"""A URI as a place, by the package that speaks to its scheme; a missing one is named."""

from typing import Any

from contract.errors import DataError, DependencyMissing
from serving.batch.remote import Remote
from serving.batch.uris import is_web, shown, shown_words

PATIENCE_S = 60.0
"""For the next bytes. Of the whole there is no limit: an archive is read as long as its photos take."""


def open_remote(uri: str) -> Remote:
    """
    Give the place at a URI; nothing is asked of it yet.

    Raises:
        DependencyMissing: If a package is missing that speaks to it; says which.
        DataError: If nothing does.
        ModuleNotFoundError: Without fsspec; it comes with the extra "batch".
    """
    from fsspec.core import url_to_fs

    try:
        files, path = url_to_fs(uri, **_options(uri))
    except ImportError as error:
        raise _missing(uri, error) from None
    except Exception as error:  # no such protocol, or what its library finds wrong with the URI
        raise DataError(f"{shown(uri)}: {shown_words(str(error).replace(uri, shown(uri)))}") from None
    if getattr(files, "dircache", None) is not None:
        files.dircache.use_listings_cache = False  # a listing is gone through once, and may be long
    return Remote(files, path if is_web(uri) else path.rstrip("/"), _without_end(shown(uri)))


def _options(uri: str) -> dict[str, Any]:
    """Give what a web server is asked with: proxies as the environment says, and no limit on the whole."""
    if not is_web(uri):
        return {}
    try:
        from aiohttp import ClientTimeout
    except ImportError as error:
        raise _missing(uri, error) from None
    timeout = ClientTimeout(total=None, sock_connect=30.0, sock_read=PATIENCE_S)
    return {"client_kwargs": {"timeout": timeout, "trust_env": True}}


def _missing(uri: str, error: ImportError) -> DependencyMissing:
    from fsspec.registry import known_implementations

    scheme = uri.partition("::")[0].partition(":")[0].lower()
    words = known_implementations.get(scheme, {}).get("err") or str(error)
    return DependencyMissing(
        f"{scheme}:// needs a package that is not installed here: {words}",
        hint="install it with pip beside box2seg; http and https come with `pip install -e '.[batch]'`",
    )


def _without_end(uri: str) -> str:
    return uri if uri.endswith("://") else uri.rstrip("/")
