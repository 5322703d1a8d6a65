"""Sample scans that need no download: the MNI152 template and an analytic phantom."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import ndimage

from src_core.errors import InputError
from src_core.io.scan import Scan, scan_from_array

# Label ids of the protocol "tissue4".
CORTEX, SUBCORTICAL_GREY, WHITE_MATTER, CSF = 1, 2, 3, 4

# T1-weighted intensities. Cortex is a little darker than the deep grey nuclei.
INTENSITIES = {CORTEX: 75.0, SUBCORTICAL_GREY: 82.0, WHITE_MATTER: 110.0, CSF: 28.0}
NOISE = 2.5
BIAS_FIELD = 0.06
PARTIAL_VOLUME_MM = 0.6

CORTEX_THICKNESS_MM = 2.8
FOLIUM_THICKNESS_MM = 3.0
FISSURE_MM = 0.8  # half the width of a sulcus and of the fissure between the hemispheres
# The grid, in millimetres: first and last voxel centre along x (right), y (anterior), z (superior).
GRID_MM = ((-78.0, 78.0), (-112.0, 78.0), (-76.0, 84.0))


@dataclass(frozen=True)
class Ellipsoid:
    """An ellipsoid whose axes are those of the grid, in MNI-like millimetres."""

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]

    def depth(self, position: np.ndarray) -> np.ndarray:
        """Approximate distance in mm of each position below the surface (negative outside)."""
        shape = (3,) + (1,) * (position.ndim - 1)
        centre = np.reshape(self.centre, shape).astype(position.dtype)
        radii = np.reshape(self.radii, shape).astype(position.dtype)
        offset = (position - centre) / radii
        radius = np.sqrt((offset**2).sum(axis=0))
        slope = np.sqrt(((offset / radii) ** 2).sum(axis=0))
        depth: np.ndarray = radius * (1 - radius) / np.maximum(slope, 1e-6)
        return depth


# Everything is mirrored at the midplane: x stands for |x|.
HEMISPHERE = Ellipsoid((16, -18, 9), (54, 88, 67))
TEMPORAL_LOBE = Ellipsoid((42, -16, -20), (25, 46, 24))
CORPUS_CALLOSUM = Ellipsoid((0, -6, 8), (14, 40, 20))
CEREBELLUM = Ellipsoid((24, -64, -38), (28, 30, 24))
VERMIS = Ellipsoid((0, -64, -32), (14, 24, 22))
BRAIN_STEM = Ellipsoid((0, -29, -38), (13, 14, 34))
DEEP_GREY = (
    Ellipsoid((11, -19, 8), (9, 13, 9)),  # thalamus
    Ellipsoid((13, 12, 9), (5, 11, 10)),  # caudate nucleus
    Ellipsoid((26, 2, 1), (6, 16, 10)),  # putamen
    Ellipsoid((19, -5, -1), (5, 9, 6)),  # pallidum
    Ellipsoid((27, -23, -14), (7, 18, 6)),  # hippocampus
    Ellipsoid((24, -4, -19), (7, 7, 7)),  # amygdala
)
VENTRICLES = (
    Ellipsoid((7, 8, 17), (6, 24, 5)),  # lateral, anterior part
    Ellipsoid((15, -28, 19), (7, 20, 6)),  # lateral, body
    Ellipsoid((26, -44, 6), (6, 11, 9)),  # lateral, atrium
    Ellipsoid((0, -14, 1), (3, 12, 8)),  # third
    Ellipsoid((0, -46, -34), (6, 6, 9)),  # fourth
)


def mni152_t1() -> Scan:
    """The MNI152 T1 template (1 mm, skull-stripped) that nilearn carries inside its package.

    Returns
    -------
    Scan
        (197, 233, 189) voxels of 1 mm, intensities 0 to 1.

    Raises
    ------
    InputError
        If nilearn is not installed.
    """
    try:
        from nilearn.datasets import load_mni152_template
    except ImportError as error:
        raise InputError(
            "the sample scan comes with nilearn, which is not installed: "
            "run pip install 'napari-metaseg[demo]'"
        ) from error
    template = load_mni152_template(resolution=1)
    return scan_from_array(template.get_fdata(dtype=np.float32), template.affine)


def phantom(voxel_size: float = 1.0, seed: int = 0) -> tuple[Scan, np.ndarray]:
    """An analytic brain-like scan, skull-stripped, with its exact labels.

    Two folded hemispheres with a cortical ribbon, white matter, deep grey nuclei and ventricles,
    a cerebellum and a brain stem, in MNI-like millimetres and of the size of an adult brain.
    Intensities are T1-weighted, with partial volume, a weak bias field and noise; the background
    is exactly 0. Sulci hold dark fluid that has, as in manual labels, no label.

    Parameters
    ----------
    voxel_size : float
        Edge of the cubic voxels in mm.
    seed : int
        Seed of the folding pattern, the bias field and the noise.

    Returns
    -------
    scan : Scan
        (I, J, K) float32 voxels, RAS, world millimetres close to MNI space.
    labels : np.ndarray
        (I, J, K) uint8 label map of the protocol ``tissue4``.
    """
    random = np.random.default_rng(seed)
    axes = [np.arange(first, last + 1e-6, voxel_size, dtype=np.float32) for first, last in GRID_MM]
    position = np.stack(np.meshgrid(*axes, indexing="ij"))
    mirrored = position.copy()
    mirrored[0] = np.abs(mirrored[0])

    labels, brain = _anatomy(mirrored, random)
    intensity = np.full(labels.shape, INTENSITIES[CSF], dtype=np.float32)
    for label, value in INTENSITIES.items():
        intensity[labels == label] = value
    intensity = ndimage.gaussian_filter(intensity, PARTIAL_VOLUME_MM / voxel_size)
    intensity *= 1 + BIAS_FIELD * _random_waves(position, 150.0, random)[0]
    intensity += NOISE * random.standard_normal(labels.shape, dtype=np.float32)
    # A voxel of the brain must not look like background, however dark the noise makes it.
    voxels = np.where(brain, np.maximum(intensity, 1.0), 0.0).astype(np.float32)

    affine = np.diag([voxel_size, voxel_size, voxel_size, 1.0])
    affine[:3, 3] = [first for first, _ in GRID_MM]
    return scan_from_array(voxels, affine), labels


def _anatomy(position: np.ndarray, random: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels and brain mask at mirrored positions (3, I, J, K) in mm."""
    hemisphere = np.maximum(HEMISPHERE.depth(position), TEMPORAL_LOBE.depth(position))
    callosum = CORPUS_CALLOSUM.depth(position)
    cerebrum = np.minimum(hemisphere, np.maximum(position[0] - FISSURE_MM, callosum))
    sulci = _distance_to_sulci(position, cerebrum, 20.0, 36.0, random)
    cortex = np.minimum(cerebrum, sulci - FISSURE_MM)

    cerebellum = np.maximum(CEREBELLUM.depth(position), VERMIS.depth(position))
    folia = _distance_to_sulci(position, cerebellum, 14.0, 20.0, random)
    cerebellar_cortex = np.minimum(cerebellum, folia)

    stem = BRAIN_STEM.depth(position)
    brain = np.maximum.reduce([hemisphere, cerebellum, stem]) > 0
    below = hemisphere <= 0

    labels = np.zeros(brain.shape, dtype=np.uint8)
    labels[cortex > 0] = CORTEX
    labels[cortex > CORTEX_THICKNESS_MM] = WHITE_MATTER
    labels[(callosum > 0) & ~below] = WHITE_MATTER
    labels[(cerebellum > 0) & below] = SUBCORTICAL_GREY
    labels[(cerebellar_cortex > FOLIUM_THICKNESS_MM) & below] = WHITE_MATTER
    labels[stem > 0] = WHITE_MATTER
    for structures, label in ((DEEP_GREY, SUBCORTICAL_GREY), (VENTRICLES, CSF)):
        for structure in structures:
            labels[structure.depth(position) > 0] = label
    return labels, brain


