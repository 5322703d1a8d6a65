"""Scans made from label maps alone."""

from __future__ import annotations

import numpy as np
import pytest
from nibabel.affines import apply_affine
from scipy import ndimage

from src_core.errors import InputError
from src_core.io.protocols import protocol
from src_core.io.sample import phantom
from src_core.preparation.brain import brain_mask
from src_core.training.changes.freesurfer import SUSPICIOUS, VERMIS, freesurfer_classes
from src_core.training.changes.synthesis import SynthesisSettings, synthesise

# FreeSurfer ids of the phantom's tissues, left and right.
LEFT = np.array([0, 3, 10, 2, 4])
RIGHT = np.array([0, 42, 49, 41, 43])


@pytest.fixture(scope="module")
def head() -> tuple[np.ndarray, np.ndarray]:
    """A head made of the phantom: its brain, fluid around it, bone around that; and its affine."""
    scan, tissues = phantom(3.0, seed=0)
    x, _, z = np.moveaxis(
        apply_affine(scan.affine, np.indices(scan.shape).transpose(1, 2, 3, 0)), -1, 0
    )
    ids = np.where(x < 0, LEFT[tissues], RIGHT[tissues])
    cerebellum = (z < -40) & (tissues == 2)
    white = (z < -40) & (tissues == 3) & (np.abs(x) > 14)
    ids[cerebellum] = np.where(x < 0, 8, 47)[cerebellum]
    ids[white] = np.where(x < 0, 7, 46)[white]
    within = ndimage.binary_dilation(tissues > 0, iterations=2)
    ids[within & (tissues == 0)] = 24
    ids[ndimage.binary_dilation(within) & ~within] = 515
    return ids.astype(np.int16), scan.affine


def made(head, seed: int, settings: SynthesisSettings | None = None):
    return synthesise(*head, np.random.default_rng(seed), settings)


@pytest.mark.parametrize("seed", range(3))
def test_a_scan_looks_t1_weighted(head, seed) -> None:
    scan, mask, ids = made(head, seed)
    fluid, cortex, deep, white = (
        np.median(scan.voxels[np.isin(ids, labels) & mask])
        for labels in ((4, 43), (3, 42), (10, 49), (2, 41))
    )
    assert fluid < 0.75 * cortex
    assert cortex < deep < white


def test_other_contrasts_are_made_on_request(head) -> None:
    settings = SynthesisSettings(any_contrast=1)
    rising = []
    for seed in range(8):
        scan, mask, ids = made(head, seed, settings)
        fluid, cortex, white = (
            np.median(scan.voxels[np.isin(ids, labels) & mask])
            for labels in ((4, 43), (3, 42), (2, 41))
        )
        rising.append(fluid < cortex < white)
    assert not all(rising)


def test_labels_stay_where_they_were_in_the_world(head) -> None:
    label_map, affine = head
    scan, _, ids = made(head, 0)
    for label in (2, 43):
        there = apply_affine(affine, np.argwhere(label_map == label))
        here = apply_affine(scan.affine, np.argwhere(ids == label))
        np.testing.assert_allclose(np.sort(here, 0), np.sort(there, 0), atol=1e-4)


def test_the_mask_holds_the_brain_and_a_rim_without_labels(head) -> None:
    classes = freesurfer_classes(protocol("tissue4"))
    rims = []
    for widths in ((0, 0), (4, 4)):
        scan, mask, ids = made(head, 0, SynthesisSettings(rim_range=widths))
        assert mask[np.isin(ids, (2, 3, 4, 8, 10, 41, 42, 43, 47, 49))].all()
        assert (scan.voxels[~mask] == 0).all()
        assert (scan.voxels[mask] > 0).all()
        assert np.mean(brain_mask(scan) == mask) > 0.999
        rims.append((mask & (classes[ids] == 0)).sum() / mask.sum())
    assert rims[1] > rims[0] + 0.05


def test_both_sides_are_equally_bright(head) -> None:
    settings = SynthesisSettings(bias_range=(0, 0), noise_range=(0, 0), texture_range=(0, 0))
    scan, _, ids = made(head, 0, settings)
    for left, right in ((2, 41), (10, 49)):
        brightest = [scan.voxels[ids == label].max() for label in (left, right)]
        assert brightest[0] == pytest.approx(brightest[1], rel=0.01)


def test_a_seed_repeats_and_the_map_is_left_alone(head) -> None:
    before = head[0].copy()
    one, same, other = made(head, 0), made(head, 0), made(head, 1)
    np.testing.assert_array_equal(before, head[0])
    np.testing.assert_array_equal(one[0].voxels, same[0].voxels)
    assert not np.array_equal(one[0].voxels, other[0].voxels)


def test_what_may_be_vermis_is_marked(head) -> None:
    scan, _, ids = made(head, 0)
    assert (ids == VERMIS).any()
    assert (ids == SUSPICIOUS).sum() < (ids == VERMIS).sum()
    x = apply_affine(scan.affine, np.argwhere(ids == VERMIS))[:, 0]
    assert np.abs(x).max() < 10
    x = apply_affine(scan.affine, np.argwhere(np.isin(ids, (8, 47))))[:, 0]
    assert np.abs(x).min() > 6


def test_the_corpus_callosum_is_white_matter(head) -> None:
    ids, affine = head
    callosum = ids.copy()
    callosum[np.isin(ids, (2, 41))] = 251
    scan, mask, found = made((callosum, affine), 0)
    plain, _, _ = made(head, 0)
    np.testing.assert_array_equal(scan.voxels, plain.voxels)
    assert mask[found == 251].all()
    assert freesurfer_classes(protocol("tissue4"))[251] == 3


def test_an_unknown_label_is_refused(head) -> None:
    label_map = head[0].copy()
    label_map[0, 0, 0] = 400
    with pytest.raises(InputError, match="400"):
        synthesise(label_map, head[1], np.random.default_rng(0))


def test_a_map_without_a_brain_is_refused(head) -> None:
    with pytest.raises(InputError, match="no brain"):
        synthesise(np.zeros_like(head[0]), head[1], np.random.default_rng(0))
