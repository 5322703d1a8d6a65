"""Have a network learn what was painted.

First borders move: where strokes gave voxels of one class to another, that other one gains against
the first wherever the fit is unsure between the two, far around, because much of what is wrong is a
border that lies elsewhere throughout. Then a change of the last layer of the head near the strokes
makes the cross-entropy of what was painted small, and the divergence from what was told before (Li
and Hoiem 2016) at unpainted points. The divergence of a point has a soft bound, so that points much
like those that were painted follow as a whole while others stay. Small structures count more: else
a stroke beside one takes it away. All strokes are learned anew from the fit each time: going on
from the change before, its errors add up. Structures that the model lacks have networks of their
own, see `added`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from src_core.correction.added import (
    AddedStructure,
    example_weights,
    not_part_of,
    spread_of,
    unknown_around,
)
from src_core.correction.network import Change, CorrectedNetwork, Known
from src_core.fitting.adam import Adam
from src_core.networks.head import merged_scores

if TYPE_CHECKING:
    from collections.abc import Generator

    from src_core.correction.stroke import Stroke
    from src_core.io.labels import Protocol
    from src_core.space.points import BrainPoints

_STEPS = 60
_RATE = 1.0
"""Of the first step, shared among the units that the head reads; it falls to zero."""
_STAY = 10.0
"""Weight of what was there before, against what was painted."""
_BOUND = 0.05
"""Divergence at which that of a point begins to count less, in the largest structure near."""
_MOST = 4096
"""Painted points, and points near, that a step looks at."""
_DRAWN = 2 * _MOST
"""Points that may be near, of which those are drawn that a step looks at."""
_RARITY = 0.75
"""How much likelier points of rare classes are drawn: 0 not at all, 1 all classes alike."""
_ANYWHERE = 16384
"""Points of the whole brain, of which it is counted how many would follow a border."""
_FOLLOWERS = 300.0
"""Voxels that at most change class with a border, per voxel painted beyond it."""
_MOST_CENTRES = 192
_CANDIDATES = 2**17
_NEAR = 0.05
"""Least share of the change at points that are near."""
_NEARNESS = 2.0
"""How much likelier points near the strokes are drawn: 1 as much as the change counts there."""
_PIECE = 2048


@dataclass(frozen=True, eq=False)
class Lesson:
    """What a network is to learn.

    Attributes
    ----------
    numbers : Tensor of int, shape (n,)
        Numbers of the brain points that were painted.
    classes : Tensor of int, shape (n,)
        What they are, as the network tells its labels; from the first number above its classes
        on they are structures that were added.
    reaches : Tensor, shape (n,)
        How far each reaches, mm.
    count : int
        Number of classes, with background and those that were added.
    """

    numbers: Tensor
    classes: Tensor
    reaches: Tensor
    count: int

    @classmethod
    def of(cls, stroke: Stroke, points: BrainPoints, protocol: Protocol) -> Lesson:
        """What can be learned of a stroke: its voxels inside the brain.

        Raises
        ------
        InputError
            A label is not in the protocol.
        """
        flat = np.ravel_multi_index
        shape = tuple((1 + stroke.voxels.max(0, initial=0)).tolist())
        indices = points.indices.cpu().numpy().astype(np.int64)
        within = np.flatnonzero((indices < shape).all(1))
        place = flat(tuple(indices[within].T), shape)
        wanted = flat(tuple(stroke.voxels.T), shape)
        _, numbers, which = np.intersect1d(place, wanted, return_indices=True)
        classes = protocol.to_classes(stroke.labels[which]).astype(np.int64)
        return cls(
            torch.from_numpy(within[numbers]),
            torch.from_numpy(classes),
            torch.from_numpy(stroke.reaches[which]).float(),
            len(protocol.ids),
        )


def learn(
    network: CorrectedNetwork, points: BrainPoints, lesson: Lesson, seed: int = 0
) -> Generator[None, None, CorrectedNetwork]:
    """Steps that learn all that was painted, and the network that has learned it.

    Parameters
    ----------
    network : CorrectedNetwork
        Of the fit; stays as it is, and what it learned before takes no part.
    points : BrainPoints
        On the network's device.
    lesson : Lesson
        All that was painted so far.
    seed : int
    """
    parts = _parts(network)
    # A class that the fit tells without any part of it can't be learned.
    can = torch.cat([parts.any(1).cpu(), torch.zeros(lesson.count - len(parts), dtype=torch.bool)])
    theirs = can[lesson.classes].nonzero()[:, 0]
    change = None
    if len(theirs) and network.known > 1:
        change = yield from _learned_change(network, points, lesson, theirs, seed)
    added = []
    for one in range(len(parts), lesson.count):
        structure = yield from _learned_structure(network, points, lesson, one, seed)
        added.append(structure)
    return network.changed(change, tuple(added))


def _learned_change(
    network: CorrectedNetwork, points: BrainPoints, lesson: Lesson, theirs: Tensor, seed: int
) -> Generator[None, None, Change]:
    """Steps that learn those of what was painted that the fit has classes for, and the change."""
    device = points.indices.device
    generator = torch.Generator().manual_seed(seed)
    chosen = theirs[torch.randperm(len(theirs), generator=generator)[:_MOST]]
    numbers, wanted = lesson.numbers[chosen].to(device), lesson.classes[chosen].to(device)
    hidden = yield from _hidden(numbers, network, points)
    told = _told(network, hidden)
    # What the fit had taken it for, and what was painted.
    concerned, pairs = torch.stack([told.argmax(1), wanted]).unique(return_inverse=True)
    change = _no_change(points, lesson, theirs, concerned, told.shape[1], network.width)
    moved = yield from _moved(network, points, change, pairs, generator)
    change = replace(change, moved=moved)
    shares = change.shares(points.positions(numbers))
    told = change.shifted(told, shares)
    drawn = _near(points, lesson, change, generator)
    more = yield from _hidden(drawn, network, points)
    network.seen.add(drawn, _told(network, more).argmax(1), more)
    which, bounds = _some_of_each(network.seen, points, lesson, change, generator)
    near = network.seen.hidden[which].float().to(device)
    near_shares = change.shares(points.positions(network.seen.numbers[which].to(device)))
    near_told = change.shifted(_told(network, near), near_shares)
    before, bounds = log_softmax(near_told, 1), bounds.to(device)
    adam = Adam([change.weight.requires_grad_(), change.bias.requires_grad_()])
    for step in range(_STEPS):
        with torch.enable_grad():
            loss = cross_entropy(change.added_to(told, hidden, shares), wanted)
            if len(before):
                now = change.added_to(near_told, near, near_shares)
                gone = _divergence(now, before)
                loss = loss + _STAY * (bounds * (gone / bounds).log1p()).mean()
            adam.zero_grad()
            loss.backward()
        adam.step(_RATE / network.width * (1 - step / _STEPS))
        yield
    for learned in (change.weight, change.bias):
        learned.requires_grad_(False).grad = None
    return replace(change, parts=_parts(network)[concerned])


def _moved(
    network: CorrectedNetwork,
    points: BrainPoints,
    change: Change,
    pairs: Tensor,
    generator: torch.Generator,
) -> Generator[None, None, Tensor]:
    """Steps that find how far each border moves, (k, k), see `Change`.

    From which of the concerned classes what was painted was to the fit and to the user, (2, n).
    Where few voxels were painted beyond a border along which many would follow, it moves less: what
    a few tell of the whole surface of the brain is often wrong.
    """
    known = network.anywhere
    if not len(known.numbers):
        drawn = torch.randint(len(points), (_ANYWHERE,), generator=generator).to(pairs.device)
        hidden = yield from _hidden(drawn, network, points)
        known.add(drawn, _told(network, hidden).argmax(1), hidden)
    scores = _told(network, known.hidden.float().to(pairs.device))
    shares = change.shares(points.positions(known.numbers.to(pairs.device)))
    voxels = len(points) / len(scores)
    moved = torch.zeros_like(change.moved)
    borders, painted = pairs[:, pairs[0] != pairs[1]].unique(dim=1, return_counts=True)
    for (was, wanted), count in zip(borders.T.tolist(), painted.tolist(), strict=True):
        alone = torch.zeros_like(moved)
        alone[was, wanted] = 1
        shifted = replace(change, moved=alone).shifted(scores, shares)
        followers = voxels * (shifted.argmax(1) != scores.argmax(1)).sum().item()
        moved[was, wanted] = min(1.0, _FOLLOWERS * count / max(1.0, followers))
        yield
    return moved


def _divergence(scores: Tensor, before: Tensor) -> Tensor:
    """How far scores (N, classes) are from probabilities before, given as their logarithms."""
    now = log_softmax(scores, 1)
    return kl_div(now, before, reduction="none", log_target=True).sum(1).clamp(min=0)


def _learned_structure(
    network: CorrectedNetwork, points: BrainPoints, lesson: Lesson, wanted: int, seed: int
) -> Generator[None, None, AddedStructure]:
    """Steps that learn what was painted as an added class, and what tells it."""
    device = points.indices.device
    generator = torch.Generator().manual_seed(seed)
    is_part = lesson.classes == wanted
    painted, other = lesson.numbers[is_part], lesson.numbers[~is_part]
    if not len(painted):
        return AddedStructure.nowhere(network.known, device)
    spread = spread_of(points.positions(painted.to(device)), network.known)
    near = unknown_around(points, painted.to(device), network.known)
    elsewhere, sure = not_part_of(points, painted, near, generator)
    unpainted = ~torch.isin(elsewhere, lesson.numbers)
    elsewhere, sure = elsewhere[unpainted], sure[unpainted]
    painted, other = (
        some[torch.randperm(len(some), generator=generator)[: _MOST // 2]]
        for some in (painted, other)
    )
    numbers = torch.cat([painted, other, elsewhere]).to(device)
    part = torch.cat([torch.ones(len(painted)), torch.zeros(len(other) + len(elsewhere))])
    weights = example_weights(part, torch.cat([torch.ones(len(painted) + len(other)), sure]))
    hidden = yield from _hidden(numbers, network, points)
    positions = points.positions(painted.to(device))
    structure = AddedStructure.unlearned(positions, spread, network.known, generator)
    inputs = structure.inputs(points.take(numbers), network.own_scores(hidden))
    yield from structure.learn(inputs, part.to(device), weights.to(device))
    return structure


def learn_at_once(
    network: CorrectedNetwork, points: BrainPoints, lesson: Lesson, seed: int = 0
) -> CorrectedNetwork:
    """What the steps of `learn` come to."""
    steps = learn(network, points, lesson, seed)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            learned: CorrectedNetwork = end.value
            return learned


def _parts(network: CorrectedNetwork) -> Tensor:
    """Which classes of the fit each class that is told has as parts, (told, known) of 0 and 1."""
    sums = network.head.sums
    return torch.eye(network.known, device=network.device) if sums is None else sums.T


def _told(network: CorrectedNetwork, hidden: Tensor) -> Tensor:
    """Scores (N, told) of the fit alone, as its labels are told, from hidden units (N, width)."""
    return merged_scores(network.own_scores(hidden), _parts(network).T)


def _no_change(
    points: BrainPoints,
    lesson: Lesson,
    which: Tensor,
    concerned: Tensor,
    classes: int,
    width: int,
) -> Change:
    """A change of classes as they are told, around some of what was painted, still none."""
    weight = torch.zeros(len(concerned), width, device=concerned.device)
    bias, moved = torch.zeros_like(weight[:, 0]), torch.zeros_like(weight @ weight.T)
    parts = torch.eye(classes, device=concerned.device)[concerned]
    positions = points.positions(lesson.numbers[which].to(concerned.device))
    reaches = lesson.reaches[which].to(concerned.device)
    spacing = 2.0
    while True:
        cells = torch.cat([torch.round(positions / spacing), reaches[:, None]], 1).unique(dim=0)
        if len(cells) <= _MOST_CENTRES:
            centres = cells[:, :3] * spacing
            return Change(concerned, parts, weight, bias, moved, centres, cells[:, 3])
        spacing *= 1.5


def _hidden(
    numbers: Tensor, network: CorrectedNetwork, points: BrainPoints
) -> Generator[None, None, Tensor]:
    """Steps that give what the last layer of the head reads at some points, (n, width)."""
    pieces = []
    for piece in numbers.split(_PIECE):
        with torch.no_grad():
            pieces.append(network.hidden(points.take(piece)))
        yield
    return torch.cat(pieces) if pieces else torch.zeros(0, network.width, device=numbers.device)


def _near(
    points: BrainPoints, lesson: Lesson, change: Change, generator: torch.Generator
) -> Tensor:
    """Numbers of random points that a change reaches, and that were not painted."""
    device = points.indices.device
    drawn = torch.randint(len(points), (_CANDIDATES,), generator=generator)
    places = (points.positions(piece.to(device)) for piece in drawn.split(_PIECE))
    shares = torch.cat([change.shares(positions) for positions in places]).cpu()
    likely = shares.pow(_NEARNESS).masked_fill(torch.isin(drawn, lesson.numbers), 0)
    count = min(_DRAWN, int(likely.count_nonzero()))
    near = torch.multinomial(likely, count, generator=generator) if count else drawn[:0]
    return drawn[near].to(device)


def _some_of_each(
    known: Known, points: BrainPoints, lesson: Lesson, change: Change, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Which of the known points a step looks at, of rare classes more, and the bound of each."""
    positions = points.positions(known.numbers.to(points.indices.device))
    likely = torch.cat([change.shares(piece) for piece in positions.split(_PIECE)]).cpu()
    away = (likely < _NEAR) | torch.isin(known.numbers, lesson.numbers)
    counts = known.classes[~away].bincount(minlength=lesson.count).float().clamp(min=1)
    likely = likely.masked_fill(away, 0) * counts[known.classes].pow(-_RARITY)
    most = min(_MOST, int(likely.count_nonzero()))
    which = torch.multinomial(likely, most, generator=generator) if most else known.numbers[:0]
    return which, _BOUND * counts.max() / counts[known.classes[which]]
