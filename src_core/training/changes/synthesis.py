"""Scans made from label maps alone: an intensity for each label, drawn at random.

The way of SynthSeg (Billot et al. 2023, Medical Image Analysis), but by default only within what
T1-weighted scans show, because that is what the models are for.
"""

from dataclasses import dataclass

import numpy as np
from nibabel.affines import apply_affine, from_matvec, voxel_sizes
from scipy import ndimage

from src_core.errors import InputError
from src_core.io.scan import Scan, scan_from_array
from src_core.training.changes.freesurfer import BRAIN, SUSPICIOUS, VERMIS
from src_core.training.changes.labelled_brain import MARGIN, box_around
from src_core.training.changes.random_fields import bias_field, smooth_field

VERMIS_HALF_WIDTH = 8.0
"""In manual labels 97 % of the vermis lie this close to the midplane, mm."""
LARGEST_SULCUS = 12.0
"""Sulci up to this width belong to the mask; in some scans only much thinner ones do, mm."""

# Brightness of a label: 0 fluid, 1 cortex, 2 white matter, and in between what structures show in
# T1-weighted scans. Labels of one row share what is drawn for them, so that sides do not differ.
_BRIGHTNESS: tuple[tuple[tuple[int, ...], float], ...] = (
    ((2, 41, 251, 252, 253, 254, 255), 2.0),  # white matter, corpus callosum
    ((3, 42), 1.0),  # cortex
    ((4, 43, 14, 15, 24, 72), 0.0),  # ventricles and fluid
    ((5, 44), 0.1),  # inferior horns
    ((7, 46), 1.92),  # cerebellar white matter
    ((8, 47), 1.15),  # cerebellar cortex
    ((10, 49), 1.55),  # thalamus
    ((11, 50), 1.24),  # caudate
    ((12, 51), 1.45),  # putamen
    ((13, 52), 1.85),  # pallidum
    ((16,), 1.67),  # brain stem
    ((17, 53), 1.06),  # hippocampus
    ((18, 54), 1.08),  # amygdala
    ((26, 58), 1.12),  # accumbens
    ((28, 60), 1.82),  # ventral diencephalon
    ((25, 57, 77, 78, 79, 80), 1.35),  # lesions and hypointensities
    ((30, 62), 0.9),  # vessels
    ((31, 63, 136, 137, 163, 164), 0.5),  # choroid plexus
    ((85, 530), 1.5),  # optic chiasm and nerve
    ((512,), 1.6),  # spinal cord
    ((506,), 0.2),  # eyes
    ((515,), -0.5),  # compact bone
    ((0,), -1.0),  # air
)
# Anything between fluid and brighter than white matter: arteries, soft tissue, muscle, mucosa,
# skin, veins, marrow.
_ANY_BRIGHTNESS = (502, 507, 508, 509, 511, 514, 516)


@dataclass(frozen=True)
class SynthesisSettings:
    """How scans are made from label maps.

    Attributes
    ----------
    any_contrast : float
        Chance that fluid, cortex and white matter get any intensities, as in other kinds of scan.
    cortex_range, fluid_range : (float, float)
        Their brightness, where white matter has 1.
    spread : float
        Standard deviation of each structure between fluid (0), cortex (1) and white matter (2).
    texture_range : (float, float)
        Standard deviation within a structure.
    partial_volume_range : (float, float)
        Standard deviation of the blur that mixes neighbours, mm.
    bias_range, noise_range : (float, float)
        As in `AugmentSettings`.
    rim_range : (float, float)
        What the mask holds beyond the brain, besides its sulci, mm.
    """

    any_contrast: float = 0.0
    cortex_range: tuple[float, float] = (0.48, 0.7)
    fluid_range: tuple[float, float] = (0.1, 0.3)
    spread: float = 0.06
    texture_range: tuple[float, float] = (0.02, 0.06)
    partial_volume_range: tuple[float, float] = (0.5, 0.9)
    bias_range: tuple[float, float] = (0.0, 0.2)
    noise_range: tuple[float, float] = (0.0, 0.03)
    rim_range: tuple[float, float] = (0.0, 4.0)


