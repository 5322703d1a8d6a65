"""What can be known of a scan's quality before it is fitted.

Each check measures one number and says whether it is usual. What is usual comes from the 28
labelled scans and from 50 more of whole heads and stripped ones, of a dozen sources: all of them
pass every check.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from src_core.io.grid import listed_sizes
from src_core.preparation.findings import Finding, finding

if TYPE_CHECKING:
    from src_core.io.scan import Scan
    from src_core.preparation.alignment import Alignment
    from src_core.space.bias import BiasField

FIELD_MM = (80.0, 800.0)
"""Longest side of a picture of a brain or a head."""
BRAIN_L = (0.7, 2.1)
"""Brains with the fluid around them, from the age of three years on: 1.13 to 1.96."""
ANY_BRAIN_L = (0.4, 2.6)
"""What is smaller or larger is no whole brain."""
FILLED, FILLED_IF_CUT = 0.7, 0.9
"""Share of its bounding box that a brain fills at most: 0.42 to 0.48, and a slab of it more."""
FLAT_CM2 = 12.0
"""Area over which a brain's outline ends in one plane, besides `SLOPE_CM2_PER_MM`."""
SLOPE_CM2_PER_MM = 8.0
"""So much of it ends in any plane, per mm of its thickness."""
PART_MISSING_CM2 = 50.0
"""Beyond that area a large part is missing: half a brain ends over 115 cm2 or more."""
SIMILARITY = 0.93
"""Least correlation with the template: 0.947 to 0.978."""
ANY_SIMILARITY = 0.75
"""What is less like the template is no brain that was found there."""
STRETCH, ANY_STRETCH = 1.3, 1.35
"""By how much more the template stretches a brain in one direction than in another: up to 1.22;
half a brain by 1.4 to 2.2."""
BIAS = 0.23
"""Standard deviation of the logarithm of the bias field that is taken out: up to 0.17."""
SAME_AS_NEIGHBOUR = 0.6
"""Share of voxels with the same value as the next: up to 0.2 in scans, above 0.7 in label maps."""

_L_PER_MM3 = 1e-6
_CM2_PER_MM2 = 1e-2


def check_scan(scan: Scan) -> list[Finding]:
    """What is wrong with a scan, wherever its brain is."""
    return [_field_of_view(scan)]


def check_brain(scan: Scan, mask: np.ndarray) -> list[Finding]:
    """What is wrong with a scan's brain.

    Parameters
    ----------
    scan : Scan
    mask : ndarray of bool, shape (I, J, K)
        The brain.

    Returns
    -------
    list of Finding
    """
    if scan.is_slice:
        return [_same_as_neighbour(scan, mask)]
    cut, flat = _flat_sides(scan, mask)
    whole = not cut.message
    return [
        _filled_box(mask, whole),
        _brain_volume(scan, mask, whole),
        flat,
        cut,
        _same_as_neighbour(scan, mask),
    ]


def check_place(alignment: Alignment, is_slice: bool) -> list[Finding]:
    """What is wrong with where a scan was found in template space; of a given place nothing."""
    if alignment.method != "estimated" or is_slice:
        return []
    return [_stretch(alignment), _similarity(alignment)]


def check_intensities(bias: BiasField) -> list[Finding]:
    """What is wrong with the intensities of a brain."""
    return [
        finding(
            "bias_field",
            bias.strength,
            (None, BIAS),
            f"a very strong bias field ({bias.strength:.2f}, usual is up to {BIAS:g}) was taken out"
            " as far as it could be: look at the labels where the scan is darkest and brightest",
        )
    ]


def _field_of_view(scan: Scan) -> Finding:
    sides = scan.voxel_size * scan.shape
    return finding(
        "field_of_view_mm",
        float(sides.max()),
        FIELD_MM,
        f"no head has a field of view of {listed_sizes(sides)} mm: the voxels of"
        f" {listed_sizes(scan.voxel_size)} mm are wrong in size or unit; correct the scan's header",
        beyond=FIELD_MM,
    )


