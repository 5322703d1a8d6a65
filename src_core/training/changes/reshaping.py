"""Other shapes: an old brain and an elastic deformation as one displacement field.

So a scan is resampled only once.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from src_core.training.changes.ageing import aged, darken_white_matter, thin_cortex
from src_core.training.changes.deformation import CoarseGrid, elastic, followed, moved
from src_core.training.changes.labelled_brain import LabelledBrain

if TYPE_CHECKING:
    from src_core.training.changes.settings import AugmentSettings
    from src_core.training.changes.tissues import Tissues


def reshaped(
    brain: LabelledBrain,
    voxel_size: np.ndarray,
    tissues: Tissues,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> LabelledBrain:
    """Let a brain grow old or deform it, or both or neither, by chance.

    Parameters
    ----------
    brain : LabelledBrain
    voxel_size : ndarray, shape (3,)
        mm.
    tissues : Tissues
        What its labels are.
    settings : AugmentSettings
    random : Generator
    """
    deforms, ages = random.random() < settings.elastic, random.random() < settings.ageing
    ages = ages and tissues.can_age
    if not (deforms or ages):
        return brain
    grid = CoarseGrid.over(brain.mask.shape, voxel_size)
    deformed = np.zeros((3, *grid.blocks), np.float32)
    if deforms:
        deformed = elastic(grid, settings, random)
    whole = deformed
    if ages:
        # Aged first, deformed then: looked up in the opposite order.
        whole = followed(deformed, aged(grid, brain, tissues, settings, random))
    # The skull does not shrink with the brain: the gap is left to fluid.
    skull, outline = (moved(grid.mean(brain.mask)[None], back)[0] for back in (deformed, whole))
    near = grid.fine(np.maximum(skull, outline)) > 0.01
    fluid = _fluid_brightness(brain, tissues)
    changed = _resampled(brain, grid, whole, near, fluid)
    if ages:
        changed = replace(changed, mask=changed.mask | (grid.fine(skull) > 0.5))
        darken_white_matter(changed, grid, tissues, settings, random)
        thin_cortex(changed, voxel_size, fluid, tissues, settings, random)
    return changed


def _resampled(
    brain: LabelledBrain, grid: CoarseGrid, back: np.ndarray, near: np.ndarray, fluid: np.float32
) -> LabelledBrain:
    """The brain after displacements (3, ...) of blocks; `near` are the voxels it may come to."""
    origins = np.stack(
        [
            index + step * grid.fine(part)[near]
            for index, step, part in zip(np.nonzero(near), grid.steps, back, strict=True)
        ]
    ).astype(np.float32)
    # Around the brain fluid, for its rim to mix with, instead of what stripping left there.
    voxels = np.full_like(brain.voxels, fluid)
    voxels[near] = ndimage.map_coordinates(
        np.where(brain.mask, brain.voxels, fluid), origins, order=1, mode="nearest"
    )
    codes = np.full(near.shape, -1, np.int16)
    codes[near] = ndimage.map_coordinates(
        np.where(brain.mask, brain.labels.astype(np.int16), -1), origins, order=0, mode="nearest"
    )
    return LabelledBrain(voxels, codes >= 0, np.maximum(codes, 0))


def _fluid_brightness(brain: LabelledBrain, tissues: Tissues) -> np.float32:
    """How bright the scan shows fluid: as in the darker half of the ventricles."""
    inside = brain.voxels[brain.mask & tissues.ventricles[brain.labels]]
    if len(inside):
        return np.float32(np.quantile(inside, 0.25))
    return np.float32(np.quantile(brain.voxels[brain.mask], 0.02))