def synthesise(
    label_map: np.ndarray,
    affine: np.ndarray,
    random: np.random.Generator,
    settings: SynthesisSettings | None = None,
) -> tuple[Scan, np.ndarray, np.ndarray]:
    """Make a skull-stripped scan from a label map of the whole head.

    Parameters
    ----------
    label_map : ndarray of int, shape (I, J, K)
        FreeSurfer's aseg ids, and 500 to 530 for the head.
    affine : ndarray, shape (4, 4)
        Voxel index -> world mm.
    random : Generator
    settings : SynthesisSettings, optional

    Returns
    -------
    scan : Scan
        On the part of the grid around the brain, 0 outside the mask.
    mask : ndarray of bool
        The brain, its sulci and an uneven rim of what lies around it.
    ids : ndarray of int16
        The labels there; `VERMIS` and `SUSPICIOUS` near the midplane of the cerebellum.

    Raises
    ------
    InputError
        The map holds an unknown id or no brain.
    """
    settings = settings or SynthesisSettings()
    brightness, texture = _drawn_brightness(settings, random)
    for label in np.flatnonzero(np.bincount(label_map.ravel())):
        if label >= len(brightness) or np.isnan(brightness[label]):
            raise InputError(f"label {label} is not one of FreeSurfer's aseg or of the head")
    size = voxel_sizes(affine)
    brain = np.isin(label_map, BRAIN)
    if not brain.any():
        raise InputError("the label map holds no brain; give one with FreeSurfer's aseg ids")
    box = box_around(brain, MARGIN / size)
    ids, brain = label_map[box].astype(np.int16), brain[box]
    affine = affine @ from_matvec(np.eye(3), [part.start for part in box])

    # Within a structure: from voxel to voxel, and slowly from one end to the other.
    deviation = random.standard_normal(ids.shape, dtype=np.float32)
    deviation += 1.5 * smooth_field(ids.shape, random.uniform(5, 15) / size, random)
    blur = random.uniform(*settings.partial_volume_range) / size
    voxels = ndimage.gaussian_filter(brightness[ids] + texture[ids] * deviation, blur)
    mask = _mask(brain, size, settings, random)
    strength = random.uniform(*settings.bias_range)
    voxels *= bias_field(mask, random.uniform(50, 120) / size, strength, random)
    noise = random.standard_normal(ids.shape, dtype=np.float32)
    voxels += random.uniform(*settings.noise_range) * noise

    # Nothing inside the mask may look like the emptiness outside.
    scan = scan_from_array(np.where(mask, np.maximum(voxels, 0.02), 0), affine)
    return scan, mask, _with_doubtful_vermis(ids, affine)


def _drawn_brightness(
    settings: SynthesisSettings, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Brightness of each label and its deviation within, (1000,) float32; NaN if unknown."""
    if random.random() < settings.any_contrast:
        fluid, cortex, white = random.uniform(0.05, 1, 3)
    else:
        fluid, cortex = (random.uniform(*r) for r in (settings.fluid_range, settings.cortex_range))
        white = 1.0
    scale = np.full(1000, np.nan)
    texture = np.zeros(1000, np.float32)
    for labels, centre in _BRIGHTNESS:
        scale[list(labels)] = centre + settings.spread * random.standard_normal()
        texture[list(labels)] = random.uniform(*settings.texture_range)
    for label in _ANY_BRIGHTNESS:
        scale[label] = random.uniform(0, 2.5)
        texture[label] = 2 * settings.texture_range[1]
    known = np.isfinite(scale)
    levels = (0, fluid, cortex, white, white + 0.3 * (white - cortex))
    scale[known] = np.interp(scale[known], (-1, 0, 1, 2, 3), levels)
    return scale.astype(np.float32), texture


def _mask(
    brain: np.ndarray, size: np.ndarray, settings: SynthesisSettings, random: np.random.Generator
) -> np.ndarray:
    outward = ndimage.distance_transform_edt(~brain, sampling=size)
    radius = random.uniform(2, LARGEST_SULCUS / 2)
    closed = ndimage.distance_transform_edt(outward <= radius, sampling=size) > radius
    low, high = settings.rim_range
    usual = random.uniform(low - 0.1 * (high - low), low + 0.6 * (high - low))
    uneven = 0.2 * (high - low) * smooth_field(brain.shape, 16 / size, random)
    mask: np.ndarray = brain | closed | (outward <= np.clip(usual + uneven, low, high))
    return mask


def _with_doubtful_vermis(ids: np.ndarray, affine: np.ndarray) -> np.ndarray:
    """Mark the cerebellum beside the midplane, which lies halfway between its two sides."""
    cerebellum = np.argwhere(np.isin(ids, (7, 8, 46, 47)))
    if not len(cerebellum):
        return ids
    labels = ids[tuple(cerebellum.T)]
    positions = apply_affine(affine, cerebellum)
    left = np.isin(labels, (7, 8))
    if left.all() or not left.any():
        return ids
    middles = positions[left].mean(0), positions[~left].mean(0)
    across = (middles[1] - middles[0]) / np.linalg.norm(middles[1] - middles[0])
    near = np.abs((positions - sum(middles) / 2) @ across) < VERMIS_HALF_WIDTH
    labels[near] = np.where(np.isin(labels[near], (8, 47)), VERMIS, SUSPICIOUS)
    ids[tuple(cerebellum.T)] = labels
    return ids
