"""API keys: who may ask for what. The file holds hashes alone; a key itself is shown once, when made."""

import datetime
import fcntl
import hashlib
import hmac
import json
import logging
import math
import os
import secrets
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from contract.errors import ConfigurationError

log = logging.getLogger(__name__)

INFER, ADMIN = "infer", "admin"
SCOPES = (INFER, ADMIN)

TOKEN_PREFIX = "box2seg_"
"""So that people, and programs that look for secrets in repositories, know one when they see it."""

TOKEN_BYTES = 32

RAREST_S = 86_400
"""A key may be made to wait for a day between two requests, no longer."""


@dataclass(frozen=True, slots=True)
class Key:
    """
    One key, without what opens.

    Args:
        name: Whose it is; stands in logs.
        sha256: Of the token.
        scopes: What it allows; none includes another.
        created: When, in ISO 8601.
        rate_per_s: Requests per second, where it is not the server's own default.
        burst: Requests at once, where it is not the server's own default.
    """

    name: str
    sha256: str
    scopes: tuple[str, ...]
    created: str
    rate_per_s: float | None = None
    burst: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        if not self.name.isprintable() or not self.name.strip():
            raise ConfigurationError(f"a key's name is one line of letters, got {self.name!r}")
        unknown = sorted(set(self.scopes) - set(SCOPES))
        if unknown or not self.scopes:
            raise ConfigurationError(
                f"key {self.name!r} has the scopes {unknown or 'none'}",
                hint=f"there are: {', '.join(SCOPES)}",
            )
        slowest = 1 / RAREST_S
        if self.rate_per_s is not None and not slowest <= self.rate_per_s < math.inf:
            raise ConfigurationError(f"key {self.name!r}: a rate is above 0, at least a request a day")
        if self.burst is not None and self.burst < 1:
            raise ConfigurationError(f"key {self.name!r}: a burst is above 0")


def make_key(
    name: str, scopes: tuple[str, ...], *, rate_per_s: float | None = None, burst: int | None = None
) -> tuple[Key, str]:
    """Make a key; gives it and its token, which nobody can find out again."""
    token = TOKEN_PREFIX + secrets.token_urlsafe(TOKEN_BYTES)
    now = datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")
    return Key(name, hash_token(token), scopes, now, rate_per_s, burst), token


def hash_token(token: str) -> str:
    """
    Give what is stored of a token.

    A slow hash with a salt protects what people choose, which is guessed from lists. This is 256 random bits:
    no list has it, and it cannot be tried through at any speed. A fast hash keeps the gateway fast.
    """
    return hashlib.sha256(token.encode()).hexdigest()


def read_keys(file: Path) -> list[Key]:
    """
    Read a file of keys.

    Raises:
        ConfigurationError: If it is not there or is not one.
    """
    try:
        entries = json.loads(file.read_text(encoding="utf-8"))["keys"]
        return [Key(**{**entry, "scopes": tuple(entry["scopes"])}) for entry in entries]
    except FileNotFoundError as error:
        raise ConfigurationError(
            f"{file}: no such file of keys", hint="box2seg key add NAME makes it"
        ) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(
            f"{file}: no file of keys: {error}", hint="box2seg key writes such files"
        ) from error


def change_keys(file: Path, change: Callable[[list[Key]], list[Key]]) -> None:
    """
    Change a file of keys, made where there is none; whole or not at all, and one change after the other.

    Raises:
        ConfigurationError: If it is not a file of keys.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with _locked(file.parent):
        keys = change(read_keys(file) if file.exists() else [])
        _write_keys(file, keys)


class KeyRing:
    """
    The keys of a file, read again when it changes: a key that was revoked opens nothing from then on.

    A change for the worse, such as a file that is no JSON any more, is logged and leaves the keys as they
    were.

    Args:
        file: As `box2seg key` writes it.

    Raises:
        ConfigurationError: If it is not there or is not one.
    """

    def __init__(self, file: Path) -> None:
        self._file = file
        self._stamp = _stamp(file)  # before the keys: what changes in between is then read again
        self._keys = read_keys(file)

    def find(self, token: str) -> Key | None:
        """Give the key of a token; takes as long for a wrong one as for a right one."""
        self._refresh()
        digest = hash_token(token)
        found = None
        for key in self._keys:
            if hmac.compare_digest(key.sha256, digest):
                found = key
        return found

    def _refresh(self) -> None:
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._keys = read_keys(self._file)
        except (ConfigurationError, OSError) as error:
            log.error("keys stay as they were: %s", error)


def _stamp(file: Path) -> tuple[int, int, int] | None:
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_mtime_ns, status.st_ino, status.st_size


def _write_keys(file: Path, keys: list[Key]) -> None:
    """Write beside it, for its owner's eyes alone, and put that in its place."""
    text = json.dumps({"keys": [asdict(key) for key in keys]}, indent=2) + "\n"
    handle, beside = tempfile.mkstemp(prefix=f".{file.name}.", dir=file.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        Path(beside).replace(file)
    except BaseException:
        Path(beside).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Have a folder for oneself; its file of keys is replaced, so a lock on that would be lost."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)
