"""Scans as they might also have come."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy import ndimage

from src_core.datasets.mapping import IGNORED
from src_core.io.protocols import protocol
from src_core.io.sample import phantom
from src_core.training.changes.augment import augment
from src_core.training.changes.settings import AugmentSettings
from src_core.training.changes.tissues import Tissues
from tests.helpers.protocols import named

CHANGES = (
    *("gamma", "bias", "noise", "blur", "thick_slices"),
    *("mask", "affine", "elastic", "ageing"),
)
NOTHING = dict.fromkeys(CHANGES, 0.0)
AS_THEY_ARE = np.arange(256, dtype=np.uint8)
TISSUES = Tissues.of(protocol("tissue4"), AS_THEY_ARE)
CORTEX, WHITE_MATTER, CSF = 1, 3, 4


@pytest.fixture(scope="module")
def fine_brain(brain):
    """A phantom whose ventricles are several voxels wide."""
    scan, labels = phantom(3.0, seed=0)
    return replace(brain, scan=scan, labels=labels, mask=scan.voxels > 0)


def augmented(brain, seed: int, settings: AugmentSettings | None = None, labels=None):
    labels = brain.labels if labels is None else labels
    random = np.random.default_rng(seed)
    settings = settings or AugmentSettings()
    return augment(brain.scan, brain.mask, labels, TISSUES, random, settings)


def only(change: str, **ranges) -> AugmentSettings:
    return AugmentSettings(**{**NOTHING, change: 1.0, **ranges})


@pytest.mark.parametrize("seed", range(6))
def test_a_changed_scan_can_be_trained_on(brain, seed) -> None:
    scan, mask, classes = augmented(brain, seed)
    assert scan.voxels.shape == mask.shape == classes.shape == brain.scan.shape
    assert scan.voxels.dtype == np.float32
    assert classes.dtype == np.uint8
    assert np.isfinite(scan.voxels).all()
    assert (scan.voxels[~mask] == 0).all()
    assert (classes[~mask] == 0).all()
    assert 0.8 < mask.sum() / brain.mask.sum() < 1.6


@pytest.mark.parametrize("change", CHANGES)
def test_each_change_changes_what_it_says_and_nothing_else(brain, change) -> None:
    settings = only(change, mask_range=(4, 5), growth_range=(4, 4))
    plain, _, _ = augmented(brain, 0, AugmentSettings(**NOTHING))
    scan, mask, classes = augmented(brain, 0, settings)
    labels_too = change in ("elastic", "ageing")
    assert np.array_equal(scan.voxels, plain.voxels) == (change == "affine")
    assert np.array_equal(scan.affine, brain.scan.affine) == (change != "affine")
    assert np.array_equal(classes, brain.labels) != labels_too
    assert np.array_equal(mask, brain.mask) or labels_too or change == "mask"


def test_no_chance_leaves_all_but_the_scale_of_the_intensities(brain) -> None:
    scan, mask, classes = augmented(brain, 0, AugmentSettings(**NOTHING))
    np.testing.assert_array_equal(mask, brain.mask)
    np.testing.assert_array_equal(classes, brain.labels)
    assert np.corrcoef(scan.voxels[mask], brain.scan.voxels[mask])[0, 1] > 0.99


@pytest.mark.parametrize("change", ["mask", "elastic", "ageing"])
def test_voxels_that_take_no_part_stay_so(brain, change) -> None:
    labels = np.where(brain.labels == WHITE_MATTER, IGNORED, brain.labels).astype(np.uint8)
    _, mask, classes = augmented(brain, 1, only(change), labels)
    assert set(np.unique(classes)) == set(np.unique(labels))
    assert (classes == IGNORED).sum() == pytest.approx((labels == IGNORED).sum(), rel=0.2)
    assert (classes[~mask] == 0).all()


def test_masks_are_tighter_or_looser_by_a_few_millimetres(brain) -> None:
    affine = brain.scan.affine @ np.diag([0.25, 0.25, 0.25, 1])
    small = replace(brain.scan, affine=affine)  # voxels of 1 mm, so that 1 mm can be cut off
    outward = ndimage.distance_transform_edt(~brain.mask)
    inward = ndimage.distance_transform_edt(brain.mask)
    cut, added = [], []
    for seed in range(12):
        random = np.random.default_rng(seed)
        _, mask, _ = augment(small, brain.mask, brain.labels, TISSUES, random, only("mask"))
        cut.append((brain.mask & ~mask).sum())
        added.append((mask & ~brain.mask).sum())
        assert outward[mask].max() <= 4
        assert inward[brain.mask & ~mask].max(initial=0) <= 1
    assert max(cut) > 0
    assert max(added) > 0.1 * brain.mask.sum()


def test_the_bias_field_stays_within_its_strength(brain) -> None:
    plain, mask, _ = augmented(brain, 0, AugmentSettings(**NOTHING))
    for seed in range(4):
        scan, _, _ = augmented(brain, seed, only("bias", bias_range=(0.3, 0.3)))
        bright = mask & (plain.voxels > 0.1)
        factor = scan.voxels[bright] / plain.voxels[bright]
        assert factor.max() <= 1.3001
        assert factor.min() >= 1 / 1.3001
        assert factor.std() > 0.05


def test_thick_slices_are_averages_between_which_nothing_new_is_seen(brain) -> None:
    plain, mask, _ = augmented(brain, 0, AugmentSettings(**NOTHING))
    scan, _, _ = augmented(brain, 0, only("thick_slices", slice_range=(3, 3)))
    deep = ndimage.binary_erosion(mask, iterations=3)
    rough = [
        [np.abs(np.diff(voxels, 2, axis))[deep[tuple(inner)]].mean() for voxels in pair]
        for axis in range(3)
        for inner in [[slice(1, -1) if i == axis else slice(None) for i in range(3)]]
        for pair in [(scan.voxels, plain.voxels)]
    ]
    assert min(changed / before for changed, before in rough) < 0.6
    assert scan.voxels[deep].mean() == pytest.approx(plain.voxels[deep].mean(), rel=0.02)


def test_misalignment_turns_about_the_brain_and_stays_in_its_range(brain) -> None:
    middle = np.argwhere(brain.mask).mean(0)
    for seed in range(20):
        scan, _, _ = augmented(brain, seed, only("affine"))
        moved = apply_affine(scan.affine, middle) - apply_affine(brain.scan.affine, middle)
        assert np.abs(moved).max() <= 10
        u, stretches, v = np.linalg.svd((scan.affine @ np.linalg.inv(brain.scan.affine))[:3, :3])
        assert 0.85 <= stretches.min() <= stretches.max() <= 1.15
        angle = np.degrees(np.arccos(np.clip((np.trace(u @ v) - 1) / 2, -1, 1)))
        assert angle <= np.sqrt(3) * 15


def test_elastic_deformation_moves_scan_and_labels_together(brain) -> None:
    settings = only("elastic", elastic_range=(4, 4))
    for seed in range(3):
        scan, mask, classes = augmented(brain, seed, settings)
        before = brain.scan.voxels / np.quantile(brain.scan.voxels[brain.mask], 0.98)
        for tissue in (CORTEX, WHITE_MATTER):
            there, here = mask & (classes == tissue), brain.labels == tissue
            assert np.median(scan.voxels[there]) == pytest.approx(np.median(before[here]), abs=0.1)
            assert there.sum() == pytest.approx(here.sum(), rel=0.15)
        assert (classes != brain.labels)[brain.mask].mean() > 0.05


def test_ageing_grows_dark_ventricles_at_the_cost_of_tissue(fine_brain) -> None:
    grown, lost = [], []
    for seed in range(3):
        scan, mask, classes = augmented(fine_brain, seed, only("ageing"))
        held = np.bincount(fine_brain.labels.ravel(), minlength=5)
        now = np.bincount(classes.ravel(), minlength=5)
        grown.append(now[CSF] / held[CSF])
        lost.append(1 - now[[CORTEX, WHITE_MATTER]].sum() / held[[CORTEX, WHITE_MATTER]].sum())
        assert (mask | ~fine_brain.mask).mean() > 0.99  # the skull does not shrink
        fluid, white = (np.median(scan.voxels[classes == c]) for c in (CSF, WHITE_MATTER))
        assert fluid < 0.6 * white
    assert min(grown) > 1.2
    assert max(grown) > 2
    assert min(lost) > 0
    assert max(lost) < 0.3


def test_structures_that_are_no_ventricles_keep_their_size_in_an_old_brain(fine_brain) -> None:
    # The ventral diencephalon's name holds "Vent" too.
    names = protocol("fs32")
    numbers = {structure.name: number for number, structure in enumerate(names.structures, start=1)}
    as_named = np.array([numbers["Left-VentralDC"] if c == 2 else 0 for c in range(5)], np.uint8)
    random = np.random.default_rng(0)
    classes = as_named[fine_brain.labels]
    tissues = Tissues.of(names, AS_THEY_ARE)
    _, _, aged = augment(fine_brain.scan, fine_brain.mask, classes, tissues, random, only("ageing"))
    assert (aged > 0).sum() < 1.02 * (classes > 0).sum()


def test_a_single_slice_can_be_changed(brain) -> None:
    middle = brain.scan.shape[1] // 2
    flat = [a[:, middle : middle + 1] for a in (brain.scan.voxels, brain.mask, brain.labels)]
    scan = replace(brain.scan, voxels=np.ascontiguousarray(flat[0]))
    everything = AugmentSettings(**dict.fromkeys(CHANGES, 1.0))
    for seed in range(3):
        random = np.random.default_rng(seed)
        changed, mask, classes = augment(scan, flat[1], flat[2], TISSUES, random, everything)
        assert changed.voxels.shape == scan.shape
        assert np.isfinite(changed.voxels).all()
        assert mask.any()
        assert set(np.unique(classes)) <= set(range(5))


def test_what_is_brighter_stays_mostly_brighter(brain) -> None:
    settings = AugmentSettings(elastic=0, ageing=0)
    for seed in range(6):
        scan, mask, _ = augmented(brain, seed, settings)
        both = mask & brain.mask
        agreement = np.corrcoef(scan.voxels[both], brain.scan.voxels[both])[0, 1]
        assert agreement > 0.6


def test_the_scan_itself_is_left_alone_and_a_seed_repeats(brain) -> None:
    before = brain.scan.voxels.copy(), brain.mask.copy(), brain.labels.copy()
    everything = AugmentSettings(**dict.fromkeys(CHANGES, 1.0))
    one, same, other = (augmented(brain, seed, everything) for seed in (0, 0, 1))
    for kept, now in zip(before, (brain.scan.voxels, brain.mask, brain.labels), strict=True):
        np.testing.assert_array_equal(kept, now)
    np.testing.assert_array_equal(one[0].voxels, same[0].voxels)
    np.testing.assert_array_equal(one[2], same[2])
    assert not np.array_equal(one[0].voxels, other[0].voxels)


def test_without_cortex_and_white_matter_nothing_ages(fine_brain) -> None:
    lesions = Tissues.of(named("Lesion", "Oedema", "Core", "Rest"), AS_THEY_ARE)
    random = np.random.default_rng(0)
    _, mask, labels = augment(
        fine_brain.scan, fine_brain.mask, fine_brain.labels, lesions, random, only("ageing")
    )
    np.testing.assert_array_equal(mask, fine_brain.mask)
    np.testing.assert_array_equal(labels, fine_brain.labels)
