"""Have a network learn what was painted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from src_core.correction.network import Change, CorrectedNetwork
from src_core.fitting.adam import Adam

if TYPE_CHECKING:
    from collections.abc import Generator

    from src_core.space.points import BrainPoints

_STEPS = 60
_RATE = 3e-3
_STAY = 10.0
"""Weight of what was there before, against what was painted."""
_MOST = 4096
"""Painted points, and points near, that a step looks at."""
_MOST_CENTRES = 192
_NEAR = 0.05
"""Least share of the change at points that are near."""
_PIECE = 2048


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a network is to learn.

    Attributes
    ----------
    numbers : Tensor of int, shape (n,)
        Numbers of the brain points that were painted.
    classes : Tensor of int, shape (n,)
        What they are.
    reaches : Tensor, shape (n,)
        How far each reaches, mm; see `REACH`.
    count : int
        Number of classes, with background and those that were added.
    """

    numbers: Tensor
    classes: Tensor
    reaches: Tensor
    count: int


def learn(
    network: CorrectedNetwork, points: BrainPoints, lesson: Lesson, seed: int = 0
) -> Generator[None, None, CorrectedNetwork]:
    """Steps that learn all that was painted, and the network that has learned it.

    The change of the head's last layer makes the cross-entropy of what was painted small, and the
    divergence from the probabilities before at random points near it.

    Parameters
    ----------
    network : CorrectedNetwork
        As it was before; stays as it is.
    points : BrainPoints
        On the network's device.
    lesson : Lesson
        All that was painted so far.
    seed : int
    """
    if not len(lesson.numbers):
        return network
    start = _first_change(network, points, lesson)
    generator = torch.Generator().manual_seed(seed)
    painted = torch.randperm(len(lesson.numbers), generator=generator)[:_MOST]
    near = _near(start, points, lesson, generator)
    numbers = torch.cat([lesson.numbers[painted], near]).to(points.indices.device)
    hidden, shares = [], []
    with torch.no_grad():
        for piece in numbers.split(_PIECE):
            at = points.take(piece)
            hidden.append(network.hidden(at))
            shares.append(start.shares(at.positions))
            yield
    read, share = torch.cat(hidden), torch.cat(shares)[:, None]
    own = network.own_scores(read, lesson.count)
    wanted = lesson.classes[painted].to(read.device)
    before = _before(network, points, numbers[len(painted) :], read[len(painted) :])
    weight, bias = (tensor.clone().requires_grad_() for tensor in (start.weight, start.bias))
    adam = Adam([weight, bias])
    for _ in range(_STEPS):
        with torch.enable_grad():
            scores = own + share * (read @ weight.T + bias)
            loss = cross_entropy(scores[: len(painted)], wanted)
            if len(near):
                # Of an added class nothing is known where it was not painted.
                now = log_softmax(scores[len(painted) :, : before.shape[1]], 1)
                stay = kl_div(now, before, reduction="batchmean", log_target=True)
                loss = loss + _STAY * stay
            adam.zero_grad()
            loss.backward()
        adam.step(_RATE)
        yield
    return network.changed(Change(weight.detach(), bias.detach(), start.centres, start.reaches))


def _first_change(network: CorrectedNetwork, points: BrainPoints, lesson: Lesson) -> Change:
    """The change before, around all that was painted."""
    device = points.indices.device
    weight = torch.zeros(lesson.count, network.width, device=device)
    bias = torch.zeros(lesson.count, device=device)
    if network.change is not None:
        known = len(network.change.bias)
        weight[:known], bias[:known] = network.change.weight, network.change.bias
    positions = points.positions(lesson.numbers.to(device))
    reaches = lesson.reaches.to(device)
    spacing = 2.0
    while True:
        cells = torch.cat([torch.round(positions / spacing), reaches[:, None]], 1)
        cells = cells.unique(dim=0)
        if len(cells) <= _MOST_CENTRES:
            return Change(weight, bias, cells[:, :3] * spacing, cells[:, 3])
        spacing *= 1.5


def _near(
    change: Change, points: BrainPoints, lesson: Lesson, generator: torch.Generator
) -> Tensor:
    """Numbers of random points that the change reaches, and that were not painted."""
    drawn = torch.randint(len(points), (16 * _MOST,), generator=generator)
    device = points.indices.device
    share = torch.cat([change.shares(points.positions(p.to(device))) for p in drawn.split(_PIECE)])
    reached = drawn[share.cpu() > _NEAR]
    near: Tensor = reached[~torch.isin(reached, lesson.numbers)][:_MOST]
    return near


@torch.no_grad()
def _before(
    network: CorrectedNetwork, points: BrainPoints, numbers: Tensor, hidden: Tensor
) -> Tensor:
    """Logarithms of the probabilities before, shape (n, classes), of classes known before."""
    change = network.change
    known = network.known if change is None else len(change.bias)
    scores = network.own_scores(hidden, known)
    if change is not None and len(numbers):
        scores += change.scores(hidden, points.positions(numbers))
    return log_softmax(scores, 1)
