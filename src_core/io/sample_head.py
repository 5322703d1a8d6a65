"""A made-up head around a skull-stripped sample, like a scan before stripping.

The brain stays what it is; skull, scalp, face and neck are drawn from distances and ellipsoids. It
is for trying how a whole head is segmented, and not a source of anatomy.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from scipy import ndimage

from src_core.io.sample import Ellipsoid, mni152_t1
from src_core.io.scan import Scan, scan_from_array

# First and last voxel centre along x (right), y (anterior), z (superior), MNI-like millimetres.
HEAD_MM = ((-98.0, 98.0), (-134.0, 122.0), (-134.0, 106.0))
COARSE_MM = 2.0  # smooth shapes are drawn on a grid like this

# T1-weighted intensities, as shares of white matter's.
AIR, BONE, FLUID, DURA = 0.0, 0.07, 0.2, 0.35
MUSCLE, MARROW, CORD, FAT = 0.5, 0.75, 0.85, 1.25
NOISE = 0.01
PARTIAL_VOLUME_MM = 0.6

# From the brain outwards, mm.
FLUID_MM, DURA_MM = 2.5, 1.0
SULCUS_MM = 8.0  # hollows of the brain that are narrower than twice this are filled with fluid
SKULL_MM, SKULL_SPREAD_MM = 6.0, 0.8
SCALP_MM = 6.0
SKIN_MM, FAT_MM = 1.5, 5.0

# Everything off the midplane is drawn on both sides.
FACE_AND_NECK = (
    Ellipsoid((0, 34, -60), (70, 54, 60)),  # face
    Ellipsoid((0, 40, -106), (50, 48, 38)),  # jaw
    Ellipsoid((0, -42, -134), (60, 64, 120)),  # neck
    Ellipsoid((50, 12, -20), (31, 50, 50)),  # temples
    Ellipsoid((0, -10, -95), (62, 62, 60)),  # throat
)
NOSE_AND_EARS = (
    Ellipsoid((0, 82, -57), (10, 16, 26)),  # bridge of the nose
    Ellipsoid((0, 85, -70), (17, 21, 13)),  # tip of the nose
    Ellipsoid((80, -26, -46), (8, 16, 28)),  # ears
)
# What is painted over what: later ones on earlier ones.
STRUCTURES = (
    (FAT, Ellipsoid((29, 47, -38), (17, 26, 16))),  # orbit
    (MUSCLE, Ellipsoid((31, 58, -38), (13, 13, 13))),  # wall of the eye
    (FLUID, Ellipsoid((31, 58, -38), (11.5, 11.5, 11.5))),  # eye
    (MUSCLE, Ellipsoid((31, 67, -38), (4, 2, 4))),  # lens
    (CORD, Ellipsoid((25, 33, -37), (3, 15, 3))),  # optic nerve
    (AIR, Ellipsoid((27, 54, -68), (13, 16, 15))),  # maxillary sinus
    (AIR, Ellipsoid((7, 48, -40), (6, 22, 9))),  # ethmoid cells
    (AIR, Ellipsoid((0, 22, -46), (12, 13, 9))),  # sphenoid sinus
    (AIR, Ellipsoid((8, 78, -24), (9, 4, 9))),  # frontal sinus
    (AIR, Ellipsoid((4, 60, -66), (2.5, 34, 15))),  # nasal cavity
    (BONE, Ellipsoid((0, 52, -81), (22, 32, 4))),  # palate
    (AIR, Ellipsoid((0, 54, -86), (18, 30, 2))),  # mouth
    (BONE, Ellipsoid((0, 78, -92), (21, 8, 12))),  # teeth
    (BONE, Ellipsoid((0, 76, -116), (24, 9, 11))),  # chin
    (MARROW, Ellipsoid((0, 76, -116), (21, 6, 8))),
    (BONE, Ellipsoid((46, 14, -90), (5, 15, 34))),  # branch of the mandible
    (MARROW, Ellipsoid((46, 14, -90), (2.5, 12, 30))),
    (AIR, Ellipsoid((0, 4, -98), (9, 6, 46))),  # pharynx
    (BONE, Ellipsoid((62, -28, -52), (18, 14, 16))),  # mastoid
    (AIR, Ellipsoid((70, -22, -50), (20, 3, 3))),  # ear canal
    (MARROW, Ellipsoid((0, -4, -50), (11, 4, 14))),  # clivus
)
# The same, relative to the lower end of the brain stem.
SPINE = (
    *((MARROW, Ellipsoid((0, 20, z), (11, 8, 7.5))) for z in (-20, -38, -56)),
    *((BONE, Ellipsoid((0, -22, z), (5, 12, 5))) for z in (-20, -38, -56)),
    (BONE, Ellipsoid((0, 0, -60), (13, 12, 76))),  # wall of the spinal canal
    (FLUID, Ellipsoid((0, 0, -60), (10.5, 9, 76))),
    (CORD, Ellipsoid((0, 0, -60), (6.5, 6, 74))),
)


class _Fields(NamedTuple):
    """What varies smoothly over the head, (I, J, K) float32 each."""

    outward: np.ndarray  # mm from the hollow of the skull, negative within
    depth: np.ndarray  # mm below the skin, negative in the air
    lumps: np.ndarray  # random, mean 0, deviation 1
    fibres: np.ndarray  # the same, drawn out along z


def mni152_head(seed: int = 0) -> Scan:
    """The MNI152 T1 template in a made-up head, at 1 mm.

    Parameters
    ----------
    seed : int
        As of `head_around`.

    Returns
    -------
    Scan
        (197, 257, 241) voxels, RAS; the brain is that of `mni152_t1`, with noise.

    Raises
    ------
    InputError
        If nilearn is not installed.
    """
    return head_around(mni152_t1(), seed)


def head_around(brain: Scan, seed: int = 0) -> Scan:
    """Draw a head around a brain: fluid, skull, scalp, face, neck, and the noise of the air.

    Parameters
    ----------
    brain : Scan
        RAS, cubic voxels of at most 8 mm, close to MNI space, 0 outside the brain.
    seed : int
        Seed of the texture and of the noise.

    Returns
    -------
    Scan
        The voxels of ``brain`` and more around them, float32, in the same unit.
    """
    random = np.random.default_rng(seed)
    spacing = float(brain.voxel_size[0])
    step = max(1, round(COARSE_MM / spacing))
    voxels, first = _on_larger_grid(brain, step)
    inside = voxels > 0
    white = np.float32(np.percentile(voxels[inside], 95))
    fields = _fields(inside, first, spacing, step, random)
    stem = _end_of_the_stem(inside, first, spacing)

    head = _layers(fields)
    soft = fields.depth > 2 * SKIN_MM
    beyond_dura = soft & (fields.outward > 2 * DURA_MM)
    for intensity, shape in STRUCTURES:
        _paint(head, intensity, shape, beyond_dura, first, spacing)
    for intensity, shape in SPINE:
        centre = tuple(np.add(shape.centre, stem))
        _paint(head, intensity, replace(shape, centre=centre), soft, first, spacing)
    head[fields.outward <= 0] = FLUID
    head *= white
    head[inside] = voxels[inside]
    head = ndimage.gaussian_filter(head, PARTIAL_VOLUME_MM / spacing)
    head[inside] = voxels[inside]
    head *= _sensitivity(first[2], spacing, head.shape[2])

    # The magnitude of a complex signal: noise is never negative.
    real, imaginary = (
        NOISE * white * random.standard_normal(head.shape, dtype=np.float32) for _ in range(2)
    )
    affine = brain.affine.copy()
    affine[:3, 3] = first
    return scan_from_array(np.hypot(head + real, imaginary), affine)


def _on_larger_grid(brain: Scan, step: int) -> tuple[np.ndarray, np.ndarray]:
    """The brain's voxels among zeros, and the position of the first one (3,) in mm.

    Along each axis there is a multiple of ``step`` voxels, and one.
    """
    spacing = brain.voxel_size
    limits = np.array(HEAD_MM)
    start = np.round((limits[:, 0] - brain.affine[:3, 3]) / spacing).astype(int)
    count = np.round(np.ptp(limits, axis=1) / spacing / step).astype(int) * step + 1
    low, high = np.maximum(start, 0), np.minimum(start + count, brain.shape)
    voxels = np.zeros(count, dtype=np.float32)
    target = tuple(slice(*ends) for ends in zip(low - start, high - start, strict=True))
    source = tuple(slice(*ends) for ends in zip(low, high, strict=True))
    voxels[target] = brain.voxels[source]
    return voxels, brain.affine[:3, 3] + start * spacing


def _fields(
    inside: np.ndarray, first: np.ndarray, spacing: float, step: int, random: np.random.Generator
) -> _Fields:
    """Draw the smooth fields on a coarse grid and refine them."""
    coarse = inside[::step, ::step, ::step]
    size = spacing * step
    position = _positions(coarse.shape, first, size)
    near = ndimage.distance_transform_edt(~coarse, sampling=size) < SULCUS_MM
    outward = ndimage.distance_transform_edt(~near, sampling=size)
    outward -= ndimage.distance_transform_edt(near, sampling=size)
    outward = ndimage.gaussian_filter(outward, COARSE_MM / size) + SULCUS_MM - FLUID_MM

    depth = SKULL_MM + SCALP_MM - outward
    position[0] = np.abs(position[0])
    for shape in FACE_AND_NECK:
        depth = np.maximum(depth, shape.depth(position))
    depth = ndimage.gaussian_filter(depth, 2 * COARSE_MM / size)
    for shape in NOSE_AND_EARS:
        depth = np.maximum(depth, shape.depth(position))

    drawn = [outward, depth]
    for extent in ((3, 3, 3), (2, 2, 8)):
        field = ndimage.gaussian_filter(
            random.standard_normal(coarse.shape, dtype=np.float32), np.array(extent) / size
        )
        drawn.append(field / field.std())
    refined = (
        ndimage.zoom(field.astype(np.float32), np.divide(inside.shape, coarse.shape), order=1)
        for field in drawn
    )
    return _Fields(*refined)


def _positions(shape: tuple[int, ...], first: np.ndarray, spacing: float) -> np.ndarray:
    """Voxel centres in mm, (3, I, J, K) float32."""
    axes = (
        np.float32(start) + np.float32(spacing) * np.arange(n, dtype=np.float32)
        for start, n in zip(first, shape, strict=True)
    )
    return np.stack(np.meshgrid(*axes, indexing="ij"))


def _layers(fields: _Fields) -> np.ndarray:
    """Intensities of skin, fat, muscle and skull, (I, J, K) float32."""
    outward, depth, lumps, fibres = fields
    head = np.full(depth.shape, AIR, dtype=np.float32)
    body = depth > 0
    head[body] = MUSCLE
    muscle = depth > SKIN_MM
    head[muscle] = (MUSCLE * (1 + 0.15 * fibres))[muscle]
    head[muscle & (np.abs(fibres + 0.5 * lumps) < 0.07)] = FAT  # between the muscles
    fat = muscle & (depth < FAT_MM + np.maximum(lumps, -1))
    head[fat] = (FAT * (1 + 0.08 * lumps))[fat]

    thickness = SKULL_MM + SKULL_SPREAD_MM * lumps
    share = outward / thickness
    head[body & (share > 0) & (share < 1)] = BONE
    marrow = body & (share > 0.35) & (share < 0.7) & (lumps > -0.3)
    head[marrow] = (MARROW * (0.8 + 0.2 * fibres))[marrow]
    head[(outward > 0) & (outward < DURA_MM)] = DURA
    return head


def _paint(
    head: np.ndarray,
    intensity: float,
    shape: Ellipsoid,
    where: np.ndarray,
    first: np.ndarray,
    spacing: float,
) -> None:
    """Paint a structure on both sides."""
    x, y, z = shape.centre
    for side in {x, -x}:
        ellipsoid = replace(shape, centre=(side, y, z))
        centre, radii = np.array(ellipsoid.centre), np.array(ellipsoid.radii)
        low = np.clip(np.floor((centre - radii - first) / spacing), 0, head.shape).astype(int)
        high = np.clip(np.ceil((centre + radii - first) / spacing) + 1, 0, head.shape).astype(int)
        box = tuple(slice(*ends) for ends in zip(low, high, strict=True))
        position = _positions(head[box].shape, first + low * spacing, spacing)
        head[box][(ellipsoid.depth(position) > 0) & where[box]] = intensity


def _end_of_the_stem(inside: np.ndarray, first: np.ndarray, spacing: float) -> np.ndarray:
    """Where the brain ends below, (3,) mm in the midplane."""
    lowest = np.flatnonzero(inside.any(axis=(0, 1)))[0]
    middle = np.argwhere(inside[:, :, lowest])[:, 1].mean()
    return np.array([0.0, first[1] + middle * spacing, first[2] + lowest * spacing])


def _sensitivity(first: float, spacing: float, count: int) -> np.ndarray:
    """Of the coil, which ends at the neck, (K,) float32."""
    z = first + spacing * np.arange(count)
    sensitivity: np.ndarray = np.interp(z, [-134, -80], [0.5, 1.0]).astype(np.float32)
    return sensitivity
