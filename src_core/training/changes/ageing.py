"""Brains grown old: wide ventricles, shrunken tissue, dark white matter, thin cortex."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import fft, ndimage

from src_core.training.changes.deformation import followed, moved
from src_core.training.changes.random_fields import smooth_field

if TYPE_CHECKING:
    from src_core.training.changes.deformation import CoarseGrid
    from src_core.training.changes.labelled_brain import LabelledBrain
    from src_core.training.changes.settings import AugmentSettings
    from src_core.training.changes.tissues import Tissues

LARGEST_VENTRICLES = 0.12
"""Share of the brain that ventricles grow to at most; 9 % are seen in old people."""
LARGEST_ROOM = 0.3
"""Share of the white matter that growing ventricles take at most."""
AGEING_STEPS = 4
"""Steps in which volumes grow and shrink."""


def aged(
    grid: CoarseGrid,
    brain: LabelledBrain,
    tissues: Tissues,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> np.ndarray:
    """Displacements of a brain whose ventricles grow and whose tissue shrinks.

    Each place grows or shrinks at a rate of its own, which moves everything around it: the
    velocity is the gradient of a potential whose Laplacian is that rate, as for a fluid with
    sources and sinks (a simple form of the atrophy simulated by Khanal et al. 2016, NeuroImage).
    White matter makes room for the ventricles; the surroundings take what else is lost.

    Parameters
    ----------
    grid : CoarseGrid
    brain : LabelledBrain
    tissues : Tissues
        What its labels are.
    settings : AugmentSettings
    random : Generator

    Returns
    -------
    ndarray of float32, shape (3, *grid.blocks)
        In blocks.
    """
    ventricles = grid.mean(tissues.ventricles[brain.labels])
    white_matter = grid.mean(tissues.white_matter[brain.labels])
    fluid = grid.mean(brain.mask & (brain.labels == 0))
    tissue = grid.mean(brain.mask) - ventricles - fluid
    held, room = float(ventricles.sum()), LARGEST_ROOM * float(white_matter.sum())
    growth = random.uniform(*settings.growth_range)
    if held:
        largest = LARGEST_VENTRICLES * float(grid.mean(brain.mask).sum())
        growth = min(growth, 1 + room / held, max(largest / held, 1))
    taken = LARGEST_ROOM * (growth - 1) * held / max(room, 1e-6)
    shrinkage = -np.log1p(-random.uniform(*settings.shrinkage_range))
    spots = np.maximum(1 + smooth_field(grid.blocks, 30 / grid.size, random), 0)
    others = np.log1p(-taken) * white_matter - shrinkage * spots * tissue
    others += np.log(random.uniform(1, 2)) * fluid

    back = np.zeros((3, *grid.blocks), np.float32)
    for left in range(AGEING_STEPS, 0, -1):
        rate, grown = moved(np.stack([others, ventricles]), back)
        rate /= AGEING_STEPS
        if held:
            # Thin ventricles grow less than at their rate, because blocks hold tissue too.
            rate += np.log(growth * held / float(grown.sum())) / left * grown
        back = followed(-_flow(rate, grid.size) / grid.size.reshape(3, 1, 1, 1), back)
    return back


def darken_white_matter(
    brain: LabelledBrain,
    grid: CoarseGrid,
    tissues: Tissues,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> None:
    """Put soft dark patches into the white matter beside the ventricles, in place.

    Parameters
    ----------
    brain : LabelledBrain
    grid : CoarseGrid
    tissues : Tissues
        What its labels are.
    settings : AugmentSettings
    random : Generator
    """
    reach = random.uniform(3, 6) / grid.size
    beside = ndimage.gaussian_filter(grid.mean(tissues.ventricles[brain.labels]), reach)
    patches = np.clip(0.5 + smooth_field(grid.blocks, 12 / grid.size, random), 0, 1)
    darkening = random.uniform(*settings.darkening_range)
    darkness = grid.fine(darkening * patches * np.clip(4 * beside, 0, 1))
    # Ventricles too, whose edges are partly white matter; softly, for other tissue begins softly.
    concerned = tissues.white_matter | tissues.ventricles
    softly = ndimage.gaussian_filter(concerned[brain.labels].astype(np.float32), 1.0)
    np.multiply(brain.voxels, 1 - darkness * softly, out=brain.voxels)


def thin_cortex(
    brain: LabelledBrain,
    voxel_size: np.ndarray,
    fluid: np.float32,
    tissues: Tissues,
    settings: AugmentSettings,
    random: np.random.Generator,
) -> None:
    """Let fluid take the outermost of the cortex, less than a voxel at most, in place.

    Parameters
    ----------
    brain : LabelledBrain
    voxel_size : ndarray, shape (3,)
        mm.
    fluid : float32
        Brightness of fluid in this brain.
    tissues : Tissues
        What its labels are.
    settings : AugmentSettings
    random : Generator
    """
    cortex = tissues.cortex[brain.labels]
    if not cortex.any():
        return
    middle = (fluid + np.median(brain.voxels[cortex])) / 2
    # Background that looks like tissue is a speck of the manual labels, not a sulcus.
    outside = (brain.labels == 0) & (brain.voxels < middle)
    rim = cortex & ndimage.binary_dilation(outside)
    depth = random.uniform(*settings.thinning_range) / np.cbrt(voxel_size.prod())
    uneven = 1 + 0.5 * smooth_field(rim.shape, 20 / voxel_size, random)
    share = ndimage.gaussian_filter((rim | outside).astype(np.float32), 0.5)
    share *= np.clip(depth * uneven, 0, 1)
    before = brain.voxels[rim]
    np.add(brain.voxels, share * (fluid - brain.voxels), out=brain.voxels)
    # A voxel is lost where it now looks rather like fluid than like cortex.
    lost = (brain.voxels[rim] < middle) & ((before >= middle) | (share[rim] > 0.5))
    brain.labels[rim] = np.where(lost, 0, brain.labels[rim])


def _flow(rate: np.ndarray, size: np.ndarray) -> np.ndarray:
    """Velocity (3, ...) whose divergence is the rate less its mean; nothing leaves the box."""
    waves = np.meshgrid(
        *(np.pi * np.arange(n) / (n * step) for n, step in zip(rate.shape, size, strict=True)),
        indexing="ij",
        sparse=True,
    )
    squares = sum(wave**2 for wave in waves)
    squares[0, 0, 0] = np.inf
    spectrum = fft.dctn(rate, norm="ortho") / squares.astype(np.float32)
    velocity = []
    for axis, wave in enumerate(waves):
        # The derivative of cosines is sines, whose list starts one wave later.
        part = fft.idst(
            np.roll(spectrum * wave.astype(np.float32), -1, axis), axis=axis, norm="ortho"
        )
        velocity.append(fft.idctn(part, axes=[i for i in range(3) if i != axis], norm="ortho"))
    return np.stack(velocity)
