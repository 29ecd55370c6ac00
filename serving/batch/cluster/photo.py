"""One photo in a worker's hands: read where the worker has the same file, else as it was sent."""

from hashlib import sha256
from pathlib import Path

from contract.errors import ImageError
from serving.batch.attempt import Unchanged
from serving.batch.cluster.orders import Order
from serving.batch.findings import Product
from serving.batch.items import find_stamp, read_file


class NotHere(Exception):
    """The worker does not have the file, or another one of its path."""


class Photo:
    """
    What a worker knows of a photo; its methods are called in threads.

    Args:
        order: The photo.
    """

    def __init__(self, order: Order) -> None:
        self._order = order
        self.data = b""
        self.sha256 = ""
        self.product: Product | None = None

    def read(self) -> bytes:
        """
        Give the photo's bytes.

        Raises:
            NotHere: If they are neither in the order nor in a file of that length and time.
            Unchanged: If the masks of that very content lie there.
        """
        self.data = self._read_file() if self._order.data is None else self._order.data
        self.sha256 = sha256(self.data).hexdigest()
        if self.sha256 == self._order.known:
            raise Unchanged
        return self.data

    def keep(self, product: Product) -> None:
        """Take what was made of it."""
        self.product = product

    def _read_file(self) -> bytes:
        assert self._order.path is not None, "an order has a path or bytes"
        path = Path(self._order.path)
        if find_stamp(path) != self._order.stamp:
            raise NotHere
        try:
            return read_file(path)
        except ImageError as error:  # who keeps the ledger says what is wrong with it
            raise NotHere from error
