"""A fitted network with a head that has learned strokes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from typing_extensions import override

from src_core.networks.base import NO_STAND_INS, CoordinateNetwork, FitError, StandIns
from src_core.networks.head import Head

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src_core.space.points import Points

_ADDED_SCORE = 4.0
"""By how much the score of an added class lies below all others taken together, unlearned."""


@dataclass(frozen=True, eq=False)
class Change:
    """What strokes have added to the last layer of a head, and where.

    Attributes
    ----------
    weight : Tensor, shape (classes, width)
    bias : Tensor, shape (classes,)
    centres : Tensor, shape (c, 3)
        Template mm before any warp.
    reaches : Tensor, shape (c,)
        Widths in mm of the Gaussians around the centres; the largest at a point counts.
    """

    weight: Tensor
    bias: Tensor
    centres: Tensor
    reaches: Tensor

    def shares(self, positions: Tensor) -> Tensor:
        """How much of the change counts at positions (N, 3): (N,), from 0 to 1."""
        shares = torch.zeros(len(positions), device=positions.device)
        for reach in self.reaches.unique():
            distances = torch.cdist(positions, self.centres[self.reaches == reach])
            nearest = torch.exp(-0.5 * (distances.amin(1) / reach).square())
            shares = torch.maximum(shares, nearest)
        return shares

    def scores(self, hidden: Tensor, positions: Tensor) -> Tensor:
        """What is added to the scores, shape (N, classes), of hidden units (N, width)."""
        return self.shares(positions)[:, None] * (hidden @ self.weight.T + self.bias)


class CorrectedNetwork(CoordinateNetwork):
    """A copy of a fitted network whose head gives other scores near the strokes it has learned.

    Parameters
    ----------
    fitted : CoordinateNetwork
        Strokes are in the protocol that it tells its labels in.

    Attributes
    ----------
    width : int
        Units that the last layer of its head reads.
    known : int
        Classes that the fitted network tells.
    """

    def __init__(self, fitted: CoordinateNetwork):
        super().__init__()
        self.settings = fitted.settings
        self.fitted = deepcopy(fitted).requires_grad_(False)
        *body, last = self.fitted.head.layers
        assert isinstance(last, nn.Linear)
        sums = self.fitted.head.sums
        # The copy reads the hidden units alone; what remains of its head is this one's.
        self.fitted.head.layers = nn.Sequential(*body)
        self.fitted.head.sums = None
        self.width = last.in_features
        self.head = Head(last.in_features, (), last.out_features)
        self.head.layers = nn.Sequential(last)
        self.head.sums = sums
        self.known = last.out_features if sums is None else sums.shape[1]
        self.change: Change | None = None

    def changed(self, change: Change) -> CorrectedNetwork:
        """The same fit with another change; they share their weights."""
        network = CorrectedNetwork.__new__(CorrectedNetwork)
        nn.Module.__init__(network)
        network.settings, network.fitted, network.head = self.settings, self.fitted, self.head
        network.width, network.known, network.change = self.width, self.known, change
        return network

    def hidden(self, points: Points) -> Tensor:
        """What the last layer reads at some points, shape (N, width)."""
        return self.fitted.logits(points)

    def own_scores(self, hidden: Tensor, classes: int) -> Tensor:
        """Scores of the fit alone, shape (N, classes), from hidden units (N, width)."""
        scores: Tensor = self.head(hidden)
        added = classes - scores.shape[1]
        low = scores.logsumexp(1, keepdim=True) - _ADDED_SCORE
        return torch.cat([scores, low.expand(-1, added)], 1)

    @override
    def read_logits(
        self, activations: tuple[Tensor, ...], warped: Tensor, points: Points
    ) -> Tensor:
        hidden = self.fitted.read_logits(activations, warped, points)
        if self.change is None:
            return self.own_scores(hidden, self.known)
        scores = self.own_scores(hidden, len(self.change.bias))
        return scores + self.change.scores(hidden, points.positions)

    @override
    def fitted_parameters(self) -> list[nn.Parameter]:
        return self.fitted.fitted_parameters()

    @override
    def rates(self, iteration: int) -> Sequence[float | Tensor]:
        return self.fitted.rates(iteration)

    @override
    def error(self, points: Points, iteration: int, stand_ins: StandIns = NO_STAND_INS) -> FitError:
        return self.fitted.error(points, iteration, stand_ins)

    @override
    def template_intensity(self, positions: Tensor) -> Tensor:
        return self.fitted.template_intensity(positions)

    @override
    def activations(self, positions: Tensor) -> tuple[Tensor, ...]:
        return self.fitted.activations(positions)

    @override
    def read_intensity(self, activations: tuple[Tensor, ...], points: Points) -> Tensor:
        return self.fitted.read_intensity(activations, points)

    @override
    def warp(self, positions: Tensor) -> Tensor:
        return self.fitted.warp(positions)

    @override
    def bias_factors(self, positions: Tensor) -> Tensor:
        return self.fitted.bias_factors(positions)
