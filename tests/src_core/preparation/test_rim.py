"""A loose mask's surplus of fluid and air is left out; a tight mask stays as it is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import ndimage

from src_core.io.sample import CSF, INTENSITIES
from src_core.io.scan import Scan, scan_from_array, slice_of
from src_core.preparation.rim import USUAL_SHARE, without_rim
from src_core.space.points import brain_points
from src_core.space.template import TemplateImage

VOXEL = 4.0
FLUID_MM, DURA_MM = 5.0, 9.0
DURA = 90.0


@pytest.fixture(scope="module")
def own_template(brain) -> TemplateImage:
    """The brain itself as the template, so that all else lies outside of it."""
    values = np.where(brain.mask, brain.scan.voxels / brain.scan.voxels.max() + 0.3, 0)
    origin = tuple(brain.scan.affine[:3, 3].tolist())
    return TemplateImage(torch.from_numpy(values.astype(np.float32))[None], origin, VOXEL)


@pytest.fixture(scope="module")
def loose(brain) -> tuple[Scan, np.ndarray]:
    """The phantom in a rim of fluid with bright dura around it, and a mask of all that."""
    away = ndimage.distance_transform_edt(~brain.mask, sampling=VOXEL)
    voxels = np.where(brain.mask, brain.scan.voxels, 0)
    voxels[(away > 0) & (away <= FLUID_MM)] = INTENSITIES[CSF]
    voxels[(away > FLUID_MM) & (away <= DURA_MM)] = DURA
    return scan_from_array(voxels, brain.scan.affine), away <= DURA_MM


def trimmed(scan: Scan, mask: np.ndarray, rule, template: TemplateImage) -> np.ndarray:
    return without_rim(scan, mask, brain_points(scan, mask, np.eye(4), rule), template)


def test_a_tight_mask_stays_as_it_is(brain, rule, own_template) -> None:
    assert trimmed(brain.scan, brain.mask, rule, own_template) is brain.mask


def test_fluid_around_the_brain_is_left_out_to_the_usual_share(brain, loose, rule) -> None:
    scan, mask = loose
    # Of a picture wide enough that what remains outside is not most of the mask.
    wide = ndimage.binary_dilation(brain.mask)
    values = torch.from_numpy(wide.astype(np.float32))[None]
    template = TemplateImage(values, tuple(brain.scan.affine[:3, 3].tolist()), VOXEL)
    rim = mask & ~wide
    dark_scan = replace(scan, voxels=np.where(rim, np.float32(5), scan.voxels))
    kept = trimmed(dark_scan, mask, rule, template)
    assert kept[wide].all()
    assert (kept & rim).sum() == int(USUAL_SHARE * (mask & wide).sum())
    assert (kept & rim).sum() < 0.3 * rim.sum()


def test_a_normalised_scan_loses_what_the_scan_itself_does(brain, rule, own_template) -> None:
    narrow = ndimage.binary_erosion(brain.mask)
    template = replace(own_template, values=own_template.values * torch.from_numpy(narrow))
    inside = brain.scan.voxels[brain.mask]
    normalised = np.where(brain.mask, (brain.scan.voxels - inside.mean()) / inside.std(), 0)
    scans = brain.scan, replace(brain.scan, voxels=normalised.astype(np.float32))
    raw, other = (trimmed(scan, brain.mask, rule, template) for scan in scans)
    assert (raw != other).sum() < 0.002 * brain.mask.sum()


def test_what_is_left_of_a_loose_mask_is_the_same_the_second_time(loose, brain, rule) -> None:
    scan, mask = loose
    values = torch.from_numpy(ndimage.binary_dilation(brain.mask).astype(np.float32))[None]
    template = TemplateImage(values, tuple(brain.scan.affine[:3, 3].tolist()), VOXEL)
    dark = replace(scan, voxels=np.where(scan.voxels == DURA, np.float32(5), scan.voxels))
    once = trimmed(dark, mask, rule, template)
    assert once.sum() < mask.sum()
    assert trimmed(dark, once, rule, template) is once


def test_quantiles_of_the_brain_do_not_slip(brain, loose, rule) -> None:
    scan, mask = loose
    values = torch.from_numpy(ndimage.binary_dilation(brain.mask).astype(np.float32))[None]
    template = TemplateImage(values, tuple(brain.scan.affine[:3, 3].tolist()), VOXEL)
    dark = replace(scan, voxels=np.where(scan.voxels == DURA, np.float32(5), scan.voxels))
    tight = rule.fit(dark.voxels[brain.mask]).knots[1]
    slipped = rule.fit(dark.voxels[mask]).knots[1]
    mended = rule.fit(dark.voxels[trimmed(dark, mask, rule, template)]).knots[1]
    assert abs(mended - tight) < abs(slipped - tight)


def test_bright_surroundings_are_no_fluid(loose, brain, rule, own_template) -> None:
    scan, mask = loose
    bright = replace(scan, voxels=np.where(mask & ~brain.mask, np.float32(DURA), scan.voxels))
    assert trimmed(bright, mask, rule, own_template) is mask


def test_a_template_that_does_not_fit_tells_nothing(loose, rule, own_template) -> None:
    scan, mask = loose
    elsewhere = replace(own_template, origin=(200.0, 0.0, 0.0))
    assert trimmed(scan, mask, rule, elsewhere) is mask


def test_a_slice_keeps_its_mask(loose, rule, own_template) -> None:
    scan, mask = loose
    cut = slice_of(scan, 1, 24)
    assert trimmed(cut, mask[:, 24:25], rule, own_template).sum() == mask[:, 24].sum()
