"""The scan as points: where each brain voxel lies in template space, and what is seen there."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from itertools import product
from typing import TypeVar

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor

from src_core.io.scan import Scan
from src_core.space.bias import BiasField, find_bias_field
from src_core.space.intensity import IntensityRule, IntensityScale
from src_core.space.regions import extent, unmask
from src_core.space.seen import BLURS, DIFFERENCE_SCALE, SEEN, SURROUNDINGS

_I, _J = np.array([(0, 0), (1, 1), (2, 2), (0, 1), (0, 2), (1, 2)]).T
_NEIGHBOURS = np.array([move for move in product((-1, 0, 1), repeat=3) if 0 in move])
"""The voxel itself and those beside it along one axis or two: (19, 3)."""
_PIECE = 4096

Done = TypeVar("Done")
Map = Callable[[Callable[[int], Done], Iterable[int]], Iterable[Done]]
"""What does each of some pieces: `map`, or that of a pool of threads."""


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
        return Points(self.positions(which), _rows(self.seen[:, :columns], which).float())

    def positions(self, which: Tensor | slice = slice(None)) -> Tensor:
        """Template mm of some points, shape (n, 3), without what is seen there."""
        index = _rows(self.indices, which).float()
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
    """What is seen of a scan before its place in template space is known.

    Attributes
    ----------
    indices : ndarray, shape (N, 3), int16
        Voxel indices of the brain, in the order of ``numpy.nonzero(mask)``.
    blurred : dict of Tensor, shape (V,), float32
        By blur in mm: normalised intensities of the brain and of what is around it, flat.
    numbers : Tensor, shape (N,), int32
        Where the brain's voxels are in these.
    moves : ndarray, shape (len(SURROUNDINGS), 3), int
        How far apart two neighbours along each axis are there, in each surrounding; 0 across a
        single slice.
    steps : ndarray, shape (len(SURROUNDINGS), 3), int
        The same in voxels, as near as can be to the distances of `SURROUNDINGS`.
    scale : IntensityScale
    bias : BiasField
    """

    indices: np.ndarray
    blurred: dict[float, Tensor]
    numbers: Tensor
    moves: np.ndarray
    steps: np.ndarray
    scale: IntensityScale
    bias: BiasField

    def points(self, to_template: np.ndarray, each: Map[None] = map) -> BrainPoints:
        """The points at their place.

        Parameters
        ----------
        to_template : ndarray, shape (4, 4)
            Voxel index -> template mm.
        each : callable
            As `map`, by whom the pieces are done.
        """
        # All that is seen is a weighted sum of the voxel and its neighbours in the blurred scan.
        looks = [(sigma, torch.zeros(1, dtype=torch.int32)) for sigma in BLURS]
        weights = [torch.eye(len(BLURS))]
        for (sigma, distance), moves, steps in zip(
            SURROUNDINGS, self.moves, self.steps, strict=True
        ):
            looks.append((sigma, torch.from_numpy(_NEIGHBOURS @ moves).int()))
            turn = distance * np.linalg.inv(to_template[:3, :3]) / steps[:, None]
            weights.append(torch.from_numpy(_differences(turn, moves != 0)).float())
        all_weights = torch.block_diag(*weights)
        seen = torch.empty(len(self.numbers), SEEN, dtype=torch.float16)

        def fill(start: int) -> None:
            numbers = self.numbers[start : start + _PIECE]
            found = [
                self.blurred[sigma].index_select(0, (offsets[:, None] + numbers).flatten())
                for sigma, offsets in looks
            ]
            neighbours = torch.cat(found).view(len(all_weights), len(numbers))
            seen[start : start + _PIECE] = neighbours.T @ all_weights

        list(each(fill, range(0, len(seen), _PIECE)))
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
    low, high = extent(indices)
    extended = np.array(scan.shape) > 1
    distances = np.array([distance for _, distance in SURROUNDINGS])
    steps = np.maximum(1, np.round(distances[:, None] / scan.voxel_size)).astype(int)
    # Empty voxels around the box, so that each brain voxel has neighbours.
    # In C order, whatever the mask's own is, for the strides below.
    border = [(n, n) for n in np.where(extended, steps.max(0), 0)]
    inside = np.ascontiguousarray(np.pad(mask[tuple(map(slice, low, high + 1))], border))
    picture = unmask(values, inside)
    moves = np.where(extended, steps * np.array(inside.strides) // inside.itemsize, 0)
    widths = np.where(extended, 1 / scan.voxel_size, 0)
    blurred = {
        sigma: torch.from_numpy(_blurred(picture, sigma * widths)).flatten()
        for sigma in {*BLURS, *(sigma for sigma, _ in SURROUNDINGS)}
    }
    # Half as wide as numpy's numbers: looking up is twice as quick.
    numbers = torch.from_numpy(np.flatnonzero(inside).astype(np.int32))
    return Sight(indices, blurred, numbers, moves, steps, scale, bias)


def _rows(values: Tensor, which: Tensor | slice) -> Tensor:
    """Some rows of a table; three times as quick as to index it with a tensor."""
    return values[which] if isinstance(which, slice) else values.index_select(0, which)


def _indices(mask: np.ndarray) -> np.ndarray:
    """Voxel indices (N, 3), int16, of the brain."""
    return np.stack([axis.astype(np.int16) for axis in np.nonzero(mask)], axis=1)


def _blurred(picture: np.ndarray, widths: np.ndarray) -> np.ndarray:
    if not widths.any():
        return picture
    blurred: np.ndarray = ndimage.gaussian_filter(picture, widths, mode="constant", truncate=3.0)
    return blurred


def _differences(turn: np.ndarray, extended: np.ndarray) -> np.ndarray:
    """Weights of a voxel and its neighbours, (len(_NEIGHBOURS), DIFFERENCES), in its surroundings.

    Slopes along the axes of the grid turn by `turn`, shape (3, 3), to those along the template's.
    Along an axis that is not `extended`, shape (3,), nothing differs.
    """
    straight = np.abs(_NEIGHBOURS).sum(1, keepdims=True) == 1
    slopes = _NEIGHBOURS * straight * extended
    pairs = _NEIGHBOURS[:, _I] * _NEIGHBOURS[:, _J]
    here = (_NEIGHBOURS == 0).all(1, keepdims=True)
    seconds = np.where(_I == _J, pairs * straight - 2 * here, pairs / 2)
    seconds *= extended[_I] * extended[_J]
    turn_pairs = turn[_I][:, _I] * turn[_J][:, _J] + turn[_J][:, _I] * turn[_I][:, _J]
    turn_pairs *= np.where(_I == _J, 0.5, 1.0)
    return DIFFERENCE_SCALE * np.concatenate([slopes @ turn, seconds @ turn_pairs], 1)
