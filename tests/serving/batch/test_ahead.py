"""What is taken ahead of the work fits into memory, and what is wrong with it is said of it."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from contract.errors import DataError
from serving.batch.ahead import AHEAD_BYTES, take_some
from serving.batch.findings import Finding, Keep, Product, Read
from serving.batch.items import Found, Item
from serving.batch.ledger import Ledger
from tests.serving.batch.test_run import IDENTITY, PNG, items, run


def test_large_members_are_taken_few_at_a_time(tmp_path: Path) -> None:
    """Of photos that only pass by no more are held than a bound in bytes, and what follows comes next."""
    content = b"x" * (AHEAD_BYTES // 2)
    found = iter([Item(f"{n}.jpg", f"{n}.jpg", lambda: content, passing=True) for n in range(5)])
    taken = []
    while some := take_some(found, lambda _: True, lambda: False):
        taken.append(len(some))
    assert taken == [2, 2, 1]


def test_a_run_draws_by_that_bound(tmp_path: Path) -> None:
    """While large photos of an archive are segmented, a few are in memory, not all sixteen of a draw."""
    alive = [0, 0]

    class Large(bytes):
        def __new__(cls) -> "Large":
            alive[0] += 1
            alive[1] = max(alive)
            return super().__new__(cls, AHEAD_BYTES // 4)

        def __del__(self) -> None:
            alive[0] -= 1

    async def look(read: Read, keep: Keep) -> None:
        keep(Product({"png": read()[:1]}, Finding((1, 1), 1)))

    found = (Item(f"{n}.jpg", f"{n}.jpg", Large, passing=True) for n in range(32))
    assert run(tmp_path, found, look)[0].done == 32
    assert alive[1] < 16


def test_whatever_a_passing_photo_raises_is_its_own(tmp_path: Path) -> None:
    """An error that no reader was expected to raise fails that photo; the others go on."""

    def stumble() -> bytes:
        raise ArithmeticError("an odd member")

    odd = Item("odd.jpg", "odd.jpg", stumble, passing=True)
    tally, told = run(tmp_path, iter([odd, *items("a.jpg")]))
    assert (tally.done, tally.failed) == (1, 1)
    assert "an odd member" in told[0].reason


def test_a_source_that_breaks_is_not_the_ledger(tmp_path: Path) -> None:
    """What keeps photos from being found ends the run in its own words; what was found is done."""

    def breaking() -> Iterator[Found]:
        yield from items(*(f"{n}.jpg" for n in range(16)))
        raise OSError(errno.EIO, os.strerror(errno.EIO), "holiday/")

    with pytest.raises(DataError, match=r"no more photos can be found .*Input/output error.*holiday/"):
        run(tmp_path, breaking())
    assert len(list(tmp_path.glob("*.png"))) == 16


def test_others_write_while_photos_are_looked_for(tmp_path: Path) -> None:
    """The ledger is not held while a source takes its time."""
    with Ledger(tmp_path, IDENTITY, PNG) as ledger:

        def slow() -> Iterator[Found]:
            ledger.flush()  # inside a transaction this would be a second one
            yield from items("a.jpg")

        assert len(take_some(slow(), ledger.wants, lambda: False)) == 1
