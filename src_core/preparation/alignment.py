"""One 4x4 from the scan's world to template space.

Axis order and flips never enter: all positions go through the file's affine first. A coarse search
over rotations and sizes at 8 mm finds a start, gradient ascent on the normalised correlation
at 8 and 4 mm refines all twelve numbers. Because the scans are skull-stripped and their
surroundings are sampled too, the outline of the brain guides as much as what is inside.

A single slice tells less. A model for volumes takes its position across the plane from the
header. For a model for slices the search also tries positions across the plane and tilts of it,
and all that a slice can tell is refined.
"""

import itertools
import json
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as functional
from torch import Tensor

from src_core.errors import InputError
from src_core.fitting.adam import Adam
from src_core.io.scan import Scan
from src_core.space.slices import SliceRange
from src_core.space.template import TemplateImage

SEARCH_SPACING = 4.0
"""Voxel size of the picture that is aligned, mm."""
MARGIN = 24.0
"""Width of the empty border around the brain that takes part, mm."""
SEARCH_ANGLES = (-30.0, -15.0, 0.0, 15.0, 30.0)
SEARCH_SCALES = (0.9, 1.0, 1.1)
CANDIDATES = 6
"""Number of starts that are followed at 8 mm."""
AT_ONCE = 25
"""Number of starts that are tried in one call: few, large operations cost least."""
SLICE_STEP = 3.0
"""Distance of the positions across the plane at which a slice is searched for, mm."""
SLICE_NODS = (-15.0, -5.0, 5.0)
"""Turns about the left-right axis that are tried: the way in which heads differ most."""
SLICE_SCALES = (1.05, 1.15)
SLICE_CANDIDATES = 4
"""Number of starts of a slice that are followed at 4 mm too."""


