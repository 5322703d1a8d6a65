"""A structure that the model lacks, told from all else by a small network.

It reads where a point lies, what the fit takes it for, and the intensities around; of a fit without
classes, how these differ around. Its examples are what was painted as the structure, what was
painted as another, points that are too far away to be part of it, and what was left out in planes
in which its section was painted. Points near by in other planes say nothing: the structure goes on
there.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, log_softmax

from src_core.fitting.adam import Adam
from src_core.space.seen import BLURS, SEEN

if TYPE_CHECKING:
    from collections.abc import Generator

    from src_core.space.points import BrainPoints, Points

_POSITION_SCALE = 15.0
"""mm that are one unit of a position, as the network reads it, at least."""
_LEAST_SCORE = -8.0
_UNITS = 32
_STEPS = 150
_RATE = 1e-2
_SHARE = 0.1
"""Weight of all that was painted as the structure, against all else."""
_NEAR = (6.0, 20.0)
"""mm around what was painted where nothing is known, at least and at most; twice as far off nothing
is part of it."""
_NEAR_PER_SPREAD = 0.7
"""How much farther a large structure may go on, where the fit does not tell where it ends."""
_BESIDE = 14.0
"""mm around what was painted of which what was left out in its plane is looked at."""
_SOLID = (20, 0.05)
"""Voxels amid others in a plane at which it is as likely that its section was painted as that these
are a few dots: at least so many, and such a share of those in the plane with most."""
_CROSSINGS = 4
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
    layers : tuple of (Tensor, Tensor)
        Weights (units, inputs) and biases (units,) of each.
    """

    centre: Tensor
    scale: float
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
            told = log_softmax(own, 1).clamp(min=_LEAST_SCORE) / 4
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
        return cls(positions.mean(0), max(_POSITION_SCALE, spread), tuple(layers))

    @classmethod
    def nowhere(cls, classes: int, device: torch.device) -> AddedStructure:
        """One that was not painted, for a fit with some number of classes."""
        weight = torch.zeros(1, _inputs(classes), device=device)
        bias = torch.full((1,), -math.inf, device=device)
        return cls(torch.zeros(3, device=device), _POSITION_SCALE, ((weight, bias),))

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
    return 3 + (classes + len(BLURS) if _tells(classes) else SEEN)


def spread_of(positions: Tensor, classes: int) -> float:
    """How far what was painted at positions (N, 3) lies from its middle along an axis, mm.

    Root mean square; 0 for a fit with classes, which tell better where a structure may go on.
    """
    return 0.0 if _tells(classes) else float((positions - positions.mean(0)).square().mean().sqrt())


def example_weights(part: Tensor, weights: Tensor) -> Tensor:
    """Weights of the examples, balanced between those that are part of a structure and not."""
    others = (part == 0).sum().clamp(min=1)  # all that there is may have been painted
    balanced = torch.where(part > 0, _SHARE * others / part.sum(), weights)
    return balanced / balanced.mean()


def not_part_of(
    points: BrainPoints, painted: Tensor, spread: float, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Numbers (n,) of points that are no part of what was painted, and how sure that is (n,).

    Parameters
    ----------
    points : BrainPoints
    painted : Tensor of int, shape (k,)
        Numbers of the points that were painted as the structure.
    spread : float
        Of these, mm.
    generator : torch.Generator
    """
    some = painted[torch.randperm(len(painted), generator=generator)[:_MOST_COMPARED]]
    compared = points.positions(some.to(points.indices.device))
    drawn = torch.randint(len(points), (_CANDIDATES,), generator=generator)
    near = min(max(_NEAR[0], _NEAR_PER_SPREAD * spread), _NEAR[1])
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
