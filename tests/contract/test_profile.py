"""What photos and masks look like, and how far that drifts."""

from pathlib import Path

import numpy as np
import pytest

from contract.classes import ClassMap
from contract.errors import RegistryError
from contract.profile import (
    PROFILE_FILE,
    Look,
    Profile,
    drift,
    look_at,
    profile_of,
    read_profile,
    stability_index,
    write_profile,
)

CLASSES = ClassMap(("background", "cat", "dog"))


def test_a_look_counts_pixels_and_light() -> None:
    """Pixels are counted by label, one of each four; confidence and brightness are means in [0, 1]."""
    labels = np.array([[0, 1], [1, 2]], np.uint8).repeat(2, axis=0).repeat(2, axis=1)
    frame = np.full((4, 4, 3), 51, np.uint8)
    look = look_at(frame, labels, np.full((4, 4), 255, np.uint8), classes=3)
    assert look == Look((1, 2, 1), 1.0, pytest.approx(0.2))


def test_a_profile_puts_looks_together() -> None:
    """Classes have their parts of all pixels, photos their bins of brightness; white is in the last."""
    profile = profile_of([Look((3, 1, 0), 0.5, 0.05), Look((1, 3, 0), 1.0, 1.0)], CLASSES)
    assert profile.classes == {"background": 0.5, "cat": 0.5, "dog": 0.0}
    assert (profile.photos, profile.confidence) == (2, 0.75)
    assert (profile.bins[0], profile.bins[-1]) == (0.5, 0.5)


def test_nothing_seen_is_a_profile_of_zeros() -> None:
    """Before the first photo there is a profile, of nothing."""
    assert profile_of([], CLASSES) == Profile(0, dict.fromkeys(CLASSES.names, 0.0), 0.0, 0.0, (0.0,) * 10)


def test_drift_is_none_from_oneself_and_grows() -> None:
    """The index of equal shares is 0; of 50:50 against 90:10 it is (0.4 ln 5 - 0.4 ln 5/9) = 0.879."""
    profile = profile_of([Look((3, 1, 0), 0.5, 0.05)], CLASSES)
    same = drift(profile, profile)
    assert (same.classes, same.brightness) == (0.0, 0.0)
    assert stability_index([0.5, 0.5], [0.9, 0.1]) == pytest.approx(0.8789, abs=1e-4)
    dark, light = profile, profile_of([Look((3, 1, 0), 0.5, 0.95)], CLASSES)
    assert drift(dark, light).brightness > 10


def test_profiles_are_read_as_written(tmp_path: Path) -> None:
    """A profile survives its file; where there is no file there is none; a broken one is said to be so."""
    profile = profile_of([Look((3, 1, 0), 0.5, 0.05)], CLASSES)
    assert read_profile(tmp_path) is None
    write_profile(profile, tmp_path)
    assert read_profile(tmp_path) == profile
    (tmp_path / PROFILE_FILE).write_text("{}")
    with pytest.raises(RegistryError, match=PROFILE_FILE):
        read_profile(tmp_path)
