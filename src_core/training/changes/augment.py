"""Scans as they might also have come: all changes, one after another."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from nibabel.affines import apply_affine

from src_core.training.changes.intensities import other_intensities
from src_core.training.changes.labelled_brain import MARGIN, LabelledBrain, box_around, normalised
from src_core.training.changes.misplacement import misplacement
from src_core.training.changes.reshaping import reshaped
from src_core.training.changes.stripping import stripped_otherwise

if TYPE_CHECKING:
    from src_core.io.scan import Scan
    from src_core.training.changes.settings import AugmentSettings
    from src_core.training.changes.tissues import Tissues


def augment(
    scan: Scan,
    mask: np.ndarray,
    labels: np.ndarray,
    tissues: Tissues,
    random: np.random.Generator,
    settings: AugmentSettings,
) -> tuple[Scan, np.ndarray, np.ndarray]:
    """Change a scan at random.

    Parameters
    ----------
    scan : Scan
    mask : ndarray of bool, shape (I, J, K)
    labels : ndarray of int, shape (I, J, K)
    tissues : Tissues
        What the labels are.
    random : Generator
    settings : AugmentSettings

    Returns
    -------
    scan, mask, labels
        New ones of the same shape; voxels outside the mask are 0. The affine is misplaced: with
        an alignment that was found before, the scan is misaligned.
    """
    size = scan.voxel_size
    box = box_around(mask, MARGIN / size)
    brain = LabelledBrain(normalised(scan.voxels[box], mask[box]), mask[box], labels[box])
    brain = reshaped(brain, size, tissues, settings, random)
    if random.random() < settings.mask:
        brain = stripped_otherwise(brain, size, settings, random)
    voxels = other_intensities(brain, size, settings, random)
    affine = scan.affine
    if random.random() < settings.affine:
        middle = apply_affine(affine, np.argwhere(mask).mean(0))
        affine = misplacement(middle, settings, random) @ affine

    whole = np.zeros(scan.shape, np.float32)
    inside, ids = np.zeros_like(mask), np.zeros_like(labels)
    whole[box] = np.where(brain.mask, voxels, 0)
    inside[box], ids[box] = brain.mask, brain.labels
    return replace(scan, voxels=whole, affine=affine), inside, ids
