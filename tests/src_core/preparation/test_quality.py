"""Each fault of a scan is found by a check of its own, and what has none passes them all."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy import ndimage

from src_core.io.scan import Scan, scan_from_array, slice_of
from src_core.preparation.alignment import Alignment
from src_core.preparation.quality import (
    check_brain,
    check_intensities,
    check_place,
    check_scan,
)
from src_core.space.bias import find_bias_field

if TYPE_CHECKING:
    from src_core.preparation.findings import Finding


def unusual(findings: list[Finding]) -> dict[str, bool]:
    """Names of the checks that found a fault, and whether it is grave."""
    return {one.check: one.grave for one in findings if one.message}


def with_voxels_of(scan: Scan, factor: float) -> Scan:
    affine = scan.affine.copy()
    affine[:3] *= factor
    return scan_from_array(scan.voxels, affine)


def part(mask: np.ndarray, axis: int, share: float) -> np.ndarray:
    """The mask up to a share of its length along an axis."""
    places = np.argwhere(mask)[:, axis]
    end = places.min() + share * np.ptp(places)
    index = np.indices(mask.shape, sparse=True)[axis]
    return mask & (index < end)


def test_a_brain_without_faults_passes(brain) -> None:
    found = check_scan(brain.scan) + check_brain(brain.scan, brain.mask)
    assert unusual(found) == {}
    assert {one.check for one in found} >= {"field_of_view_mm", "brain_volume_l", "filled_box"}


@pytest.mark.parametrize("axis", range(3))
def test_slices_pass(brain, axis) -> None:
    scan = slice_of(brain.scan, axis, brain.scan.shape[axis] // 2)
    assert unusual(check_scan(scan) + check_brain(scan, scan.voxels > 0)) == {}


@pytest.mark.parametrize("factor", [0.1, 0.001, 1000])
def test_voxels_of_the_wrong_size_are_told_by_the_field_of_view(brain, factor) -> None:
    (found,) = check_scan(with_voxels_of(brain.scan, factor))
    assert found.grave
    assert "correct the scan's header" in found.message


def test_a_lost_voxel_size_is_told_by_the_brain_s_volume(brain) -> None:
    assert unusual(check_brain(with_voxels_of(brain.scan, 0.5), brain.mask)) == {
        "brain_volume_l": True
    }


def test_an_unusual_volume_is_no_grave_fault(brain) -> None:
    scan = with_voxels_of(brain.scan, 0.65)
    (found,) = (one for one in check_brain(scan, brain.mask) if one.message)
    assert not found.grave
    assert "0.54 L, usual are 0.7 to 2.1 L" in found.message


@pytest.mark.parametrize("axis", range(3))
def test_half_a_brain_is_told_by_its_flat_side(brain, axis) -> None:
    assert unusual(check_brain(brain.scan, part(brain.mask, axis, 0.5))) == {"flat_side_cm2": True}


def test_a_brain_cut_off_at_the_edge_is_no_grave_fault(brain) -> None:
    voxels = brain.scan.voxels[:, :, :30]
    scan = scan_from_array(voxels, brain.scan.affine)
    assert unusual(check_brain(scan, voxels > 0)) == {"cut_off_cm2": False}


def test_a_thin_slab_has_no_volume_of_a_brain(brain) -> None:
    voxels = brain.scan.voxels[:, :, 18:26]
    scan = scan_from_array(voxels, brain.scan.affine)
    assert unusual(check_brain(scan, voxels > 0)) == {"cut_off_cm2": False}


def test_a_mask_of_everything_is_no_brain(brain) -> None:
    found = unusual(check_brain(brain.scan, np.ones(brain.scan.shape, bool)))
    assert found.items() >= {"filled_box": True, "brain_volume_l": True}.items()


def test_a_mask_of_few_voxels_is_no_brain(brain) -> None:
    few = np.zeros(brain.scan.shape, bool)
    few[20:23, 20:24, 20:22] = True
    assert unusual(check_brain(brain.scan, few))["brain_volume_l"]


def test_a_label_map_is_no_scan(brain) -> None:
    # Smaller voxels, as those of label maps are beside the patches of their labels.
    labels = ndimage.zoom(brain.labels, 2, order=0)
    affine = brain.scan.affine @ np.diag([0.5, 0.5, 0.5, 1])
    scan = scan_from_array(labels, affine)
    (found,) = (one for one in check_brain(scan, labels > 0) if one.grave)
    assert "looks like a label map" in found.message


def test_whole_intensities_are_no_label_map(brain) -> None:
    scan = scan_from_array(np.rint(brain.scan.voxels), brain.scan.affine)
    assert unusual(check_brain(scan, brain.mask)) == {}


def placed(scales: tuple[float, float, float], similarity: float) -> Alignment:
    turn = np.array([[0.8, -0.6, 0], [0.6, 0.8, 0], [0, 0, 1]])
    matrix = np.eye(4)
    matrix[:3, :3] = turn @ np.diag(scales)
    return Alignment(matrix, "estimated", similarity)


@pytest.mark.parametrize(
    ("scales", "similarity", "expected"),
    [
        ((1.1, 1.2, 1.0), 0.95, {}),
        ((1.1, 1.2, 1.0), 0.9, {"similarity": False}),
        ((1.1, 1.2, 1.0), 0.5, {"similarity": True}),
        ((1.32, 1.2, 1.0), 0.95, {"stretch": False}),
        ((2.1, 1.2, 1.0), 0.95, {"stretch": True}),
    ],
)
def test_the_place_tells_what_is_no_brain_like_the_template(scales, similarity, expected) -> None:
    assert unusual(check_place(placed(scales, similarity), is_slice=False)) == expected


def test_of_a_given_place_and_a_slice_nothing_is_said() -> None:
    given = Alignment(np.diag([2.0, 1, 1, 1]), "given")
    assert check_place(given, is_slice=False) == []
    assert check_place(placed((2.0, 1, 1), 0.5), is_slice=True) == []


@pytest.mark.parametrize(("strength", "expected"), [(0.3, {}), (1.6, {"bias_field": False})])
def test_a_very_strong_bias_field_is_told(brain, strength, expected) -> None:
    indices = np.argwhere(brain.mask)
    along = indices[:, 1] / brain.mask.shape[1]
    values = brain.scan.voxels[brain.mask] * np.exp(strength * along)
    assert unusual(check_intensities(find_bias_field(indices, values))) == expected
