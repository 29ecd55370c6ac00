"""Priors are computed once per photo, over all cores, and kept as PNG by the content they came from."""

import hashlib
import multiprocessing
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from contract.annotations import AnnotatedImage
from contract.arrays import Uint8
from contract.errors import AnnotationError, ImageError
from contract.files import written_whole
from contract.images import read_bytes, read_image
from training.priors import Prior

GuessedImage = tuple[AnnotatedImage, Path]
"""An image and the file of its guess."""


def default_cache() -> Path:
    """Give the cache folder that is used where none is named: the user's."""
    return Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "box2seg" / "priors"


@dataclass(frozen=True, slots=True)
class PriorCache:
    """
    A prior's guesses on disk.

    Args:
        prior: What guesses.
        folder: Where the PNGs lie; shared by all data sets and runs.
    """

    prior: Prior
    folder: Path

    def path(self, image: AnnotatedImage) -> Path:
        """Give the file of an image's guess; its name hashes the photo, the boxes and the prior."""
        digest = hashlib.sha256(read_bytes(image.path))
        digest.update(repr((self.prior.key, image.boxes)).encode())
        return self.folder / self.prior.key / f"{digest.hexdigest()[:32]}.png"

    def fill(
        self, images: Sequence[AnnotatedImage], *, workers: int
    ) -> Iterator[tuple[AnnotatedImage, Path | AnnotationError]]:
        """
        Compute what is missing and give every image with its guess's file, as they get ready.

        A photo whose pixels cannot be decoded is given with what is wrong instead.

        Args:
            images: Any number; the order of the answers may differ.
            workers: Processes to compute with.
        """
        missing = []
        for image in images:
            path = self.path(image)
            if _is_whole(path):
                yield image, path
            else:
                missing.append((image, path))
        yield from self._compute(missing, workers)

    def _compute(
        self, missing: list[GuessedImage], workers: int
    ) -> Iterator[tuple[AnnotatedImage, Path | AnnotationError]]:
        if not missing:
            return
        # Forking a process that has run torch or OpenCV threads may hang; fresh ones cannot.
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, mp_context=context, initializer=_start_worker) as pool:
            # The longest first, so that no worker is left alone with one at the end.
            missing = sorted(missing, key=lambda pair: -sum(box.area for box in pair[0].boxes))
            jobs = {pool.submit(_guess_file, self.prior, *pair): pair for pair in missing}
            try:
                for job in as_completed(jobs):
                    image, path = jobs[job]
                    try:
                        job.result()
                    except ImageError as error:
                        yield image, AnnotationError.of_photo(image.path, error)
                    else:
                        yield image, path
            finally:
                pool.shutdown(cancel_futures=True)


def read_guess(path: Path) -> Uint8:
    """
    Read a cached guess: (H, W) uint8 labels.

    Raises:
        AnnotationError: If the file is damaged.
    """
    try:
        with Image.open(path) as stored:
            return np.asarray(stored)
    except OSError as error:
        hint = "delete the file and run again"
        raise AnnotationError(path, f"damaged prior ({error})", hint=hint) from error


def _is_whole(path: Path) -> bool:
    """Tell whether a guess is there and undamaged; a damaged one is computed again."""
    try:
        with Image.open(path) as stored:
            stored.verify()
    except (OSError, SyntaxError):
        return False
    return True


def _start_worker() -> None:
    cv2.setNumThreads(1)  # the processes already fill the cores
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    """Leave no worker behind when the run is killed: nobody else would tell it."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _guess_file(prior: Prior, image: AnnotatedImage, path: Path) -> None:
    guess = prior.guess(read_image(image.path), image.boxes)
    with written_whole(path, shared=True) as stream:
        Image.fromarray(guess).save(stream, "PNG", compress_level=1)
