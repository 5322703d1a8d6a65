"""A structure that the model lacks, told from all else by a small network.

It reads where a point lies, what the fit takes it for, the intensities around, and which way these
rise: of two banks of a sulcus, one may be part of it. Of a fit without classes it reads all that is
seen around. Its examples are what was painted as the structure, what was painted as another, points
that are too far away to be part of it, and what was left out in planes in which its section was
painted. Points near by in other planes say nothing: the structure goes on there, as far as its
sections are large.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from src_core.fitting.adam import Adam
from src_core.space.seen import BLURS, DIFFERENCES, SEEN

if TYPE_CHECKING:
    from collections.abc import Generator

    from src_core.space.points import BrainPoints, Points

_POSITION_SCALE = 15.0
"""mm that are one unit of a position, as the network reads it, at least."""
_LEAST_SCORE = -8.0
_SLOPES = [len(BLURS) + DIFFERENCES * wide + axis for wide in (2, 3) for axis in range(3)]
"""Where the slopes of the widest surroundings are among what is seen."""
_SLOPE_SCALE = (0.35, 800)
"""What slopes are multiplied by, as the network reads them, at most, and voxels painted at which it
is half of that: a few dots lie beside too few borders to tell anything of them."""
_UNITS = 32
_STEPS = 150
_RATE = 1e-2
_SHARE = 0.1
"""Weight of all that was painted as the structure, against all else."""
_NEAR = (6.0, 20.0)
"""mm around what was painted where nothing is known, at least and at most; twice as far off nothing
is part of it."""
_NEAR_PER_PATCH = 0.9
"""How much farther a structure may go on whose patches lie farther from their middle."""
_NEAR_PER_SPREAD = 0.7
"""The same for the spread of all that was painted, where the fit does not tell where it ends."""
_BESIDE = 14.0
"""mm around what was painted of which what was left out in its plane is looked at."""
_SOLID = (20, 0.05)
"""Voxels amid others in a plane at which it is as likely that its section was painted as that these
are a few dots: at least so many, and such a share of those in the plane with most."""
_CROSSINGS = 4
_TOGETHER = 4.0
"""Width of cells, mm: what was painted in one or in two that touch is of one patch."""
_MOST_FAR = 3000
_MOST_BESIDE = 2000
_CANDIDATES = 2**14
_MOST_COMPARED = 512


@dataclass(frozen=True, eq=False)
class AddedStructure:
    """A network that tells one structure.

    Attributes
    ----------
    centre : Tensor, shape (3,)
        Template mm.
    scale : float
        mm that are one unit of a position.
    slope_scale : float
        What slopes of intensities are multiplied by.
    layers : tuple of (Tensor, Tensor)
        Weights (units, inputs) and biases (units,) of each.
    """

    centre: Tensor
    scale: float
    slope_scale: float
    layers: tuple[tuple[Tensor, Tensor], ...]

    def log_odds(self, points: Points, own: Tensor) -> Tensor:
        """Log odds (N,) that points are part of it, given the fit's own scores (N, classes)."""
        return self.of_inputs(self.inputs(points, own))

    def inputs(self, points: Points, own: Tensor) -> Tensor:
        """What its network reads at some points, shape (N, inputs)."""
        positions = (points.positions - self.centre) / self.scale
        intensities, around = points.seen.tensor_split((len(BLURS),), 1)
        told = around / 2
        if _tells(own.shape[1]):
            slopes = self.slope_scale * points.seen[:, _SLOPES]
            told = torch.cat([log_softmax(own, 1).clamp(min=_LEAST_SCORE) / 4, slopes], 1)
        return torch.cat([positions, told, 2 * intensities], 1)

    def of_inputs(self, inputs: Tensor) -> Tensor:
        """Log odds (N,) for what the network reads."""
        *hidden, (weight, bias) = self.layers
        for weights, biases in hidden:
            inputs = torch.tanh(inputs @ weights.T + biases)
        odds: Tensor = (inputs @ weight.T + bias)[:, 0]
        return odds

    @classmethod
    def unlearned(
        cls, positions: Tensor, spread: float, classes: int, generator: torch.Generator
    ) -> AddedStructure:
        """One around positions (N, 3) of some spread, for a fit with some number of classes."""
        sizes = (_inputs(classes), _UNITS, _UNITS, 1)
        layers = []
        for inputs, units in pairwise(sizes):
            weight = torch.randn(units, inputs, generator=generator) / math.sqrt(inputs)
            layers.append((weight.to(positions.device), positions.new_zeros(units)))
        most, half = _SLOPE_SCALE
        slope_scale = most * len(positions) ** 2 / (len(positions) ** 2 + half**2)
        scale = max(_POSITION_SCALE, spread)
        return cls(positions.mean(0), scale, slope_scale, tuple(layers))

    @classmethod
    def nowhere(cls, classes: int, device: torch.device) -> AddedStructure:
        """One that was not painted, for a fit with some number of classes."""
        weight = torch.zeros(1, _inputs(classes), device=device)
        bias = torch.full((1,), -math.inf, device=device)
        return cls(torch.zeros(3, device=device), _POSITION_SCALE, 0.0, ((weight, bias),))

    def learn(self, inputs: Tensor, part: Tensor, weights: Tensor) -> Generator[None, None, None]:
        """Steps that learn from examples (N, inputs) which are part of it (N,), weighted (N,)."""
        learned = [one for layer in self.layers for one in layer]
        adam = Adam([one.requires_grad_() for one in learned])
        for _ in range(_STEPS):
            with torch.enable_grad():
                loss = binary_cross_entropy_with_logits(self.of_inputs(inputs), part, weights)
                adam.zero_grad()
                loss.backward()
            adam.step(_RATE)
            yield
        for one in learned:
            one.requires_grad_(False).grad = None


