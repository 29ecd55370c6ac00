"""A folder of masks begun anew: what the batch wrote there is removed, and nothing else."""

import json
from contextlib import suppress
from pathlib import Path

from contract.files import writing
from serving.batch.database import asking, open_database
from serving.batch.ledger import FILE
from serving.batch.outputs import REPORT, TOGETHER, Outputs


def begin_anew(out: Path, suffixes: dict[str, str]) -> None:
    """
    Remove the masks that earlier runs wrote into a folder, by what their ledger says, and the ledger.

    Args:
        out: The folder.
        suffixes: Of photos' files, by format.

    Raises:
        DataError: If another run writes there now.
        WriteError: If something cannot be removed.
    """
    path = out / FILE
    if not path.exists():
        return
    database = open_database(path)
    try:
        with asking(path):
            row = database.execute("SELECT content FROM identity").fetchone()
            names = json.loads(row[0])["outputs"] if row else ()
            outputs = Outputs({name: suffixes[name] for name in names if name in suffixes})
            for (stem,) in database.execute("SELECT stem FROM photos"):
                for target in outputs.targets(out, stem).values():
                    _remove(target)
    finally:
        database.close()
    for name in (REPORT, *TOGETHER.values()):
        _remove(out / name)
    for ending in ("", "-wal", "-shm"):
        _remove(path.with_name(path.name + ending))


def _remove(path: Path) -> None:
    with writing(path), suppress(FileNotFoundError, NotADirectoryError):
        path.unlink()
