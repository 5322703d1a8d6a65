"""What a network gets to know of a scan."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from nibabel.affines import apply_affine, from_matvec
from nibabel.orientations import apply_orientation, inv_ornt_aff
from scipy.spatial.transform import Rotation

from src_core.io.scan import scan_from_array
from src_core.space.intensity import LEVELS, IntensityRule
from src_core.space.points import brain_points
from src_core.space.seen import BLURS, DIFFERENCE_SCALE, DIFFERENCES, SEEN, SURROUNDINGS

ALIGNMENT = from_matvec(1.1 * Rotation.from_euler("xyz", (8, -5, 20), degrees=True).as_matrix(), 7)


def test_positions_are_template_millimetres(brain, rule) -> None:
    points = brain_points(brain.scan, brain.mask, ALIGNMENT, rule)
    taken = points.take(slice(None))
    assert len(points) == len(taken) == brain.mask.sum()
    np.testing.assert_allclose(
        taken.positions, apply_affine(ALIGNMENT, brain.positions), rtol=1e-5, atol=1e-3
    )


def test_the_first_number_seen_is_the_voxel_itself(brain, points, rule) -> None:
    values = brain.scan.voxels[brain.mask]
    expected = rule.fit(values).normalise(values)
    np.testing.assert_allclose(points.take(slice(None)).seen[:, 0], expected, atol=1e-3)


def test_only_the_points_asked_for_are_taken(points) -> None:
    everything = points.take(slice(None))
    some = points.take(torch.tensor([5, 3, 3, 900]))
    few = points.take(torch.tensor([5, 3, 3, 900]), 4)
    assert torch.equal(few.positions, some.positions)
    assert torch.equal(few.seen, some.seen[:, :4])
    torch.testing.assert_close(some.positions, everything.positions[[5, 3, 3, 900]])
    torch.testing.assert_close(some.seen, everything.seen[[5, 3, 3, 900]])
    pieces = everything.split(1000)
    assert {len(piece) for piece in pieces[:-1]} == {1000}
    torch.testing.assert_close(torch.cat([piece.seen for piece in pieces]), everything.seen)


@pytest.mark.parametrize(
    "order",
    [[(2, 1), (0, -1), (1, 1)], [(0, -1), (1, 1), (2, 1)], [(1, -1), (2, -1), (0, -1)]],
)
def test_the_storage_order_changes_nothing_at_a_place(brain, rule, order) -> None:
    affine = brain.scan.affine @ inv_ornt_aff(order, brain.scan.shape)
    turned = scan_from_array(apply_orientation(brain.scan.voxels, order), affine)
    found = brain_points(turned, turned.voxels > 0, ALIGNMENT, rule).take(slice(None))
    expected = brain_points(brain.scan, brain.mask, ALIGNMENT, rule).take(slice(None))

    back = np.linalg.inv(ALIGNMENT @ brain.scan.affine)
    index = np.rint(apply_affine(back, found.positions)).astype(int)
    in_storage_order = np.lexsort(index.T[::-1])
    torch.testing.assert_close(found.seen[in_storage_order], expected.seen, rtol=0, atol=2e-3)


def test_empty_surroundings_change_nothing(brain, points, rule) -> None:
    wide = [(7, 2), (0, 5), (3, 3)]
    scan = scan_from_array(
        np.pad(brain.scan.voxels, wide),
        brain.scan.affine @ from_matvec(np.eye(3), [-before for before, _ in wide]),
    )
    found = brain_points(scan, scan.voxels > 0, np.eye(4), rule).take(slice(None))
    torch.testing.assert_close(found.seen, points.take(slice(None)).seen)


def test_the_memory_order_of_the_mask_changes_nothing(brain, rule) -> None:
    low, high = np.argwhere(brain.mask).min(0), np.argwhere(brain.mask).max(0) + 1
    box = tuple(map(slice, low, high))
    scan = scan_from_array(brain.scan.voxels[box], brain.scan.affine)
    mask = brain.mask[box]
    found = brain_points(scan, np.asfortranarray(mask), ALIGNMENT, rule)
    expected = brain_points(scan, np.ascontiguousarray(mask), ALIGNMENT, rule)
    torch.testing.assert_close(found.seen, expected.seen)


def test_what_lies_outside_the_mask_is_not_seen(brain, points, rule) -> None:
    skull = replace(brain.scan, voxels=np.where(brain.mask, brain.scan.voxels, 300))
    found = brain_points(skull, brain.mask, np.eye(4), rule).take(slice(None))
    torch.testing.assert_close(found.seen, points.take(slice(None)).seen)


def cube(voxel_size: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """World mm of each voxel of a cube of 60 mm about the origin, and its affine."""
    shape = tuple(int(60 / size) for size in voxel_size)
    affine = from_matvec(np.diag(voxel_size), (-30, -30, -30))
    return apply_affine(affine, np.moveaxis(np.indices(shape), 0, -1)), affine


def seen_in(voxels: np.ndarray, affine: np.ndarray, alignment: np.ndarray) -> np.ndarray:
    """What is seen at each voxel, (I, J, K, SEEN), by a rule that only shifts intensities.

    Half of them are below zero, so that a smooth picture is not taken for a bias field.
    """
    rule = IntensityRule(tuple(np.quantile(voxels, LEVELS)))
    everywhere = np.ones(voxels.shape, bool)
    scan = scan_from_array(voxels - np.median(voxels), affine)
    points = brain_points(scan, everywhere, alignment, rule)
    return points.take(slice(None)).seen.numpy().reshape(*voxels.shape, SEEN)


def core_of(values: np.ndarray) -> np.ndarray:
    """The middle third, where the borders do not matter."""
    return values[tuple(slice(n // 3, 2 * n // 3) for n in values.shape[:3])]


@pytest.mark.parametrize("voxel_size", [(1, 1, 1), (1, 2, 1)])
@pytest.mark.parametrize("degrees", [0, 30])
def test_surroundings_are_compared_along_the_axes_of_the_template(voxel_size, degrees) -> None:
    """In a picture with a slope and a curvature, whatever the grid and the scan's place."""
    slope = np.array([0.003, -0.002, 0.004])
    curvature = np.array([[2, 1, 0], [1, -3, 1], [0, 1, 1]]) * 1e-4
    position, affine = cube(voxel_size)
    bent = np.einsum("...i,ij,...j", position, curvature, position) / 2
    rotation = Rotation.from_euler("zx", (degrees, degrees), degrees=True).as_matrix()
    # Twice as large in the template: half as steep; and turned with the brain.
    seen = seen_in(0.6 + position @ slope + bent, affine, from_matvec(2 * rotation, (0, 0, 0)))
    place = position + np.zeros_like(position)
    for number, (_, distance) in enumerate(SURROUNDINGS[:2]):
        first = len(BLURS) + DIFFERENCES * number
        steepness = (slope + place @ curvature) @ rotation.T / 2
        slopes = core_of(seen)[..., first : first + 3] / DIFFERENCE_SCALE
        np.testing.assert_allclose(slopes, core_of(2 * distance * steepness), atol=2e-3)
        bends = rotation @ curvature @ rotation.T / 4 * distance**2
        expected = [*np.diag(bends), *(2 * bends[np.triu_indices(3, 1)])]
        seconds = core_of(seen)[..., first + 3 : first + DIFFERENCES] / DIFFERENCE_SCALE
        np.testing.assert_allclose(seconds, np.broadcast_to(expected, seconds.shape), atol=2e-3)


