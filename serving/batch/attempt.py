"""One photo's way through a batch: read once, its files written whole, its failure put into words."""

import errno
import logging
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from contract.errors import Box2SegError, ClusterError, WriteError
from serving.batch.claims import Claim
from serving.batch.findings import Failure, Finding, Product
from serving.batch.items import stem
from serving.batch.ledger import Ledger
from serving.batch.pictures import draw_remains
from serving.batch.places import Place, written

log = logging.getLogger(__name__)

NOT_THIS_PHOTO = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)
"""A photo's own name can be at fault; whatever else keeps a mask from being written keeps all of them."""


class Unchanged(Exception):
    """The photo's content is that of the masks that lie there."""


@dataclass(slots=True)
class Attempt:
    """
    An attempt at one photo; its methods take time and are called in threads.

    Args:
        claim: The photo.
        ledger: Keeps account.
        unchanged: The masks of its very content lie there.
        remains: A small JPEG of what can be seen of it, where another machine has looked.
    """

    claim: Claim
    ledger: Ledger
    unchanged: bool = False
    remains: bytes | None = None
    _data: bytes = b""
    _sha256: str = ""
    _finding: Finding | None = field(default=None)

    def read(self) -> bytes:
        """
        Give the photo's bytes.

        Raises:
            Unchanged: If the masks of that very content lie there.
        """
        self._data = self.claim.item.read()
        self._sha256 = sha256(self._data).hexdigest()
        if self._sha256 == self.claim.known:
            self.unchanged = True
            raise Unchanged
        return self._data

    def keep(self, product: Product) -> None:
        """Write the photo's files, each whole or not at all."""
        for name, target in self._targets().items():
            with written(target) as stream:
                stream.write(product.files[name])
        self._finding = product.finding

    def take(self, sha256: str, product: Product) -> None:
        """Write the files of a photo that was read and segmented elsewhere."""
        self._sha256 = sha256
        self.keep(product)

    def finish(self) -> None:
        """Write down that the files are there."""
        assert self._finding is not None, "a photo is kept before it is finished"
        self.ledger.finish(self.claim, self._sha256, self._finding)

    def fail(self, reason: str) -> None:
        """Remove what there is of the photo's files, and write down why it has none."""
        for target in self._targets().values():
            try:
                target.unlink(missing_ok=True)
            except OSError:  # a name at fault has no file
                continue
        self.ledger.fail(self.claim, Failure(reason, self.remains or draw_remains(self._data)))

    def reason(self, error: Exception) -> str:
        """
        Say in a sentence why the photo has no mask.

        Raises:
            WriteError, ClusterError: As it came, if it is no matter of this photo.
        """
        if isinstance(error, ClusterError) or (isinstance(error, WriteError) and not _is_by_name(error)):
            raise error
        reason = find_reason(error, self.claim.item.origin)
        out = self.ledger.out
        folder = out.resolve() if isinstance(out, Path) else out
        return reason.removeprefix(f"{folder}/")  # a report may go to strangers

    def _targets(self) -> dict[str, Place]:
        return self.ledger.outputs.targets(self.ledger.out, stem(self.claim.item.name))


def find_reason(error: Exception, origin: str) -> str:
    """Say in a sentence why a photo has no mask; what nobody thought of is in the log with its trace."""
    if isinstance(error, Box2SegError):
        return error.message
    if isinstance(error, OSError):
        return error.strerror or str(error)
    log.error("%s failed", origin, exc_info=error)
    return f"an error in box2seg itself, which its log describes: {type(error).__name__}: {error}"


def _is_by_name(error: WriteError) -> bool:
    return isinstance(error.__cause__, OSError) and error.__cause__.errno in NOT_THIS_PHOTO
