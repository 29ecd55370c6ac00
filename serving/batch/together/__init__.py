"""Files for all photos together, made from the ledger in the order of names, whatever the run's order was."""

from collections.abc import Callable
from pathlib import Path

from contract.classes import ClassMap
from serving.batch.identity import Identity
from serving.batch.ledger import Ledger
from serving.batch.outputs import TOGETHER
from serving.batch.together.coco import write_coco
from serving.batch.together.parquet import write_parquet
from serving.batch.together.sheet import write_sheet

Write = Callable[[Path, Ledger, ClassMap, Identity], None]

WRITERS: dict[str, Write] = {"coco": write_coco, "parquet": write_parquet, "sheet": write_sheet}


def write_together(ledger: Ledger, classes: ClassMap, identity: Identity) -> list[Path]:
    """
    Write the files that were asked for; gives their paths.

    Raises:
        WriteError: If one cannot be written; what was there stays.
        DependencyMissing: If one needs a package that is not installed.
    """
    paths = []
    for name in ledger.outputs.together:
        path = ledger.out / TOGETHER[name]
        WRITERS[name](path, ledger, classes, identity)
        paths.append(path)
    return paths