def _tells(classes: int) -> bool:
    """Whether a fit with some number of classes takes points for something."""
    return classes > 1


def _inputs(classes: int) -> int:
    """Numbers that the network reads per point, for a fit with some number of classes."""
    return 3 + (classes + len(_SLOPES) + len(BLURS) if _tells(classes) else SEEN)


def spread_of(positions: Tensor, classes: int) -> float:
    """How far what was painted at positions (N, 3) lies from its middle along an axis, mm.

    Root mean square; 0 for a fit with classes, which tell better where a structure may go on.
    """
    return 0.0 if _tells(classes) else float((positions - positions.mean(0)).square().mean().sqrt())


def unknown_around(points: BrainPoints, painted: Tensor, classes: int) -> float:
    """How far around what was painted, numbers (k,) of points, nothing is known, mm.

    Of a fit with some number of classes.
    """
    if _tells(classes):
        near = _NEAR_PER_PATCH * _patch_size(points, painted)
    else:
        near = _NEAR_PER_SPREAD * spread_of(points.positions(painted), classes)
    return min(max(_NEAR[0], near), _NEAR[1])


def _patch_size(points: BrainPoints, painted: Tensor) -> float:
    """How far painted points lie from the middle of their patch, root mean square, mm."""
    positions = points.positions(painted).cpu()
    cells = tuple(((positions - positions.amin(0)) / _TOGETHER).long().T.numpy())
    volume = np.zeros([1 + axis.max() for axis in cells], bool)
    volume[cells] = True
    patches, _ = ndimage.label(volume, np.ones((3, 3, 3)))
    patch = torch.from_numpy(patches[cells]).long() - 1
    middles = torch.zeros(int(patch.max()) + 1, 3).index_add_(0, patch, positions)
    middles /= patch.bincount()[:, None]
    return float((positions - middles[patch]).square().sum(1).mean().sqrt())


def example_weights(part: Tensor, weights: Tensor) -> Tensor:
    """Weights of the examples, balanced between those that are part of a structure and not."""
    others = (part == 0).sum().clamp(min=1)  # all that there is may have been painted
    balanced = torch.where(part > 0, _SHARE * others / part.sum(), weights)
    return balanced / balanced.mean()


def not_part_of(
    points: BrainPoints, painted: Tensor, near: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Numbers (n,) of points that are no part of what was painted, and how sure that is (n,).

    Parameters
    ----------
    points : BrainPoints
    painted : Tensor of int, shape (k,)
        Numbers of the points that were painted as the structure.
    near : float
        mm around these where nothing is known; twice as far off nothing is part of it.
    generator : torch.Generator
    """
    some = painted[torch.randperm(len(painted), generator=generator)[:_MOST_COMPARED]]
    compared = points.positions(some.to(points.indices.device))
    drawn = torch.randint(len(points), (_CANDIDATES,), generator=generator)
    sure = ((_away(points, drawn, compared) - near) / near).clamp(0, 1)
    far = sure.nonzero()[:_MOST_FAR, 0]
    left_out = _left_out(points, painted)
    beside = left_out.nonzero()[:, 0]
    beside = beside[torch.randperm(len(beside), generator=generator)[:_CANDIDATES]]
    beside = beside[_away(points, beside, compared) < _BESIDE][:_MOST_BESIDE]
    return torch.cat([drawn[far], beside]), torch.cat([sure[far], left_out[beside]])


def _away(points: BrainPoints, numbers: Tensor, compared: Tensor) -> Tensor:
    """Distances (n,) of points to the nearest of some positions, mm."""
    pieces = numbers.to(points.indices.device).split(2048)
    found = [torch.cdist(points.positions(piece), compared).amin(1) for piece in pieces]
    return torch.cat(found).cpu() if found else torch.zeros(0)


def _left_out(points: BrainPoints, painted: Tensor) -> Tensor:
    """How sure it is that points (N,) were left out on purpose, in planes that were painted."""
    indices = points.indices.cpu()
    voxels = indices[painted].long().numpy()
    volume = np.zeros(voxels.max(0) + 2, bool)
    volume[tuple(voxels.T)] = True
    # Amid others along an axis: both neighbours were painted too. The last plane is empty.
    amid = [np.roll(volume, 1, axis) & np.roll(volume, -1, axis) & volume for axis in range(3)]
    across = [tuple(other for other in range(3) if other != axis) for axis in range(3)]
    solids = [(amid[first] & amid[second]).sum((first, second)) for first, second in across]
    doubtful = max(_SOLID[0], _SOLID[1] * max(solid.max() for solid in solids))
    sure = torch.zeros(len(points))
    for axis, solid in enumerate(solids):
        # Where planes of other directions cross it is not painted.
        for plane in np.flatnonzero(solid > _CROSSINGS):
            within = indices[:, axis] == int(plane)
            sure[within] = sure[within].clamp(min=solid[plane] / (solid[plane] + doubtful))
    sure[painted] = 0
    return sure
