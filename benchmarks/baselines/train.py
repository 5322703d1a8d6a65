"""What the trainings of several methods share."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from benchmarks.baselines.data import LabelledPoints
from src_core.space.points import Points
from src_core.training.losses import dice_per_class, nan_mean, segmentation_loss

if TYPE_CHECKING:
    from pathlib import Path

JUDGED_POINTS = 40_000
"""Of each scan that is not trained on."""

UNCHANGED = 0.6
"""Share of scans as they came or mirrored, as in the training of this project's heads."""

Logits = Callable[[LabelledPoints, Points], Tensor]
"""Class scores (N, classes) of some points of an example."""


def some(
    examples: Sequence[LabelledPoints], count: int, generator: torch.Generator
) -> list[LabelledPoints]:
    """Random examples, with repetition, `UNCHANGED` of them unchanged if there are others."""
    unchanged = [example for example in examples if example.unchanged]
    changed = [example for example in examples if not example.unchanged] or unchanged
    plain = (torch.rand(count, generator=generator) < UNCHANGED).tolist()
    numbers = torch.randint(2**31, (count,), generator=generator).tolist()
    pools = [unchanged if own else changed for own in plain]
    return [pool[number % len(pool)] for pool, number in zip(pools, numbers, strict=True)]


def label_loss(
    examples: Sequence[LabelledPoints], points: int, generator: torch.Generator, logits: Logits
) -> Tensor:
    """Segmentation loss on random points of all examples together, as in this project's heads."""
    predicted = []
    for example in examples:
        drawn, classes = example.draw(points, generator)
        predicted.append((logits(example, drawn), classes))
    found, truth = zip(*predicted, strict=True)
    return segmentation_loss(torch.cat(found), torch.cat(truth))


@torch.no_grad()
def judge(examples: Sequence[LabelledPoints], classes: int, logits: Logits) -> dict[str, float]:
    """Mean foreground Dice on points of each example, and the mean of these; nothing of none."""
    means = {}
    for example in examples:
        points = example.points.take(slice(0, JUDGED_POINTS))
        found = logits(example, points).argmax(1)
        scores = dice_per_class(found, example.classes[: len(points)], classes)
        means[example.name] = nan_mean(scores)
    return means | {"mean": nan_mean(means.values())} if means else {}


def logged_seconds(log: Path) -> float:
    """Time that a training has taken, by its log."""
    with log.open(newline="") as file:
        return float(list(csv.DictReader(file))[-1]["seconds"])


def count(network: nn.Module) -> int:
    """Number of weights."""
    return sum(parameter.numel() for parameter in network.parameters())
