"""Where a batch's ledger lies: beside its masks, or on this machine where those are at a URI."""

import os
from hashlib import sha256
from pathlib import Path

from contract.errors import ConfigurationError, DataError, WriteError
from serving.batch.listing import is_empty
from serving.batch.outputs import MARK, OWN
from serving.batch.places import Place, place_of, written
from serving.batch.remote import Remote
from serving.batch.uris import is_web

FILE = Path(OWN, "ledger.sqlite")


def destination_of(words: str) -> Place:
    """
    Give the place that masks go to.

    Raises:
        ConfigurationError: If nothing can be put there, whoever asks.
        DependencyMissing, DataError: As `place_of` does.
    """
    if is_web(words):
        raise ConfigurationError(
            "--out: a web server takes no files", hint="name a folder, or a store such as s3://bucket/masks"
        )
    return place_of(words)


def ledger_file(out: Place, folder: Path | None = None) -> Path:
    """
    Give where the ledger of a batch lies.

    Args:
        out: Where its masks go.
        folder: Where ledgers lie; None for `out` itself, or, as SQLite lives at no URI, `default_folder`.
    """
    if folder is None and not isinstance(out, Remote):
        return out / FILE
    whole = str(out) if isinstance(out, Remote) else str(out.resolve())
    return (folder or default_folder()) / sha256(whole.encode()).hexdigest()[:16] / FILE.name


def default_folder() -> Path:
    """Give the folder for ledgers: not the cache, which others empty, and with it what was done."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "box2seg" / "batches"


def check_free(out: Remote) -> None:
    """
    Make sure, before a ledger is begun, that nothing of anybody's lies where masks will.

    Raises:
        DataError: If something does, such as a batch whose ledger is on another machine.
        WriteError: If nobody says so.
    """
    try:
        empty = is_empty(out)
    except OSError as error:
        raise WriteError(out, error) from error
    if not empty:
        raise DataError(
            f"{out} is not empty, and there is no ledger of it here",
            hint="name another --out, or the --ledger that it was begun with",
        )


def mark(out: Remote, identity: str) -> None:
    """
    Say at a URI what batch is there, and find out thereby whether something can be put there at all.

    Raises:
        WriteError: If not.
    """
    with written(out / MARK) as stream:
        stream.write(identity.encode())