def _same_as_neighbour(scan: Scan, mask: np.ndarray) -> Finding:
    """Tell a label map from a scan: it has few whole values, in patches."""
    shares = []
    for axis in range(3):
        values, inside = np.moveaxis(scan.voxels, axis, 0), np.moveaxis(mask, axis, 0)
        both = inside[1:] & inside[:-1]
        if both.any():
            shares.append(np.mean((values[1:] == values[:-1])[both]))
    share = float(np.mean(shares)) if shares else 0.0
    values = scan.voxels[mask]
    if not np.array_equal(values, np.rint(values)):
        share = 0.0
    return finding(
        "same_as_neighbour",
        share,
        (None, SAME_AS_NEIGHBOUR),
        f"{scan.path or 'the scan'} looks like a label map: {share:.0%} of its voxels have the"
        f" whole number of the next voxel; give the scan that it was made from",
        beyond=(None, SAME_AS_NEIGHBOUR),
    )


def _filled_box(mask: np.ndarray, whole: bool) -> Finding:
    (box,) = ndimage.find_objects(mask.view(np.int8))
    share = float(mask[box].mean())
    limits = (None, FILLED if whole else FILLED_IF_CUT)
    return finding(
        "filled_box",
        share,
        limits,
        f"the brain mask has no brain's shape: it fills {share:.0%} of the box around it, a brain"
        " less than half; give a mask of the brain alone",
        beyond=limits,
    )


def _brain_volume(scan: Scan, mask: np.ndarray, whole: bool) -> Finding:
    litres = np.count_nonzero(mask) * scan.voxel_volume * _L_PER_MM3
    (low, high), (lowest, highest) = BRAIN_L, ANY_BRAIN_L
    return finding(
        "brain_volume_l",
        litres,
        (low if whole else None, high),
        f"the brain has {litres:.2g} L, usual are {low:g} to {high:g} L: check the brain mask and"
        f" the voxels of {listed_sizes(scan.voxel_size)} mm in the scan's header",
        beyond=(lowest, highest),
    )


def _flat_sides(scan: Scan, mask: np.ndarray) -> tuple[Finding, Finding]:
    """Where the brain ends in a plane: at the edge of the field of view, and within it."""
    at_edge = within = 0.0
    for axis, thickness in enumerate(scan.voxel_size):
        lines = np.moveaxis(mask, axis, 0)
        occupied = lines.any(axis=0)
        for towards in (lines, lines[::-1]):
            ends = np.bincount(towards.argmax(axis=0)[occupied]).astype(float)
            areas = (
                ends * scan.voxel_volume / thickness * _CM2_PER_MM2 - SLOPE_CM2_PER_MM * thickness
            )
            at_edge, within = max(at_edge, areas[0]), max(within, areas[1:].max(initial=0))
    limits, beyond = (None, FLAT_CM2), (None, PART_MISSING_CM2)
    cut = finding(
        "cut_off_cm2",
        float(at_edge),
        limits,
        f"the brain is cut off at the edge of the field of view, over {at_edge:.0f} cm2: what"
        " lies beyond is missing in all volumes, and labels near the cut are less certain",
    )
    flat = finding(
        "flat_side_cm2",
        float(within),
        limits,
        f"the brain ends in a flat side of {within:.0f} cm2 within the scan, as if a part of it"
        " was missing: look at the brain mask",
        beyond,
    )
    return cut, flat


def _similarity(alignment: Alignment) -> Finding:
    similarity = alignment.similarity
    return finding(
        "similarity",
        similarity,
        (SIMILARITY, None),
        f"the scan is little like the template ({similarity:.2f}, usual are {SIMILARITY:g} or more)"
        ": check that it is T1-weighted, its brain mask, and the orientation in its header",
        beyond=(ANY_SIMILARITY, None),
    )


def _stretch(alignment: Alignment) -> Finding:
    scales = np.linalg.svd(alignment.matrix[:3, :3], compute_uv=False)
    stretch = float(scales[0] / scales[-1])
    return finding(
        "stretch",
        stretch,
        (None, STRETCH),
        f"the brain fits the template only if it is stretched {stretch:.2f}-fold in one direction,"
        f" usual is up to {STRETCH:g}: look whether the brain mask misses a part, and check voxel"
        " size and orientation in the scan's header",
        beyond=(None, ANY_STRETCH),
    )
