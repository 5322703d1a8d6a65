"""One 4x4 from the scan's world to template space.

Axis order and flips never enter: all positions go through the file's affine first. A coarse search
over rotations and sizes at 8 mm finds a start, gradient ascent on the normalised correlation
at 8 and 4 mm refines all twelve numbers. Because the scans are skull-stripped and their
surroundings are sampled too, the outline of the brain guides as much as what is inside.
"""

import itertools
import json
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from src_core.adam import Adam
from src_core.errors import InputError
from src_core.scan import Scan
from src_core.template import TemplateImage

SEARCH_SPACING = 4.0
"""Voxel size of the picture that is aligned, mm."""
MARGIN = 24.0
"""Width of the empty border around the brain that takes part, mm."""
SEARCH_ANGLES = (-30.0, -15.0, 0.0, 15.0, 30.0)
SEARCH_SCALES = (0.9, 1.0, 1.1)
CANDIDATES = 6
"""Number of starts that are followed at 8 mm."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where a scan lies in template space.

    Attributes
    ----------
    matrix : ndarray, shape (4, 4)
        World mm of the scan -> template mm.
    method : {"estimated", "given", "none"}
    similarity : float
        Normalised correlation with the template at 4 mm; nan unless estimated.
    """

    matrix: np.ndarray
    method: str
    similarity: float = math.nan


@dataclass(frozen=True, eq=False)
class _Picture:
    """A small version of the scan: values (N,) at world positions (N, 3)."""

    values: Tensor
    positions: Tensor


def read_transform(path: str | Path) -> np.ndarray:
    """Read a 4x4 matrix, world mm of the scan -> template mm (RAS).

    Parameters
    ----------
    path : path
        Four rows of four numbers as text, or JSON: a list of rows, or an object (such as a report)
        with the list under ``transform``.

    Returns
    -------
    ndarray, shape (4, 4)

    Raises
    ------
    InputError
        The file can't be read as such a matrix.
    """
    path = Path(path)
    try:
        text = path.read_text()
        try:
            content = json.loads(text)
            rows = content["transform"] if isinstance(content, dict) else content
        except json.JSONDecodeError:
            rows = [line.split() for line in text.splitlines() if line.strip()]
        matrix = np.array(rows, dtype=float)
    except (OSError, UnicodeDecodeError, KeyError, ValueError, TypeError) as error:
        raise InputError(
            f"{path}: can't be read as a transform ({error}); give 4 rows of 4 numbers or a report"
        ) from error
    return check_transform(matrix, str(path))


def check_transform(matrix: np.ndarray, name: str = "transform") -> np.ndarray:
    """Return the matrix as float64 if it is an invertible affine 4x4.

    Raises
    ------
    InputError
        Otherwise.
    """
    matrix = np.asarray(matrix, dtype=np.float64)
    if matrix.shape != (4, 4):
        raise InputError(f"{name}: a transform has 4 rows of 4 numbers, not shape {matrix.shape}")
    if not np.isfinite(matrix).all() or abs(np.linalg.det(matrix[:3, :3])) < 1e-6:
        raise InputError(f"{name}: the transform can't be inverted; check its numbers")
    if not np.allclose(matrix[3], (0, 0, 0, 1)):
        raise InputError(f"{name}: the last row of a transform is 0 0 0 1")
    return matrix


def align(scan: Scan, mask: np.ndarray, template: TemplateImage) -> Alignment:
    """Find the affine map from the scan's world to template space.

    Parameters
    ----------
    scan : Scan
        A volume, or one slice. A slice keeps its position across the plane, which no
        picture of it can tell, and is aligned within its plane only.
    mask : ndarray of bool, shape (I, J, K)
        The brain.
    template : TemplateImage
        First channel: template intensities, at `SEARCH_SPACING`.

    Returns
    -------
    Alignment
    """
    fine = _picture(scan, mask)
    basis = _in_plane_basis(scan) if scan.is_slice else torch.eye(3)
    first = TemplateImage(template.values[:1], template.origin, template.spacing)
    coarse = first.coarser()
    thinned = _thin(fine, 10_000)

    starts = _search(thinned, coarse, basis)
    followed = [_refine(thinned, coarse, start, basis, steps=25, rate=0.03) for start in starts]
    best = max(followed, key=lambda found: found[1])[0]
    best, _ = _refine(thinned, first, best, basis, steps=40, rate=0.01)
    best, similarity = _refine(_thin(fine, 50_000), first, best, basis, steps=40, rate=0.003)
    return Alignment(best.double().numpy(), "estimated", similarity)