def _distance_to_sulci(
    position: np.ndarray,
    depth: np.ndarray,
    deepest: float,
    wavelength: float,
    random: np.random.Generator,
) -> np.ndarray:
    """Distance in mm from winding sheets that reach from the surface to ``deepest`` mm below it.

    The sheets are where a random smooth field is zero; its value over its slope is the distance.
    """
    field, slope = _random_waves(position, wavelength, random)
    sheet = np.abs(field) / np.maximum(slope, 1e-3)
    distance: np.ndarray = np.hypot(sheet, np.maximum(depth - deepest, 0))
    return distance


def _random_waves(
    position: np.ndarray, wavelength: float, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """A random smooth field, about -1 to 1, and the length of its gradient in 1/mm."""
    count = 5
    field = np.zeros(position.shape[1:], dtype=np.float32)
    gradient = np.zeros(position.shape, dtype=np.float32)
    for _ in range(count):
        direction = random.standard_normal(3)
        wave = (2 * np.pi / wavelength * direction / np.linalg.norm(direction)).astype(np.float32)
        phase = np.float32(random.uniform(0, 2 * np.pi))
        angle = np.tensordot(wave, position, axes=1) + phase
        field += np.sin(angle)
        slope = np.cos(angle, out=angle)
        for axis in range(3):
            gradient[axis] += wave[axis] * slope
    return field / count, np.sqrt((gradient**2).sum(axis=0)) / count
