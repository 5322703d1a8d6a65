"""Which scans a model for single slices takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nibabel.affines import from_matvec
from scipy.spatial.transform import Rotation

from src_core.errors import InputError
from src_core.io.scan import scan_from_array, slice_of
from src_core.space.slices import SliceRange

CORONAL = SliceRange("y", (-32.0, -4.0))
HERE = np.eye(4)


@pytest.mark.parametrize(
    ("axis", "ends"), [("t", (0, 1)), ("y", (1, 1)), ("y", (0, np.nan)), ("y", (-np.inf, 0))]
)
def test_a_range_that_is_none_is_refused(axis, ends) -> None:
    with pytest.raises(InputError, match="slices must"):
        SliceRange(axis, ends)


@pytest.mark.parametrize("axis", range(3))
def test_slices_across_the_axis_are_taken_and_others_are_refused(brain, axis) -> None:
    scan = slice_of(brain.scan, axis, brain.scan.shape[axis] // 2)
    for name in "xyz":
        slices = SliceRange(name, (-10, 10))
        if slices.number == axis:
            slices.check(scan, HERE, "m")
        else:
            with pytest.raises(InputError, match="90 degrees off"):
                slices.check(scan, HERE, "m")


def test_the_message_says_what_the_model_is_for_and_what_to_do(brain) -> None:
    with pytest.raises(InputError) as caught:
        CORONAL.check(brain.scan, HERE, "brain2d")
    message = str(caught.value)
    assert "\n" not in message
    for said in ("brain2d", "one coronal slice, -32 to -4 mm", "volume", "extract one"):
        assert said in message


@pytest.mark.parametrize(("degrees", "taken"), [(20, True), (40, False)])
def test_a_slice_may_be_tilted_a_little(brain, degrees, taken) -> None:
    scan = slice_of(brain.scan, 1, 24)
    tilt = from_matvec(Rotation.from_euler("x", degrees, degrees=True).as_matrix())
    tilted = replace(scan, affine=tilt @ scan.affine)
    CORONAL.check(tilted, np.linalg.inv(tilt), "m")
    if taken:
        CORONAL.check(tilted, HERE, "m")
    else:
        with pytest.raises(InputError, match="40 degrees off"):
            CORONAL.check(tilted, HERE, "m")


def test_a_picture_without_orientation_is_refused(brain) -> None:
    picture = scan_from_array(brain.scan.voxels[:, 24], np.eye(4))
    with pytest.raises(InputError, match="correct its header"):
        CORONAL.check(picture, HERE, "m")
