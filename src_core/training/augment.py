"""Scans as they might also have come: mirrored, brighter, noisier, stripped differently."""

from dataclasses import replace

import numpy as np
from scipy import ndimage

from src_core.labels import Protocol
from src_core.scan import Scan

FIELD_SPACING = 16
"""Voxels between the nodes of a random smooth field."""


def smooth_field(shape: tuple[int, ...], random: np.random.Generator) -> np.ndarray:
    """Random smooth field, mean 0 and standard deviation about 0.6, float32."""
    nodes = [max(2, -(-size // FIELD_SPACING) + 1) for size in shape]
    coarse = random.standard_normal(nodes).astype(np.float32)
    scales = [size / count for size, count in zip(shape, nodes, strict=True)]
    return ndimage.zoom(coarse, scales, order=1, grid_mode=True, mode="nearest")


def augment(
    scan: Scan, mask: np.ndarray, classes: np.ndarray, random: np.random.Generator
) -> tuple[Scan, np.ndarray, np.ndarray]:
    """Change a scan at random.

    Gamma 0.7-1.5, a bias field of 6 % (standard deviation), noise up to 4 %, and another brain
    mask: at each place between 1 mm tighter and 4 mm looser, the rim filled with dark fluid and
    a few bright patches as meninges look, labelled background.

    Parameters
    ----------
    scan : Scan
    mask : ndarray of bool, shape (I, J, K)
    classes : ndarray of uint8, shape (I, J, K)
    random : Generator

    Returns
    -------
    scan, mask, classes
        New ones of the same shape.
    """
    inside = scan.voxels[mask]
    low, high = np.quantile(inside, (0.001, 0.98))
    voxels = np.clip((scan.voxels - low) / (high - low), 0, 1.5)
    if random.random() < 0.7:
        voxels, mask = _strip_otherwise(voxels, mask, scan.voxel_size, random)
        classes = np.where(mask, classes, 0).astype(np.uint8)
    voxels = voxels ** random.uniform(0.7, 1.5)
    voxels *= np.exp(0.1 * smooth_field(voxels.shape, random))
    noise = random.standard_normal(voxels.shape, dtype=np.float32)
    voxels += random.uniform(0, 0.04) * noise
    return replace(scan, voxels=np.where(mask, voxels, 0).astype(np.float32)), mask, classes


def mirror(scan: Scan) -> Scan:
    """The scan of the mirrored person: left and right change places, voxels stay."""
    return replace(scan, affine=np.diag([-1.0, 1, 1, 1]) @ scan.affine)


def _strip_otherwise(
    voxels: np.ndarray, mask: np.ndarray, voxel_size: np.ndarray, random: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    outward = ndimage.distance_transform_edt(~mask, sampling=voxel_size)
    inward = ndimage.distance_transform_edt(mask, sampling=voxel_size)
    reach = random.uniform(-0.5, 2.0) + 1.5 * smooth_field(mask.shape, random)
    loose = outward - inward < np.clip(reach, -1, 4)
    rim = loose & ~mask
    fluid = random.uniform(0.05, 0.4) + 0.06 * smooth_field(mask.shape, random)
    bright = random.uniform(0.4, 1.1)
    patches = smooth_field(mask.shape, random) > random.uniform(1.0, 2.5)
    filling = np.where(patches, bright, fluid)
    filling += 0.05 * random.standard_normal(mask.shape, dtype=np.float32)
    return np.where(rim, np.clip(filling, 0, 1.5), voxels).astype(np.float32), loose


def mirrored_classes(protocol: Protocol) -> np.ndarray:
    """Class that each class becomes in the mirrored person, shape (classes,), uint8."""
    names = [structure.name for structure in protocol.structures]
    swapped = list(range(len(names) + 1))
    for place, name in enumerate(names, start=1):
        for side, other in (("Left-", "Right-"), ("Right-", "Left-")):
            if name.startswith(side):
                swapped[place] = names.index(other + name.removeprefix(side)) + 1
    return np.array(swapped, np.uint8)
