"""Scans of anything, made ready for a model that was trained on nothing."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nibabel.affines import apply_affine

from src_core.errors import InputError
from src_core.io.scan import scan_from_array, slice_of
from src_core.preparation import any_scan
from src_core.preparation.any_scan import everything, placed_anywhere
from src_core.preparation.prepare import prepare
from src_core.request import Request

SIZES = (0.9, 1.1, 6.0)
FAR_AWAY = (700.0, -900.0, 1200.0)


@pytest.fixture(scope="module")
def fruit():
    """(40, 36, 16) thick voxels: a ball with a bright core in noise, far from the origin."""
    affine = np.diag([*SIZES, 1.0])
    affine[:3, 3] = FAR_AWAY
    position = apply_affine(np.diag([*SIZES, 1.0]), np.moveaxis(np.indices((40, 36, 16)), 0, -1))
    away = np.linalg.norm(position - (18, 20, 48), axis=-1)
    noise = np.random.default_rng(0).normal(0, 8, away.shape)
    return scan_from_array(
        np.where(away < 8, 800.0, np.where(away < 17, 300.0, 0.0)) + noise, affine
    )


def test_all_of_a_scan_is_taken_or_the_box_within_an_even_background(fruit, brain) -> None:
    assert everything(fruit).mask.all()
    mask = everything(brain.scan).mask
    assert mask[brain.mask].all()
    assert mask.sum() == np.prod(np.ptp(np.argwhere(brain.mask), 0) + 1)


def test_the_middle_of_a_scan_is_the_origin_wherever_it_lies(fruit) -> None:
    _, alignment, points = placed_anywhere(fruit, np.ones(fruit.shape, bool))
    positions = points.positions().numpy()
    np.testing.assert_allclose(positions.max(0), -positions.min(0), atol=1e-3)
    np.testing.assert_allclose(np.ptp(positions, 0), SIZES * (np.array(fruit.shape) - 1), rtol=1e-5)
    assert alignment.method == "centred"


@pytest.mark.parametrize("factor", [0.01, 40.0])
def test_a_scan_of_something_small_or_huge_is_seen_as_one_of_a_person(fruit, factor) -> None:
    other = replace(fruit, affine=np.diag([factor, factor, factor, 1.0]) @ fruit.affine)
    _, _, points = placed_anywhere(other, np.ones(fruit.shape, bool))
    sides = np.ptp(points.positions().numpy(), 0)
    assert sides.max() == pytest.approx(any_scan.OTHER_SIDE_MM, rel=0.1)
    assert np.isfinite(points.seen.numpy()).all()


def test_intensities_are_stretched_and_led_back(fruit) -> None:
    mask = np.ones(fruit.shape, bool)
    _, _, points = placed_anywhere(fruit, mask)
    values = points.seen[:, 0].float().numpy()
    assert -0.01 <= np.quantile(values, 0.01) <= np.quantile(values, 0.98) <= 1.01
    within = (values > 0) & (values < 1)
    np.testing.assert_allclose(points.restore(values)[within], fruit.voxels[mask][within], atol=2)


def test_a_few_bright_voxels_are_enough(fruit) -> None:
    voxels = np.zeros(fruit.shape, np.float32)
    voxels[20, 18, 8] = 5.0
    _, _, points = placed_anywhere(replace(fruit, voxels=voxels), np.ones(fruit.shape, bool))
    assert points.seen[:, 0].max() == 1


def test_more_voxels_than_fit_into_memory_are_refused(fruit, monkeypatch) -> None:
    monkeypatch.setattr(any_scan, "MOST_VOXELS", 1000)
    with pytest.raises(InputError, match="give a mask of the part that matters"):
        placed_anywhere(fruit, np.ones(fruit.shape, bool))
    few = np.zeros(fruit.shape, bool)
    few[10:20, 10:20, 5:10] = True
    assert len(placed_anywhere(fruit, few)[2]) == 500


def test_nothing_is_checked_that_holds_for_brains_only(fruit) -> None:
    prepared = prepare(Request(fruit, model="untrained"))
    assert prepared.findings == ()
    assert len(prepared.points) == fruit.voxels.size
    assert prepared.model.protocol.ids.tolist() == [0]


def test_a_mask_and_a_single_slice_are_taken_as_they_are(fruit) -> None:
    mask = (fruit.voxels > 150).astype(np.uint8)
    assert prepare(Request(fruit, model="untrained", mask=mask)).mask.sum() == mask.sum()
    assert prepare(Request(slice_of(fruit, 2, 8), model="untrained")).mask.all()


def test_a_scan_without_contrast_in_its_mask_is_refused(fruit) -> None:
    voxels = fruit.voxels.copy()
    voxels[:5] = 7
    mask = np.zeros(fruit.shape, np.uint8)
    mask[:5] = 1
    with pytest.raises(InputError, match="equal"):
        prepare(Request(replace(fruit, voxels=voxels), model="untrained", mask=mask))