@dataclass(frozen=True, eq=False)
class Alignment:
    """Where a scan lies in template space.

    Attributes
    ----------
    matrix : ndarray, shape (4, 4)
        World mm of the scan -> template mm.
    method : {"estimated", "given", "none", "centred"}
        Centred: there is no template, and the middle of the scan is the origin.
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
        text = path.read_text(encoding="utf-8-sig")
        try:
            content = json.loads(text)
            rows = content["transform"] if isinstance(content, dict) else content
        except json.JSONDecodeError:
            rows = [line.split() for line in text.splitlines() if line.strip()]
        matrix = np.array(rows, dtype=float)
    except (OSError, KeyError, RecursionError, TypeError, ValueError) as error:
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


def align(
    scan: Scan, mask: np.ndarray, template: TemplateImage, slices: SliceRange | None = None
) -> Alignment:
    """Find the affine map from the scan's world to template space.

    Parameters
    ----------
    scan : Scan
        A volume, or one slice.
    mask : ndarray of bool, shape (I, J, K)
        The brain.
    template : TemplateImage
        First channel: template intensities, at `SEARCH_SPACING`.
    slices : SliceRange, optional
        The scan is one of these slices; where across the plane it lies, and how it is tilted, is
        found. The header tells only its orientation, above all which side is left. Without it, a
        slice keeps its position across the plane and is aligned within the plane only.

    Returns
    -------
    Alignment
    """
    fine = _picture(scan, mask)
    first = TemplateImage(template.values[:1], template.origin, template.spacing)
    coarse = first.coarser()
    if slices is not None:
        matrix, similarity = _find_slice(fine, first, coarse, slices)
        return Alignment(_squared(matrix, scan).double().numpy(), "estimated", similarity)
    basis = _in_plane_basis(scan) if scan.is_slice else torch.eye(3)
    turns = itertools.product(SEARCH_ANGLES, repeat=3 if basis.shape[1] == 3 else 1)
    goal = _centre(coarse.positions(), coarse.values[0].flatten())
    starts = _search(_thin(fine, 2_000), coarse, basis, turns, SEARCH_SCALES, goal)[:CANDIDATES]
    found = _refine(_thin(fine, 4_000), coarse, starts, basis, steps=25, rate=0.03)
    best, _ = _refine(_thin(fine, 10_000), first, _best(found, 1), basis, steps=25, rate=0.01)
    best, reached = _refine(_thin(fine, 50_000), first, best, basis, steps=15, rate=0.003)
    return Alignment(best[0].double().numpy(), "estimated", reached.item())


def _find_slice(
    picture: _Picture, template: TemplateImage, coarse: TemplateImage, slices: SliceRange
) -> tuple[Tensor, float]:
    """Map of a slice that may lie anywhere in the range, and the correlation reached."""
    angles: list[tuple[float, ...]] = [SLICE_NODS, (0.0,), (0.0,)]
    angles[slices.number] = SEARCH_ANGLES
    turns = list(itertools.product(*angles))
    basis = torch.eye(3)
    # The best start of each position is followed, since the coarse picture knows it badly.
    starts = [
        _search(picture, coarse, basis, turns, SLICE_SCALES, goal)[:1]
        for goal in _middles(coarse, slices)
    ]
    found = _refine(picture, coarse, torch.cat(starts), basis, steps=25, rate=0.03)
    followed = _best(found, SLICE_CANDIDATES)
    found = _refine(picture, template, followed, basis, steps=40, rate=0.01)
    best, reached = _refine(picture, template, _best(found, 1), basis, steps=40, rate=0.003)
    return best[0], reached.item()


def _best(found: tuple[Tensor, Tensor], count: int) -> Tensor:
    """The matrices (count, 4, 4) that reached most, the best first."""
    matrices, similarities = found
    return matrices[similarities.argsort(descending=True, stable=True)[:count]]


def _middles(template: TemplateImage, slices: SliceRange) -> list[Tensor]:
    """Centres of mass of the template's slices in the range, `SLICE_STEP` apart."""
    positions, weights = template.positions(), template.values[0].flatten()
    low, high = slices.range
    count = math.ceil((high - low) / SLICE_STEP) + 1
    distances = (
        (positions[:, slices.number] - place).abs() / template.spacing
        for place in np.linspace(low, high, count).tolist()
    )
    return [_centre(positions, weights * (1 - away).clamp(min=0)) for away in distances]


def _squared(matrix: Tensor, scan: Scan) -> Tensor:
    """The same map of a slice, but at right angles to it space is kept at right angles.

    What happens off the plane no slice can tell, so that the refinement leaves it anywhere. There
    the scale becomes the mean one of the plane, and left and right stay as they are.
    """
    basis = _in_plane_basis(scan)
    plane = matrix[:3, :3] @ basis
    across = torch.linalg.cross(plane[:, 0], plane[:, 1])
    normal = torch.linalg.cross(basis[:, 0], basis[:, 1])
    linear = plane @ basis.T + torch.outer(across / across.norm().sqrt(), normal)
    origin = torch.from_numpy(scan.affine[:3, 3]).float()
    shift = _apply(matrix, origin[None])[0] - linear @ origin
    return torch.cat([torch.cat([linear, shift[:, None]], 1), matrix[3:]])


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
    width = (bright - dark) or 1.0  # a mask has but one value
    values = np.where(mask[box], np.clip((values - dark) / width, 0, 1) + 0.1, 0.0)
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
    return torch.from_numpy(np.linalg.qr(scan.affine[:3, scan.axes_in_plane])[0]).float()


def _rotations(degrees: Tensor) -> Tensor:
    """Rotations (M, 2, 2) of one angle each (M, 1), or (M, 3, 3) of angles about x, y, z (M, 3)."""
    planes = [(0, 1)] if degrees.shape[1] == 1 else [(1, 2), (2, 0), (0, 1)]
    still = torch.eye(2 if degrees.shape[1] == 1 else 3).repeat(len(degrees), 1, 1)
    rotations = still
    for angles, (a, b) in zip(degrees.deg2rad().unbind(1), planes, strict=True):
        turns = still.clone()
        turns[:, a, a] = turns[:, b, b] = angles.cos()
        turns[:, a, b], turns[:, b, a] = -angles.sin(), angles.sin()
        rotations = turns @ rotations
    return rotations


