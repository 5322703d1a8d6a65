"""The scan as points: where each brain voxel lies in template space, and what is seen there."""

from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from src_core.io.scan import Scan
from src_core.space.bias import BiasField, find_bias_field
from src_core.space.intensity import IntensityRule, IntensityScale
from src_core.space.regions import unmask
from src_core.space.seen import BLURS, DIFFERENCE_SCALE, DIFFERENCES, SEEN, SURROUNDINGS

_I, _J = np.array([(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]).T
_PIECE = 8192


@dataclass(frozen=True, eq=False)
class Points:
    """Some points of a scan, ready for a network.

    Attributes
    ----------
    positions : Tensor, shape (N, 3)
        Template mm after the alignment, before any warp.
    seen : Tensor, shape (N, SEEN)
        Normalised intensities at `BLURS`, then differences in `SURROUNDINGS`.
    """

    positions: Tensor
    seen: Tensor

    def __len__(self) -> int:
        return len(self.positions)

    def to(self, device: torch.device) -> "Points":
        """The same points on another device."""
        return Points(self.positions.to(device), self.seen.to(device))

    def split(self, size: int) -> list["Points"]:
        """Consecutive pieces of at most `size` points."""
        pieces = zip(self.positions.split(size), self.seen.split(size), strict=True)
        return [Points(positions, seen) for positions, seen in pieces]


@dataclass(frozen=True, eq=False)
class BrainPoints:
    """All brain voxels of a scan.

    Attributes
    ----------
    indices : Tensor, shape (N, 3), int16
        Voxel indices, in the order of ``numpy.nonzero(mask)``.
    to_template : Tensor, shape (4, 4)
        Voxel index -> template mm.
    seen : Tensor, shape (N, SEEN), float16
        What is seen at each voxel; see `Points`.
    scale : IntensityScale
        Of the intensities without their bias field.
    bias : BiasField
    """

    indices: Tensor
    to_template: Tensor
    seen: Tensor
    scale: IntensityScale
    bias: BiasField

    def __len__(self) -> int:
        return len(self.indices)

    def take(self, which: Tensor | slice, columns: int = SEEN) -> Points:
        """The points with the given numbers, shape (n,), or in a slice of them.

        Only the first columns of what is seen there may be asked for, which is quicker.
        """
        return Points(self.positions(which), self.seen[:, :columns][which].float())

    def positions(self, which: Tensor | slice = slice(None)) -> Tensor:
        """Template mm of some points, shape (n, 3), without what is seen there."""
        index = self.indices[which].float()
        return index @ self.to_template[:3, :3].T + self.to_template[:3, 3]

    def restore(
        self, values: np.ndarray, which: Tensor | np.ndarray | slice = slice(None)
    ) -> np.ndarray:
        """Normalised intensities (n,) of some points -> the scan's own, float32."""
        restored: np.ndarray = self.scale.restore(values) * self.bias.at(
            self.indices[which].cpu().numpy()
        )
        return restored

    def to(self, device: torch.device) -> "BrainPoints":
        """The same points on another device."""
        return replace(
            self,
            indices=self.indices.to(device),
            to_template=self.to_template.to(device),
            seen=self.seen.to(device),
        )


@dataclass(frozen=True, eq=False)
class Sight:
    """What is seen at the brain voxels, before their place in template space is known.

    Attributes
    ----------
    indices : ndarray, shape (N, 3), int16
        Voxel indices, in the order of ``numpy.nonzero(mask)``.
    seen : ndarray, shape (N, SEEN), float16
        As in `Points`, but differences are along the axes of the grid, over `steps`.
    steps : ndarray, shape (len(SURROUNDINGS), 3), int
        Voxels along each axis that are as near as can be to the distances of `SURROUNDINGS`.
    scale : IntensityScale
    bias : BiasField
    """

    indices: np.ndarray
    seen: np.ndarray
    steps: np.ndarray
    scale: IntensityScale
    bias: BiasField

    def points(self, to_template: np.ndarray) -> BrainPoints:
        """The points at their place; they take over the array of what is seen.

        Parameters
        ----------
        to_template : ndarray, shape (4, 4)
            Voxel index -> template mm.
        """
        seen = torch.from_numpy(self.seen)
        for index, (_, distance) in enumerate(SURROUNDINGS):
            # Slopes turn with the inverse transpose of the map of positions.
            turn = distance * np.linalg.inv(to_template[:3, :3]) / self.steps[index][:, None]
            turn_pairs = turn[_I][:, _I] * turn[_J][:, _J] + turn[_J][:, _I] * turn[_I][:, _J]
            turn_pairs *= np.where(_I == _J, 0.5, 1.0)
            first = len(BLURS) + DIFFERENCES * index
            for start, end, matrix in (
                (first, first + 3, turn),
                (first + 3, first + DIFFERENCES, turn_pairs),
            ):
                turned = DIFFERENCE_SCALE * torch.from_numpy(matrix).float()
                for rows in seen.split(_PIECE):
                    rows[:, start:end] = rows[:, start:end].float() @ turned
        return BrainPoints(
            torch.from_numpy(self.indices),
            torch.from_numpy(to_template).float(),
            seen,
            self.scale,
            self.bias,
        )


def brain_points(
    scan: Scan, mask: np.ndarray, alignment: np.ndarray, rule: IntensityRule
) -> BrainPoints:
    """See the scan at every brain voxel, from a known place.

    Parameters
    ----------
    scan, mask, rule
        As in `see`.
    alignment : ndarray, shape (4, 4)
        World mm -> template mm.

    Returns
    -------
    BrainPoints
    """
    return see(scan, mask, rule).points(alignment @ scan.affine)


def see(scan: Scan, mask: np.ndarray, rule: IntensityRule) -> Sight:
    """Blurred intensities at every brain voxel, and how its surroundings differ from it.

    A strong bias field is taken out first.
    Differences to neighbours at rising distances in rising blurs are what a derivative-of-Gaussian
    jet measures (Koenderink and van Doorn 1987), but reach further than derivatives do.

    Parameters
    ----------
    scan : Scan
        Across a single slice nothing is blurred and nothing differs.
    mask : ndarray of bool, shape (I, J, K)
        The brain. Voxels outside count as empty.
    rule : IntensityRule
        The model's.

    Returns
    -------
    Sight
    """
    values = scan.voxels[mask]
    indices = _indices(mask)
    bias = find_bias_field(indices, values)
    values = values / bias.at(indices)
    scale = rule.fit(values)
    return see_normalised(scan, mask, scale.normalise(values), scale, bias)


def see_normalised(
    scan: Scan, mask: np.ndarray, values: np.ndarray, scale: IntensityScale, bias: BiasField
) -> Sight:
    """What is seen of a scan at its brain voxels, from normalised intensities.

    Parameters
    ----------
    scan : Scan
        Its grid counts.
    mask : ndarray of bool, shape (I, J, K)
        The brain. Voxels outside count as empty.
    values : ndarray, shape (N,), float32
        Normalised intensities inside the brain.
    scale : IntensityScale
        Leads back from them.
    bias : BiasField
        That they were divided by before.

    Returns
    -------
    Sight
    """
    indices = _indices(mask)
    low, high = indices.min(0), indices.max(0) + 1
    extended = np.array(scan.shape) > 1
    distances = np.array([distance for _, distance in SURROUNDINGS])
    steps = np.maximum(1, np.round(distances[:, None] / scan.voxel_size)).astype(int)
    # Empty voxels around the box, so that each brain voxel has neighbours.
    # In C order, whatever the mask's own is, for the strides below.
    border = [(n, n) for n in np.where(extended, steps.max(0), 0)]
    inside = np.ascontiguousarray(np.pad(mask[tuple(map(slice, low, high))], border))
    picture = unmask(values, inside)
    where = torch.from_numpy(np.flatnonzero(inside))
    strides = np.array(inside.strides) // inside.itemsize
    widths = np.where(extended, 1 / scan.voxel_size, 0)
    blurred = {
        sigma: torch.from_numpy(_blurred(picture, sigma * widths)).flatten()
        for sigma in {*BLURS, *(sigma for sigma, _ in SURROUNDINGS)}
    }
    seen = torch.zeros(len(where), SEEN, dtype=torch.float16)
    # Pieces whose rows stay in the cache while column after column is filled in.
    for rows, numbers in zip(seen.split(_PIECE), where.split(_PIECE), strict=True):
        rows[:, : len(BLURS)] = torch.stack([blurred[sigma][numbers] for sigma in BLURS], 1)
        for index, (sigma, _) in enumerate(SURROUNDINGS):
            first = len(BLURS) + DIFFERENCES * index
            rows[:, first : first + DIFFERENCES] = _differences(
                blurred[sigma], numbers, (steps[index] * strides).tolist(), extended
            )
    return Sight(indices, seen.numpy(), steps, scale, bias)


def _indices(mask: np.ndarray) -> np.ndarray:
    """Voxel indices (N, 3), int16, of the brain."""
    return np.stack([axis.astype(np.int16) for axis in np.nonzero(mask)], axis=1)


def _blurred(picture: np.ndarray, widths: np.ndarray) -> np.ndarray:
    if not widths.any():
        return picture
    blurred: np.ndarray = ndimage.gaussian_filter(picture, widths, mode="constant", truncate=3.0)
    return blurred


def _differences(
    picture: Tensor, numbers: Tensor, moves: list[int], extended: np.ndarray
) -> Tensor:
    """Differences (n, DIFFERENCES) in a flat picture between places and those some moves away."""
    zero = torch.zeros(len(numbers))
    slopes, seconds = [zero] * 3, [zero] * len(_I)
    twice = 2 * picture[numbers]
    for index, (i, j) in enumerate(zip(_I, _J, strict=True)):
        if not (extended[i] and extended[j]):
            continue
        if i == j:
            ahead, behind = picture[numbers + moves[i]], picture[numbers - moves[i]]
            slopes[i], seconds[index] = ahead - behind, ahead + behind - twice
        else:
            both, other = moves[i] + moves[j], moves[i] - moves[j]
            along = picture[numbers + both] + picture[numbers - both]
            seconds[index] = (along - picture[numbers + other] - picture[numbers - other]) / 2
    return torch.stack(slopes + seconds, 1)
