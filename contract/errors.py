"""
Every error that box2seg raises on purpose.

    Box2SegError
    ├── DataError                 a data set, an annotation file or a list is not usable
    │   └── AnnotationError       one file of it, named, with what is wrong
    ├── ImageError                bytes that should be a photo
    │   ├── InvalidImage          empty, or no image at all
    │   ├── TruncatedImage        the header is fine, the pixels are not all there
    │   ├── UnsupportedImage      an image, but of a kind that is not decoded
    │   └── ImageTooLarge         more pixels than the limit, by its header
    ├── RequestError              a question that cannot be answered as asked
    │   ├── UnknownFormat         no such answer format
    │   ├── InvalidParameter      a parameter with a value that there is not, or that has no effect
    │   ├── InvalidTensor         a tensor with another name, type, shape or size than the model takes
    │   ├── UnknownModel          no such model or version
    │   ├── UnknownJob            no such job, or none that this key may see
    │   ├── NoJobs                the server takes no jobs
    │   ├── JobNotReady           the job is in a state that does not allow it
    │   ├── NoSuchRange           a part of a file that it does not have
    │   ├── BodyTooLarge          more bytes than the limit
    │   ├── BodyTooSlow           the body did not come in time
    │   ├── KeyRequired           no key, or none that is known
    │   ├── ScopeMissing          the key does not allow this
    │   └── TooManyRequests       ask again later
    │       ├── Overloaded        everybody together asks for more than can be done
    │       └── RateLimited       one key asks more often than it may
    ├── ConfigurationError        a setting or recipe field with a wrong name, type or value
    ├── ModelError                a checkpoint, an exported file or a published version
    │   ├── CheckpointError       missing, foreign or damaged checkpoint
    │   ├── ManifestError         manifest missing, damaged, or its files differ from their sha256
    │   ├── ExportError           the exporter could not write a usable file
    │   ├── ParityError           two forms of one model disagree by more than the tolerance
    │   ├── PublishError          the version cannot be published as asked
    │   └── RegistryError         a history or verdict that cannot be read
    │       ├── RegistryBusy      somebody else changes the versions now
    │       └── PromotionRefused  not allowed for this version: its gate failed, or its state is another
    ├── TrainingError             training cannot go on, such as with a loss that is no number
    ├── EngineError               inference itself
    │   ├── EngineUnavailable     the engine does not answer (now)
    │   ├── EngineTimeout         the engine did not answer in time
    │   │   └── DeadlineExceeded  the request's own time was over, wherever it was then
    │   ├── ModelOutputInvalid    the network gave what no model of its kind can mean
    │   ├── TritonUnavailable     a local Triton cannot be installed or started here
    │   └── TritonCheckFailed     Triton started, but corrupts tensors
    ├── ServerError               a server that was asked failed
    │   ├── VersionChanged        it answers by another version of the model than the answers before
    │   ├── RequestRefused        it does not take the question; its words say why
    │   └── ServerUnavailable     it does not answer, or cannot now
    ├── ClusterError              the workers of a batch cannot be had, or are lost for good
    ├── ShapeError                an array with another shape or dtype than its type allows
    ├── WriteError                a file could not be written, such as on a full disk
    ├── OutOfRoom                 a server has no disk or file left for what it is sent
    └── DependencyMissing         an optional package is not installed
"""

import errno
from typing import Any, Self

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
"""No room on the disk, for this user, or in one file."""


class Box2SegError(Exception):
    """
    Base of all errors raised on purpose; what a user reads is `str(error)`.

    Args:
        message: What was expected and what came.
        hint: What to do about it, if anything can be done.
    """

    retry_after_s: int | None = None
    """When to ask again [s], where asking again can help."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors come back from worker processes; their own arguments are not those of Exception.
        return _restore, (type(self), self.message, self.hint)

    def __str__(self) -> str:
        return f"{self.message}\n  hint: {self.hint}" if self.hint else self.message


def _restore(kind: type[Box2SegError], message: str, hint: str | None) -> Box2SegError:
    error = kind.__new__(kind, message)
    Box2SegError.__init__(error, message, hint=hint)
    return error


class DataError(Box2SegError):
    """A data set, an annotation file or a list is not usable."""


class AnnotationError(DataError):
    """
    One annotation file or its photo is not usable.

    Args:
        file: The file to look at.
        problem: What is wrong in it.
    """

    def __init__(self, file: object, problem: str, *, hint: str | None = None) -> None:
        super().__init__(f"{file}: {problem}", hint=hint)

    @classmethod
    def of_photo(cls, photo: object, error: "ImageError") -> Self:
        """Say what is wrong with a data set's photo; named once, though the error names it too."""
        return cls(photo, error.message.removeprefix(f"{photo}: "))


class ImageError(Box2SegError):
    """Bytes that should be a photo are not usable as one."""


class InvalidImage(ImageError):
    """The bytes are empty or no image at all."""


class TruncatedImage(ImageError):
    """The header is that of an image, but the pixels are damaged or not all there."""


class UnsupportedImage(ImageError):
    """The bytes are an image of a kind that is not decoded."""