def _picture(scan: Scan, mask: np.ndarray) -> _Picture:
    """Block means of the masked scan at about `SEARCH_SPACING`, with an empty border."""
    size, shape = scan.voxel_size, np.array(scan.shape)
    factor = np.maximum(1, np.round(SEARCH_SPACING / size)).astype(int)
    factor = np.where(shape == 1, 1, factor)
    low, high = np.array([_extent(mask, axis) for axis in range(3)]).T
    box = tuple(map(slice, low, high))
    values = np.where(mask[box], scan.voxels[box], 0.0)
    # Plain floats: with numpy's float64 the whole box would become float64.
    dark, bright = map(float, np.percentile(values[mask[box]], (1, 99)))
    values = np.where(mask[box], np.clip((values - dark) / (bright - dark), 0, 1) + 0.1, 0.0)
    # Where the image ends within the brain nothing is known of what follows: no border there.
    border = np.ceil(MARGIN / size).astype(int)
    before, after = np.where(low == 0, 0, border), np.where(high == shape, 0, border)
    after += -(high - low + before + after) % factor  # every axis is a multiple of the block
    values = np.pad(values.astype(np.float32), list(zip(before, after, strict=True)))
    blocks = [n for v, f in zip(values.shape, factor, strict=True) for n in (v // f, f)]
    means = values.reshape(blocks).mean(axis=(1, 3, 5))
    first = low - before + (factor - 1) / 2
    index = np.stack(np.meshgrid(*map(np.arange, means.shape), indexing="ij"), -1).reshape(-1, 3)
    positions = (index * factor + first) @ scan.affine[:3, :3].T + scan.affine[:3, 3]
    return _Picture(torch.from_numpy(means.ravel()), torch.from_numpy(positions).float())


def _extent(mask: np.ndarray, axis: int) -> tuple[int, int]:
    occupied = np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis)))
    return int(occupied[0]), int(occupied[-1]) + 1


def _thin(picture: _Picture, count: int) -> _Picture:
    """At most so many of the points, drawn at random."""
    generator = torch.Generator().manual_seed(0)
    order = torch.randperm(len(picture.values), generator=generator)
    chosen = order[:count]
    return _Picture(picture.values[chosen], picture.positions[chosen])


def _in_plane_basis(scan: Scan) -> Tensor:
    """Two orthonormal world directions, the columns, that span the plane of a slice."""
    axes = [axis for axis in range(3) if scan.shape[axis] != 1][:2]
    return torch.from_numpy(np.linalg.qr(scan.affine[:3, axes])[0]).float()


def _rotation(degrees: tuple[float, ...]) -> Tensor:
    """Rotation in 2 (one angle) or 3 dimensions (angles about x, y, z)."""
    planes = [(0, 1)] if len(degrees) == 1 else [(1, 2), (2, 0), (0, 1)]
    matrix = torch.eye(2 if len(degrees) == 1 else 3)
    for angle, (a, b) in zip(map(math.radians, degrees), planes, strict=True):
        turn = torch.eye(len(matrix))
        turn[a, a] = turn[b, b] = math.cos(angle)
        turn[a, b], turn[b, a] = -math.sin(angle), math.sin(angle)
        matrix = turn @ matrix
    return matrix


def _affine(linear: Tensor, shift: Tensor, centre: Tensor, basis: Tensor) -> Tensor:
    """4x4 that applies `linear` about `centre`, then `shift` (mm), both within `basis`."""
    full = torch.eye(3) + basis @ (linear - torch.eye(len(linear))) @ basis.T
    matrix = torch.eye(4)
    return torch.cat(
        [torch.cat([full, (centre - full @ centre + basis @ shift)[:, None]], 1), matrix[3:]]
    )


def _correlation(a: Tensor, b: Tensor) -> Tensor:
    a, b = a - a.mean(), b - b.mean()
    return (a * b).sum() / (a.norm() * b.norm() + 1e-6)


def _apply(matrix: Tensor, positions: Tensor) -> Tensor:
    return positions @ matrix[:3, :3].T + matrix[:3, 3]


def _search(picture: _Picture, template: TemplateImage, basis: Tensor) -> list[Tensor]:
    """The `CANDIDATES` best of a grid of rotations and sizes, centres of mass matched."""
    weights = template.values[0].flatten()
    goal = (template.positions() * weights[:, None]).sum(0) / weights.sum()
    centre = (picture.positions * picture.values[:, None]).sum(0) / picture.values.sum()
    shift = basis.T @ (goal - centre)
    turns = list(itertools.product(SEARCH_ANGLES, repeat=3 if basis.shape[1] == 3 else 1))
    found = []
    for degrees, scale in itertools.product(turns, SEARCH_SCALES):
        matrix = _affine(scale * _rotation(degrees), shift, centre, basis)
        there = template.sample(_apply(matrix, picture.positions))[:, 0]
        found.append((float(_correlation(there, picture.values)), matrix))
    found.sort(key=lambda entry: -entry[0])
    return [matrix for _, matrix in found[:CANDIDATES]]


def _refine(
    picture: _Picture,
    template: TemplateImage,
    start: Tensor,
    basis: Tensor,
    steps: int,
    rate: float,
) -> tuple[Tensor, float]:
    """Ascend the correlation from `start`; `rate` is the first step, 1 = 100 mm or 1 rad."""
    positions = _apply(start, picture.positions)
    centre = (positions * picture.values[:, None]).sum(0) / picture.values.sum()
    linear = torch.zeros(basis.shape[1], basis.shape[1], requires_grad=True)
    shift = torch.zeros(basis.shape[1], requires_grad=True)
    optimizer = Adam([linear, shift], betas=(0.8, 0.95))
    best, similarity = start, -1.0
    for step in range(steps):
        matrix = _affine(torch.eye(len(linear)) + linear, 100 * shift, centre, basis)
        value = _correlation(template.sample(_apply(matrix, positions))[:, 0], picture.values)
        reached = value.item()
        if reached > similarity:
            best, similarity = (matrix @ start).detach(), reached
        optimizer.zero_grad()
        (-value).backward()
        optimizer.step(rate * (1 - step / steps))
    return best, similarity