@pytest.mark.parametrize("voxel_size", [(1, 1, 1), (2, 1, 1), (1, 1, 3)])
def test_blurs_have_the_same_width_in_millimetres(voxel_size) -> None:
    position, affine = cube(voxel_size)
    seen = core_of(seen_in(0.75 + 0.2 * np.sin(position / 3).sum(-1), affine, np.eye(4)))
    for column, sigma in enumerate(BLURS):
        if sigma >= max(voxel_size):
            weaker = np.std(seen[..., column]) / np.std(seen[..., 0])
            assert weaker == pytest.approx(np.exp(-((sigma / 3) ** 2) / 2), abs=0.03)


def test_a_slice_sees_nothing_across_its_plane(brain, rule) -> None:
    voxels = brain.scan.voxels[:, 20:21]
    scan = scan_from_array(voxels, brain.scan.affine)
    points = brain_points(scan, voxels > 0, np.eye(4), rule)
    differences = points.take(slice(None)).seen[:, len(BLURS) :]
    differences = differences.view(len(points), -1, DIFFERENCES)
    assert (differences[..., [1, 4, 6, 8]] == 0).all()  # y, yy, xy, yz
    assert (differences[..., [0, 2, 3, 5, 7]] != 0).any((0, 1)).all()
    assert (points.take(slice(None)).seen[:, len(BLURS) - 1] > 0).all()


def test_a_strong_bias_field_is_not_seen_but_restored(brain, points, rule) -> None:
    place = np.linspace(-1, 1, brain.scan.shape[0])[:, None, None]
    field = np.exp(0.8 * place).astype(np.float32)
    scan = replace(brain.scan, voxels=brain.scan.voxels * field)
    biased = brain_points(scan, brain.mask, np.eye(4), rule)
    plain = points.take(slice(None)).seen[:, 0]
    changed = (biased.take(slice(None)).seen[:, 0] - plain).abs().mean()
    uncorrected = rule.fit(scan.voxels[brain.mask]).normalise(scan.voxels[brain.mask])
    assert changed < 0.5 * np.abs(uncorrected - plain.numpy()).mean()
    some = np.arange(0, len(biased), 7)
    own = biased.take(slice(None)).seen[:, 0].numpy()
    within = own < own.max()
    restored = biased.restore(own[some], some)
    wanted = scan.voxels[brain.mask][some]
    np.testing.assert_allclose(restored[within[some]], wanted[within[some]], rtol=0.02, atol=1)