def _affine(linear: Tensor, shift: Tensor, centre: Tensor, basis: Tensor) -> Tensor:
    """Matrices (M, 4, 4) that apply `linear` about `centre`, then `shift` (mm), within `basis`."""
    full = torch.eye(3) + basis @ (linear - torch.eye(linear.shape[-1])) @ basis.T
    moved = centre + shift @ basis.T - (full @ centre[..., None])[..., 0]
    last = torch.tensor((0.0, 0.0, 0.0, 1.0)).expand(len(full), 1, 4)
    return torch.cat([torch.cat([full, moved[..., None]], -1), last], -2)


def _apply(matrix: Tensor, positions: Tensor) -> Tensor:
    """Positions (..., N, 3) after the map by matrices (..., 4, 4)."""
    return positions @ matrix[..., :3, :3].mT + matrix[..., None, :3, 3]


def _correlations(picture: _Picture, template: TemplateImage, matrices: Tensor) -> Tensor:
    """Normalised correlation of a picture with the template after each of the maps (M, 4, 4)."""
    # One product leads from the picture's millimetres to where the template is looked up.
    where = _apply(template.to_lookup() @ matrices, picture.positions)
    shown = functional.grid_sample(
        template.values[None], where[None, :, :, None], align_corners=True
    )[0, 0, :, :, 0]
    shown, values = shown - shown.mean(-1, keepdim=True), picture.values - picture.values.mean()
    correlations: Tensor = (shown @ values) / (shown.norm(dim=-1) * values.norm() + 1e-6)
    return correlations


def _centre(positions: Tensor, weights: Tensor) -> Tensor:
    """Centre of mass."""
    return weights @ positions / weights.sum()


def _search(
    picture: _Picture,
    template: TemplateImage,
    basis: Tensor,
    turns: Iterable[tuple[float, ...]],
    scales: Iterable[float],
    goal: Tensor,
) -> Tensor:
    """A grid of rotations and sizes, the centre of mass at the goal; (M, 4, 4), the best first."""
    centre = _centre(picture.positions, picture.values)
    shift = basis.T @ (goal - centre)
    rotations = _rotations(torch.tensor(list(turns)))
    linear = torch.cat([scale * rotations for scale in scales])
    matrices = _affine(linear, shift, centre, basis)
    found = [_correlations(picture, template, part) for part in matrices.split(AT_ONCE)]
    return matrices[torch.cat(found).argsort(descending=True, stable=True)]


def _refine(
    picture: _Picture,
    template: TemplateImage,
    starts: Tensor,
    basis: Tensor,
    steps: int,
    rate: float,
) -> tuple[Tensor, Tensor]:
    """Ascend the correlation from each start (M, 4, 4); the best of each, and what it reached (M,).

    `rate` is the first step, 1 = 100 mm or 1 rad.
    """
    centres = _centre(_apply(starts, picture.positions), picture.values)
    still = torch.eye(basis.shape[1])
    linear = torch.zeros(len(starts), *still.shape, requires_grad=True)
    shift = torch.zeros(len(starts), len(still), requires_grad=True)
    optimizer = Adam([linear, shift], betas=(0.8, 0.95))
    best, similarities = starts, torch.full((len(starts),), -1.0)
    for step in range(steps):
        matrices = _affine(still + linear, 100 * shift, centres, basis) @ starts
        found = _correlations(picture, template, matrices)
        better = found.detach() > similarities
        best = torch.where(better[:, None, None], matrices.detach(), best)
        similarities = torch.where(better, found.detach(), similarities)
        optimizer.zero_grad()
        (-found.sum()).backward()
        optimizer.step(rate * (1 - step / steps))
    return best, similarities
