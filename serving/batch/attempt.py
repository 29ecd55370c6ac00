"""One photo's way through a batch: read once, its files written whole, its failure put into words."""

import errno
import logging
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from contract.errors import Box2SegError, ClusterError, VersionChanged, WriteError
from serving.batch.claims import Claim
from serving.batch.findings import Failure, Finding, Product
from serving.batch.items import stem
from serving.batch.ledger import Ledger
from serving.batch.pictures import draw_remains
from serving.batch.places import Place, written

log = logging.getLogger(__name__)

NOT_THIS_PHOTO = (errno.ENAMETOOLONG, errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.EINVAL, errno.EILSEQ)
"""A photo's own name can be at fault; whatever else keeps a mask from being written keeps all of them."""


OF_ALL = (ClusterError, VersionChanged)
"""What one photo meets first, and all that follow it would."""


class Unchanged(Exception):
    """The photo's content is that of the masks that lie there."""


class Another(Box2SegError):
    """The masks that lie there are another photo's."""


@dataclass(slots=True)
class Attempt:
    """
    An attempt at one photo; its methods take time and are called in threads.

    Args:
        claim: The photo.
        ledger: Keeps account.
        unchanged: The masks of its very content lie there.
        remains: A small JPEG of what can be seen of it, where another machine has looked.
        digest: The sha256 of its content; empty where it was not read.
    """

    claim: Claim
    ledger: Ledger
    unchanged: bool = False
    remains: bytes | None = None
    digest: str = ""
    _data: bytes = b""
    _finding: Finding | None = field(default=None)

    def read(self) -> bytes:
        """
        Give the photo's bytes.

        Raises:
            Unchanged: If the masks of that very content lie there.
            Another: If masks lie there of another photo.
        """
        self._data = self.claim.item.read()
        self.digest = sha256(self._data).hexdigest()
        if self.digest == self.claim.known:
            self.unchanged = True
            raise Unchanged
        self._check_own()
        return self._data

    def keep(self, product: Product) -> None:
        """Write the photo's files, each whole or not at all."""
        for name, target in self._targets().items():
            with written(target) as stream:
                stream.write(product.files[name])
        self._finding = product.finding

    def take(self, sha256: str, product: Product) -> None:
        """
        Write the files of a photo that was read and segmented elsewhere.

        Raises:
            Another: If masks lie there of another photo.
        """
        self.digest = sha256
        self._check_own()
        self.keep(product)

    def finish(self) -> None:
        """Write down that the files are there."""
        assert self._finding is not None, "a photo is kept before it is finished"
        self.ledger.finish(self.claim, self.digest, self._finding)

    def fail(self, reason: str) -> None:
        """
        Remove what there is of the photo's files, and write down why it has none.

        Masks stay that it had before where it could not be read now, as from a disk that is away, and those
        of another photo.
        """
        if self._is_left:
            self.ledger.leave(self.claim, reason)
            return
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
            WriteError, ClusterError, VersionChanged: As it came, if it is no matter of this photo.
        """
        if isinstance(error, OF_ALL) or (isinstance(error, WriteError) and not _is_by_name(error)):
            raise error
        reason = find_reason(error, self.claim.item.origin)
        out = self.ledger.out
        folder = out.resolve() if isinstance(out, Path) else out
        reason = reason.removeprefix(f"{folder}/")  # a report may go to strangers
        own = self._is_left and self.claim.other is None
        return f"{reason}; the masks that it had before are left" if own else reason

    @property
    def _is_left(self) -> bool:
        claim = self.claim
        return claim.other is not None or (claim.known is not None and not self.digest)

    def _check_own(self) -> None:
        if self.claim.other is not None:
            raise Another(
                f"the masks there are of another photo, {self.claim.other};"
                " segment the two into different folders"
            )

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
