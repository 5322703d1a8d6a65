"""Brains that are stripped of their skull in another way."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from src_core.training.changes.labelled_brain import LabelledBrain
from src_core.training.changes.random_fields import smooth_field

if TYPE_CHECKING:
    from src_core.training.changes.settings import AugmentSettings


def stripped_otherwise(
    brain: LabelledBrain,
    voxel_size: np.ndarray,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> LabelledBrain:
    """Give a brain another mask; where it is looser, there are dark fluid and bright meninges.

    Parameters
    ----------
    brain : LabelledBrain
    voxel_size : ndarray, shape (3,)
        mm.
    settings : AugmentSettings
    random : Generator
    """
    shape, spacing = brain.mask.shape, 16 / voxel_size
    outward = ndimage.distance_transform_edt(~brain.mask, sampling=voxel_size)
    inward = ndimage.distance_transform_edt(brain.mask, sampling=voxel_size)
    low, high = settings.mask_range
    usual = random.uniform(low + 0.1 * (high - low), low + 0.6 * (high - low))
    reach = usual + 0.2 * (high - low) * smooth_field(shape, spacing, random)
    mask = outward - inward < np.clip(reach, low, high)
    fluid = random.uniform(0.05, 0.4) + 0.04 * smooth_field(shape, spacing, random)
    patches = smooth_field(shape, spacing, random) > random.uniform(1.5, 3.5)
    filling = np.where(patches, np.float32(random.uniform(0.4, 1.1)), fluid)
    filling += 0.05 * random.standard_normal(shape, dtype=np.float32)
    voxels = np.where(mask & ~brain.mask, np.clip(filling, 0, 1.5), brain.voxels)
    return LabelledBrain(voxels, mask, np.where(mask, brain.labels, 0))
