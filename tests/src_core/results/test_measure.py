"""Measures agree with geometry done by hand and with an independent package."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from scipy import ndimage

from src_core.errors import InputError
from src_core.io.protocols import protocol
from src_core.results import measure

SHAPE = (40, 44, 36)
IDENTITY = np.eye(4)


def cube(corner: tuple[int, int, int], sides: tuple[int, int, int], label: int = 1) -> np.ndarray:
    label_map = np.zeros(SHAPE, np.int16)
    label_map[tuple(slice(c, c + s) for c, s in zip(corner, sides, strict=True))] = label
    return label_map


def ball(centre: tuple[float, ...], radius: float, label: int = 1) -> np.ndarray:
    position = np.indices(SHAPE).T - centre
    return ((np.square(position).sum(axis=-1) < radius**2).T * label).astype(np.int16)


def blob(seed: int, threshold: float = 0.2) -> np.ndarray:
    """A folded shape, as brain structures are."""
    noise = np.random.default_rng(seed).normal(size=SHAPE)
    smooth = ndimage.gaussian_filter(noise, 4)
    inside = (smooth / smooth.std() + 1.5 - np.square(np.indices(SHAPE).T / 20 - 1).sum(-1).T) > 0
    return (inside & (ndimage.gaussian_filter(noise, 1) > -threshold)).astype(np.int16)


def test_dice_counts_shared_voxels() -> None:
    a, b = cube((5, 5, 5), (10, 10, 10)), cube((10, 5, 5), (10, 10, 10))
    assert measure.dice(a, b, [1]) == {1: 0.5}
    assert measure.dice(a, a, [1]) == {1: 1}
    assert measure.dice(a, cube((25, 25, 20), (5, 5, 5)), [1]) == {1: 0}


def test_absent_structures() -> None:
    a, empty = cube((5, 5, 5), (10, 10, 10)), np.zeros(SHAPE, np.int16)
    assert measure.dice(a, empty, [1])[1] == 0
    assert math.isnan(measure.dice(a, a, [2])[2])
    assert measure.volume_similarity(empty, a, [1])[1] == 0
    assert math.isnan(measure.volume_similarity(a, a, [999])[999])
    assert measure.surface_distances(a, empty, IDENTITY, 1).hd95 == math.inf
    assert measure.surface_distances(empty, a, IDENTITY, 1).assd == math.inf
    assert math.isnan(measure.surface_distances(a, a, IDENTITY, 2).hd95)


def test_volume_similarity_ignores_the_place() -> None:
    a, b = cube((0, 0, 0), (10, 10, 10)), cube((20, 20, 20), (10, 10, 5))
    assert measure.volume_similarity(a, b, [1])[1] == pytest.approx(2 / 3)


def test_identical_maps_have_no_distance() -> None:
    a = blob(0)
    assert measure.surface_distances(a, a, IDENTITY, 1) == measure.SurfaceDistances(0, 0)


@pytest.mark.parametrize("voxel_mm", [1, 0.7])
def test_shifted_plates_are_as_far_apart_as_their_shift(voxel_mm: float) -> None:
    """Plates so wide and thin that nearly all of their surface moves along its normal."""
    # faces of `a` at 10 and 14, of `b` at 13 and 17: 3 or 1 voxels to the nearest
    a, b = cube((10, 0, 0), (4, 44, 36)), cube((13, 0, 0), (4, 44, 36))
    distances = measure.surface_distances(a, b, np.diag([voxel_mm] * 3 + [1]), 1)
    assert distances.hd95 == pytest.approx(3 * voxel_mm)
    assert distances.assd == pytest.approx(2 * voxel_mm, rel=0.1)


def test_concentric_balls_are_as_far_apart_as_their_radii_differ() -> None:
    a, b = ball((20, 22, 18), 10), ball((20, 22, 18), 14)
    distances = measure.surface_distances(a, b, IDENTITY, 1)
    # the cells that hold the surfaces reach up to half a voxel towards each other
    assert 3.4 < distances.assd <= distances.hd95 < 4.5


def test_hd95_is_the_larger_directed_percentile() -> None:
    a = cube((2, 10, 10), (10, 10, 10))
    b = a | cube((30, 10, 10), (8, 8, 8))
    # from a to b nothing is far; from b to a a third of the surface is
    assert measure.surface_distances(a, b, IDENTITY, 1).hd95 > 18
    assert measure.surface_distances(b, a, IDENTITY, 1).hd95 > 18


def test_distances_are_in_mm_along_each_axis() -> None:
    a, b = cube((5, 5, 5), (20, 20, 10)), cube((5, 5, 8), (20, 20, 10))
    thin = measure.surface_distances(a, b, np.diag([1, 1, 1, 1]), 1)
    thick = measure.surface_distances(a, b, np.diag([3, 3, 3, 1]), 1)
    assert thick.hd95 == pytest.approx(3 * thin.hd95)
    assert thick.assd == pytest.approx(3 * thin.assd)


def test_distances_do_not_depend_on_how_the_grid_lies() -> None:
    a, b = blob(0), blob(1)
    size = np.diag([1, 1.2, 3, 1])
    turned = np.array([[0, -1, 0, 5], [0.8, 0, 0.6, 7], [-0.6, 0, 0.8, 1], [0, 0, 0, 1]])
    straight = measure.surface_distances(a, b, size, 1)
    oblique = measure.surface_distances(a, b, turned @ size, 1)
    flipped = measure.surface_distances(a[::-1].swapaxes(0, 2), b[::-1].swapaxes(0, 2), IDENTITY, 1)
    assert oblique.hd95 == pytest.approx(straight.hd95)
    assert oblique.assd == pytest.approx(straight.assd)
    assert flipped.assd == pytest.approx(measure.surface_distances(a, b, IDENTITY, 1).assd)


def test_sheared_grid_is_measured_in_the_world() -> None:
    """Slices pushed along y as they go up; a shift along z stays what it is in the world."""
    shear = np.eye(4)
    shear[1, 2] = 0.5
    a, b = cube((2, 4, 10), (36, 36, 4)), cube((2, 4, 13), (36, 36, 4))
    distances = measure.surface_distances(a, b, shear, 1)
    assert distances.hd95 == pytest.approx(3, abs=0.4)


def test_slice_is_measured_by_its_contour() -> None:
    a, b = cube((5, 5, 18), (20, 20, 1)), cube((8, 5, 18), (20, 20, 1))
    plane = slice(18, 19)
    distances = measure.surface_distances(a[:, :, plane], b[:, :, plane], IDENTITY, 1)
    assert distances.hd95 == pytest.approx(3)
    # two of four sides move by 3, the ends of the others by less
    assert 1.5 < distances.assd < 1.8


@pytest.mark.filterwarnings("ignore::DeprecationWarning:surface_distance")
@pytest.mark.parametrize("spacing", [(1, 1, 1), (0.8, 0.8, 3)])
@pytest.mark.parametrize("seeds", [(0, 1), (2, 3), (4, 5)])
def test_surfaces_agree_with_surface_distance(
    spacing: tuple[float, ...], seeds: tuple[int, int]
) -> None:
    oracle = pytest.importorskip("surface_distance")
    a, b = map(blob, seeds)
    theirs = oracle.compute_surface_distances(a > 0, b > 0, spacing)
    hd95 = oracle.compute_robust_hausdorff(theirs, 95)
    means = oracle.compute_average_surface_distance(theirs)
    areas = theirs["surfel_areas_gt"].sum(), theirs["surfel_areas_pred"].sum()
    ours = measure.surface_distances(a, b, np.diag([*spacing, 1]), 1)
    assert ours.hd95 == pytest.approx(hd95, abs=0.5 * max(spacing))
    assert ours.assd == pytest.approx(np.average(means, weights=areas), rel=0.06)


def test_generalised_dice_by_hand() -> None:
    reference, labels = np.zeros((2, 10, 10), int), np.zeros((2, 10, 10), int)
    reference[0, :2], labels[0, :1] = 1, 1
    # background: 180 of 190 and 180; structure: 10 of 10 and 20; class 2 is in neither
    expected = 2 * (180 / 180 + 10 / 20) / (370 / 180 + 30 / 20)
    assert measure.generalised_dice(labels, reference, [1, 2]) == pytest.approx(expected)
    assert measure.generalised_dice(reference, reference, [1, 2]) == 1


def test_volume_is_by_the_determinant() -> None:
    affine = np.diag([-1, 2, 3, 1.0])
    affine[0, 1] = 0.5
    assert measure.volumes(cube((5, 5, 5), (2, 3, 4)), affine, [1, 2]) == {1: 24 * 6, 2: 0}


def test_psnr() -> None:
    reference = np.linspace(0, 1, 11)
    assert measure.psnr(reference + 0.1, reference) == pytest.approx(20)
    assert measure.psnr(reference + 0.1, reference, peak=10) == pytest.approx(40)
    assert measure.psnr(reference, reference) == math.inf


def test_compare_skips_what_is_absent_in_both_and_counts_what_is_absent_in_one() -> None:
    tissue4 = protocol("tissue4")
    reference = cube((5, 5, 5), (10, 10, 10), 1) + cube((25, 25, 20), (5, 5, 5), 2)
    labels = cube((10, 5, 5), (10, 10, 10), 1) + cube((30, 0, 0), (5, 5, 5), 3)
    result = measure.compare(labels, reference, np.diag([1, 1, 2, 1]), tissue4)
    cortex, grey, white, fluid = result["structures"]
    assert cortex["name"] == "Cortex"
    assert cortex["dice"] == 0.5
    assert cortex["volume_mm3"] == cortex["reference_volume_mm3"] == 2000
    assert grey["dice"] == white["dice"] == 0
    assert grey["hd95_mm"] is None
    assert fluid["dice"] is None
    assert result["mean"]["dice"] == pytest.approx(0.5 / 3)
    assert result["mean"]["hd95_mm"] == cortex["hd95_mm"]
    assert result["absent_in_one"] == 2
    json.dumps(result, allow_nan=False)


def test_compare_of_two_empty_maps_has_no_means() -> None:
    empty = np.zeros(SHAPE, np.uint8)
    result = measure.compare(empty, empty, IDENTITY, protocol("tissue4"))
    assert result["mean"]["dice"] is None
    assert result["absent_in_one"] == 0


def test_compare_refuses_another_protocol_or_shape() -> None:
    tissue4 = protocol("tissue4")
    known, unknown = cube((5, 5, 5), (5, 5, 5), 1), cube((5, 5, 5), (5, 5, 5), 17)
    with pytest.raises(InputError, match="17 are not in protocol tissue4"):
        measure.compare(known, unknown, IDENTITY, tissue4)
    with pytest.raises(InputError, match="shapes"):
        measure.compare(known, known[1:], IDENTITY, tissue4)


def test_a_mean_is_taken_over_what_is_defined() -> None:
    assert measure.mean_defined([1.0, None, float("nan"), 2.0]) == 1.5
    assert measure.mean_defined([None, float("nan")]) is None


def test_large_ids_are_measured_as_small_ones_are() -> None:
    """Without a list as long as the largest id: it would fill the memory."""
    small = cube((5, 5, 5), (5, 5, 5)) + 2 * cube((12, 3, 4), (2, 5, 5))
    shifted = np.roll(small, 1, axis=0)
    names = np.array([0, 2**31 - 1, 50_000_000])
    ids = [2**31 - 1, 50_000_000, 7]
    volumes = measure.volumes(names[small], np.eye(4), ids)
    assert volumes == {2**31 - 1: 125, 50_000_000: 50, 7: 0}
    scores = measure.dice(names[small], names[shifted], ids[:2])
    expected = measure.dice(small, shifted, [1, 2])
    assert list(scores.values()) == list(expected.values())
