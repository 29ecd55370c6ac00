"""The label map as numpy's own files and as bare octets, for programs."""

import io
import zipfile

import numpy as np
import numpy.typing as npt

from contract.arrays import Uint8
from contract.classes import ClassMap
from contract.masks import Segmentation


def encode_npy(photo: Uint8, segmentation: Segmentation, classes: ClassMap) -> bytes:
    """Give the labels, (H, W) uint8, as a file for `numpy.load`; photo and classes are not used."""
    stream = io.BytesIO()
    np.lib.format.write_array(stream, segmentation.labels, allow_pickle=False)
    return stream.getvalue()


def encode_npz(photo: Uint8, segmentation: Segmentation, classes: ClassMap) -> bytes:
    """
    Give all there is to know as a file for `numpy.load`.

    Args:
        photo: Not used; all formats are called alike.
        segmentation: Labels (H, W) uint8, and confidence of the same size.
        classes: Give the names.

    Returns:
        `labels`, `confidence`, `classes` (a name for each label), `model` and `version`.
    """
    assert segmentation.confidence is not None
    arrays: dict[str, npt.ArrayLike] = {
        "labels": segmentation.labels,
        "confidence": segmentation.confidence,
        "classes": classes.names,
        "model": segmentation.model,
        "version": segmentation.version,
    }
    stream = io.BytesIO()
    # numpy's own savez_compressed takes zlib's default level, which is several times as slow at 12 Mpx.
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.asarray(array), allow_pickle=False)
    return stream.getvalue()


def encode_raw(photo: Uint8, segmentation: Segmentation, classes: ClassMap) -> bytes:
    """Give the labels row by row, a byte per pixel; photo and classes are not used."""
    return segmentation.labels.tobytes()


def raw_headers(segmentation: Segmentation) -> dict[str, str]:
    """Say what the bare octets are."""
    height, width = segmentation.size
    return {"X-Shape": f"{height},{width}", "X-Dtype": str(segmentation.labels.dtype)}
