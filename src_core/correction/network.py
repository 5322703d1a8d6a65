"""A fitted network with a head that has learned strokes."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from typing_extensions import override

from src_core.networks.base import NO_STAND_INS, CoordinateNetwork, FitError, StandIns
from src_core.networks.head import Head, merged_scores

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src_core.correction.added import AddedStructure
    from src_core.space.points import Points

_MOST_KNOWN = 2**16
_LEAST = 1e-3
_SHIFT = 1.5
"""How far a border moves: as if a class were so much likelier there, as a logarithm."""


@dataclass(frozen=True, eq=False)
class Change:
    """What strokes have moved and added to the last layer of a head, and where.

    Attributes
    ----------
    classes : Tensor of int, shape (k,)
        Those whose scores change, as labels are told, rising.
    parts : Tensor, shape (k, known)
        1 where a class of the fit is part of each of them, else 0.
    weight : Tensor, shape (k, width)
    bias : Tensor, shape (k,)
    moved : Tensor, shape (k, k)
        From 0 to 1: how far the border moves between a class (row) and the one (column) that
        strokes gave voxels of it to. It does so four times as far around.
    centres : Tensor, shape (c, 3)
        Template mm before any warp.
    reaches : Tensor, shape (c,)
        Widths in mm of the Gaussians around the centres; the largest at a point counts.
    """

    classes: Tensor
    parts: Tensor
    weight: Tensor
    bias: Tensor
    moved: Tensor
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

    def shifted(self, scores: Tensor, shares: Tensor) -> Tensor:
        """Scores (N, known) with borders moved.

        A class gains as much as the points would belong to those that it was painted over, if it
        were not there: so its borders with all others stay.
        """
        likely = scores.softmax(1) @ self.parts.T
        others = (likely @ self.moved) / (1 - likely).clamp(min=_LEAST)
        gained = _SHIFT * four_times_as_far(shares)[:, None] * others.clamp(max=1)
        return scores + gained @ self.parts

    def added_to(self, scores: Tensor, hidden: Tensor, shares: Tensor) -> Tensor:
        """Scores (N, known) with what the last layer has learned, from hidden units (N, width)."""
        added = shares[:, None] * (hidden @ self.weight.T + self.bias)
        return scores + added @ self.parts


def four_times_as_far(shares: Tensor) -> Tensor:
    """Shares (N,) of a change that reaches four times as far as one with these shares."""
    return shares.pow(1 / 16)


class Known:
    """Hidden units of points that were looked at, kept for later strokes on the same fit.

    Parameters
    ----------
    width : int
    """

    def __init__(self, width: int):
        self.numbers = torch.zeros(0, dtype=torch.long)
        self.classes = torch.zeros(0, dtype=torch.long)
        self.hidden = torch.zeros(0, width, dtype=torch.float16)

    def add(self, numbers: Tensor, classes: Tensor, hidden: Tensor) -> None:
        """Keep those of some more points, and their classes; the oldest of too many are dropped."""
        self.numbers = torch.cat([self.numbers, numbers.cpu()])[-_MOST_KNOWN:]
        self.classes = torch.cat([self.classes, classes.cpu()])[-_MOST_KNOWN:]
        self.hidden = torch.cat([self.hidden, hidden.half().cpu()])[-_MOST_KNOWN:]


class CorrectedNetwork(CoordinateNetwork):
    """A copy of a fitted network whose head gives other scores near the strokes it has learned.

    Parameters
    ----------
    fitted : CoordinateNetwork

    Attributes
    ----------
    width : int
        Units that the last layer of its head reads.
    known : int
        Classes that the fit was made with, not merged.
    change : Change or None
        None: nothing was learned of the fit's own classes.
    added : tuple of AddedStructure
        Classes after its own.
    seen, anywhere : Known
        Points near the strokes, and of the whole brain; shared by all networks of the fit.
    """

    def __init__(self, fitted: CoordinateNetwork):
        super().__init__()
        self.settings = fitted.settings
        self.fitted = deepcopy(fitted).requires_grad_(False)
        *body, last = self.fitted.head.layers
        assert isinstance(last, nn.Linear)
        self.width, self.known = last.in_features, last.out_features
        # The copy reads the hidden units alone; what remains of its head is this one's.
        self.fitted.head.layers = nn.Sequential(*body)
        self.fitted.head.sums = None
        self.head = Head(self.width, (), self.known)
        self.head.layers = nn.Sequential(last)
        self.head.sums = fitted.head.sums
        self.change: Change | None = None
        self.added: tuple[AddedStructure, ...] = ()
        self.seen, self.anywhere = Known(self.width), Known(self.width)

    def changed(self, change: Change | None, added: tuple[AddedStructure, ...]) -> CorrectedNetwork:
        """The same fit with another change and other structures; they share their weights."""
        network = self.told(self.head.sums)
        network.change, network.added = change, added
        return network

    def told(self, sums: Tensor | None) -> CorrectedNetwork:
        """The same, with its classes merged otherwise, see `merged_scores`; weights are shared."""
        network = CorrectedNetwork.__new__(CorrectedNetwork)
        nn.Module.__init__(network)
        network.settings, network.fitted = self.settings, self.fitted
        network.seen, network.anywhere = self.seen, self.anywhere
        network.width, network.known = self.width, self.known
        network.change, network.added = self.change, self.added
        network.head = Head(self.width, (), self.known)
        network.head.layers = self.head.layers
        network.head.sums = sums
        return network

    def hidden(self, points: Points) -> Tensor:
        """What the last layer reads at some points, shape (N, width)."""
        return self.fitted.logits(points)

    def own_scores(self, hidden: Tensor) -> Tensor:
        """Scores of the fit alone, not merged, shape (N, known), from hidden units (N, width)."""
        scores: Tensor = self.head.layers(hidden)
        return scores

    def scores(self, hidden: Tensor, points: Points) -> Tensor:
        """Scores of all that is known of points, not merged, shape (N, known + added)."""
        own = scores = self.own_scores(hidden)
        if self.change is not None:
            shares = self.change.shares(points.positions)
            scores = self.change.added_to(self.change.shifted(own, shares), hidden, shares)
        others = scores.logsumexp(1)
        odds = [structure.log_odds(points, own) for structure in self.added]
        return torch.cat([scores, *((others + one)[:, None] for one in odds)], 1)

    @override
    def read_logits(
        self, activations: tuple[Tensor, ...], warped: Tensor, points: Points
    ) -> Tensor:
        scores = self.scores(self.fitted.read_logits(activations, warped, points), points)
        sums = self.head.sums
        return scores if sums is None else merged_scores(scores[:, : len(sums)], sums)

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