class ImageTooLarge(ImageError):
    """The image has more pixels than the limit, by its header."""


class RequestError(Box2SegError):
    """A request that cannot be answered as asked."""


class UnknownFormat(RequestError):
    """The answer format asked for does not exist."""


class InvalidParameter(RequestError):
    """A parameter has a value that there is not, or would have no effect on the answer asked for."""


class InvalidTensor(RequestError):
    """A tensor has another name, type, shape or size than the model takes."""


class UnknownModel(RequestError):
    """The model or version asked for does not exist."""


class UnknownJob(RequestError):
    """There is no such job, or it is another key's."""


class NoJobs(RequestError):
    """The server takes no jobs; its operator gave it no folder for them."""


class JobNotReady(RequestError):
    """The job's state does not allow what was asked: it has no result yet, or none any more."""


class NoSuchRange(RequestError):
    """A part of a file is asked for that it does not have."""


class BodyTooLarge(RequestError):
    """The request's body has more bytes than the limit."""


class BodyTooSlow(RequestError):
    """The request's body did not come in time."""


class KeyRequired(RequestError):
    """The request has no key, or one that is not known."""


class ScopeMissing(RequestError):
    """The request's key does not allow what was asked."""


class TooManyRequests(RequestError):
    """
    More is asked than is answered now.

    Args:
        retry_after_s: When to ask again [s].
    """

    def __init__(self, message: str, *, hint: str | None = None, retry_after_s: int = 1) -> None:
        super().__init__(message, hint=hint)
        self.retry_after_s = retry_after_s


class Overloaded(TooManyRequests):
    """All requests together ask for more than can be done."""


class RateLimited(TooManyRequests):
    """One key asks more often than it may."""


class ConfigurationError(Box2SegError):
    """A setting or a recipe's field has a wrong name, type or value."""


class ModelError(Box2SegError):
    """A checkpoint, an exported file or a published version is not usable."""


class CheckpointError(ModelError):
    """The checkpoint is missing, foreign or damaged."""


class ManifestError(ModelError):
    """The manifest is missing or damaged, or a file differs from what it says."""


class ExportError(ModelError):
    """The exporter could not write a usable file."""


class ParityError(ModelError):
    """Two forms of one model disagree by more than the tolerance."""


class PublishError(ModelError):
    """The version cannot be published as asked."""


class RegistryError(ModelError):
    """A model's history, or what the gate found, cannot be read."""


class RegistryBusy(RegistryError):
    """Somebody else changes the model's versions at this moment."""


class PromotionRefused(RegistryError):
    """
    What was asked of a version is not allowed as it stands.

    Its gate failed or was not run against what is live now, or it is live, retired or rejected already.
    """


class TrainingError(Box2SegError):
    """Training cannot go on, such as with a loss that is no number."""


class EngineError(Box2SegError):
    """Inference failed."""


class EngineUnavailable(EngineError):
    """The engine does not answer now."""

    retry_after_s = 1


class EngineTimeout(EngineError):
    """The engine did not answer in time."""


class DeadlineExceeded(EngineTimeout):
    """The request's own time was over, whether it still waited or was worked on."""


class ModelOutputInvalid(EngineError):
    """The network gave labels that its model has no class for."""


class TritonUnavailable(EngineError):
    """A local Triton cannot be installed or started on this machine."""


class TritonCheckFailed(EngineError):
    """Triton started but returned other values than were computed."""


class ServerError(Box2SegError):
    """
    A server that was asked failed.

    Args:
        message: What the server said, or what is known without it.
        hint: What to do about it.
        status: Of the answer, None where there was none.
        request_id: Names the request in the server's log.
    """

    status: int | None = None
    request_id: str | None = None

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, hint=hint)
        self.status = status
        self.request_id = request_id


class RequestRefused(ServerError):
    """The server does not take the question; its words say why."""


class VersionChanged(ServerError):
    """The server answers by another version of the model than that which a batch was begun with."""


class ServerUnavailable(ServerError):
    """The server does not answer, or cannot now; it may another time."""


class ClusterError(Box2SegError):
    """The machines that work on a batch cannot be had, or are lost for good."""


class ShapeError(Box2SegError):
    """
    An array has another shape or dtype than its type allows.

    Args:
        name: The array's name.
        expected: What the type allows.
        got: What came.
    """

    def __init__(self, name: str, *, expected: str, got: str) -> None:
        super().__init__(f"{name}: expected {expected}, got {got}")


class OutOfRoom(Box2SegError):
    """The server has no room on its disk, or no file left to open, for what it is sent."""


class DependencyMissing(Box2SegError):
    """An optional package is not installed; the hint says which extra brings it."""


class WriteError(Box2SegError):
    """
    A file could not be written.

    Args:
        path: The file, or what to call the place where it goes.
        refused: What the system said; on a full disk it names no file by itself.
    """

    def __init__(self, path: object, refused: OSError) -> None:
        super().__init__(
            f"{path}: cannot be written ({refused.strerror or refused})",
            hint="make room there, or write elsewhere" if refused.errno in FULL else None,
        )
