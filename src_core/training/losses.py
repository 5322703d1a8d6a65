"""What training makes small."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as functional

from src_core.datasets.mapping import IGNORED

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from torch import Tensor


def segmentation_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Cross-entropy plus one minus the smoothed soft Dice, mean over the foreground classes.

    Parameters
    ----------
    logits : Tensor, shape (N, classes)
    classes : Tensor, shape (N,), integer
        `IGNORED` takes no part.
    """
    known = classes != IGNORED
    logits, classes = logits[known], classes[known].long()
    log_chance = logits.log_softmax(1)
    entropy = functional.nll_loss(log_chance, classes)
    chance = log_chance.exp()
    # Each class's sum over its own points; a matrix of ones and zeros would be as large as chance.
    right = chance.gather(1, classes[:, None])[:, 0]
    overlap = 2 * chance.new_zeros(chance.shape[1]).index_add(0, classes, right)
    total = chance.sum(0) + torch.bincount(classes, minlength=chance.shape[1])
    # One point more on both sides: a structure that is not there should not be found, either.
    dice = (overlap + 1) / (total + 1)
    return entropy + 1 - dice[1:].mean()


def label_loss(predicted: Sequence[tuple[Tensor, Tensor]]) -> Tensor:
    """Segmentation loss of several scans, taken together.

    Of a small structure a scan's few points say little, so their Dice alone would be noise.

    Parameters
    ----------
    predicted : sequence of (Tensor, Tensor)
        Class scores (N, classes) and classes (N,) of each scan's points.
    """
    logits, classes = zip(*predicted, strict=True)
    return segmentation_loss(torch.cat(logits), torch.cat(classes))


def focal_loss(logits: Tensor, classes: Tensor, gamma: float) -> Tensor:
    """Cross-entropy with what is already sure counting less, mean over the known points.

    Parameters
    ----------
    logits : Tensor, shape (N, classes)
    classes : Tensor, shape (N,), integer
        `IGNORED` takes no part.
    gamma : float
        How much less; 0 is the cross-entropy.

    References
    ----------
    Lin et al., Focal Loss for Dense Object Detection, ICCV 2017, equation 4.
    """
    known = classes != IGNORED
    logits, classes = logits[known], classes[known].long()
    surprise = functional.cross_entropy(logits, classes, reduction="none")
    return ((1 - (-surprise).exp()) ** gamma * surprise).sum() / max(len(classes), 1)


def nan_mean(values: Iterable[float]) -> float:
    """Mean of the numbers that are not nan; nan if there is none."""
    defined = [value for value in values if not math.isnan(value)]
    return math.fsum(defined) / len(defined) if defined else math.nan


def dice_per_class(found: Tensor, classes: Tensor, count: int) -> list[float]:
    """Dice of each foreground class on known points; nan where it is absent in both.

    Parameters
    ----------
    found, classes : Tensor, shape (N,), integer
    count : int
        Number of classes, with background.
    """
    known = classes != IGNORED
    found, classes = found[known], classes[known]
    scores = []
    for number in range(1, count):
        a, b = found == number, classes == number
        total = int(a.sum() + b.sum())
        scores.append(2 * int((a & b).sum()) / total if total else math.nan)
    return scores
