"""Other intensities: another contrast, blur, bias field and noise."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from src_core.training.changes.random_fields import bias_field
from src_core.training.changes.thick_slices import thick_slices

if TYPE_CHECKING:
    from src_core.training.changes.labelled_brain import LabelledBrain
    from src_core.training.changes.settings import AugmentSettings


def other_intensities(
    brain: LabelledBrain,
    voxel_size: np.ndarray,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> np.ndarray:
    """Voxels as another scanner might have shown them, shape (I, J, K), float32.

    Parameters
    ----------
    brain : LabelledBrain
    voxel_size : ndarray, shape (3,)
        mm.
    settings : AugmentSettings
    random : Generator
    """
    voxels, millimetre = brain.voxels, 1 / voxel_size
    if random.random() < settings.gamma:
        voxels = voxels ** random.uniform(*settings.gamma_range)
    if random.random() < settings.blur:
        widths = np.where(np.array(voxels.shape) > 1, millimetre, 0)
        voxels = ndimage.gaussian_filter(voxels, random.uniform(*settings.blur_range) * widths)
    if random.random() < settings.bias:
        spacing = random.uniform(*settings.bias_length) * millimetre
        strength = random.uniform(*settings.bias_range)
        voxels = voxels * bias_field(brain.mask, spacing, strength, random)
    if random.random() < settings.noise:
        noise = random.standard_normal(voxels.shape, dtype=np.float32)
        voxels = voxels + random.uniform(*settings.noise_range) * noise
    if random.random() < settings.thick_slices:
        thickness = int(random.integers(*settings.slice_range, endpoint=True))
        voxels = thick_slices(voxels, int(random.integers(3)), thickness)
    return voxels
