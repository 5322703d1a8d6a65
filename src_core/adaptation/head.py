"""A head that learns corrected scans, and stays as it was where nothing was corrected.

The examples that it was trained on before are not there. In their stead the divergence from the
probabilities of the earlier head is made small (Li and Hoiem, Learning without Forgetting, 2016).
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import kl_div, log_softmax

from src_core.datasets.mapping import IGNORED
from src_core.networks.head import merged_scores
from src_core.networks.sine import CHUNK
from src_core.training.draws import draw_examples
from src_core.training.loop import Descent
from src_core.training.losses import dice_per_class, nan_mean, segmentation_loss

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from src_core.adaptation.examples import HeadExample
    from src_core.adaptation.settings import AdaptSettings
    from src_core.networks.head import Head
    from src_core.training.loop import LoopStep

UNCHANGED = 0.6
"""Share of examples that are as they came, or mirrored."""
STAND_IN_WEIGHT = 24.0
"""Of the divergence on stand-ins, over that on the user's own scans."""

Sums = dict[str, "Tensor | None"]
"""What merges a head's classes to those of a protocol, by its name; see `Model.sums`."""


def learn_head(
    head: Head,
    examples: Sequence[HeadExample],
    stand_ins: Sequence[HeadExample],
    sums: Sums,
    settings: AdaptSettings,
    name: str,
    work: Path,
) -> Iterator[LoopStep]:
    """Steps that train a head further.

    Parameters
    ----------
    head : Head
        Tells the finest classes; changed in place.
    examples : sequence of HeadExample
    stand_ins : sequence of HeadExample
        In the place of what it was trained on before: there it stays as it was.
    sums : dict
        Of the examples' protocols. Examples and sums are on the head's device.
    settings : AdaptSettings
    name : str
        Name of checkpoint and log in the folder `work`.
    work : Path

    Raises
    ------
    InputError
        The loss is no longer finite; the last checkpoint is kept.
    """
    before, loop = deepcopy(head).requires_grad_(False), settings.loop
    plain = [example for example in examples if example.variant < 2]
    changed = [example for example in examples if example.variant >= 2] or plain

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        several = int((torch.rand(loop.scans, generator=generator) < UNCHANGED).sum())
        own = _drawn(plain, several, loop.points, generator)
        own += _drawn(changed, loop.scans - several, loop.points, generator)
        other = _drawn(stand_ins, loop.scans // 2, loop.points, generator)
        counts = [len(one.classes) for one in (*own, *other)]
        inputs = torch.cat([one.inputs for one in (*own, *other)]).float()
        scores = head(inputs)
        with torch.no_grad():
            known = before(inputs)
        gone = _divergence(scores, known).split(counts)
        labels = _label_loss(own, scores.split(counts), sums)
        kept = [where[~one.corrected] for one, where in zip(own, gone, strict=False)]
        stays, others = _mean(kept), _mean(gone[len(own) :])
        loss = labels + settings.stay * (stays + STAND_IN_WEIGHT * others)
        return {"loss": loss, "labels": labels, "stays": stays, "stand_ins": others}

    return Descent(name, work, list(head.parameters()), loop, settings.seed, losses).steps()


def _drawn(
    examples: Sequence[HeadExample], count: int, points: int, generator: torch.Generator
) -> list[HeadExample]:
    """Random points of random examples."""
    return [one.drawn(points, generator) for one in draw_examples(examples, count, generator)]


def _mean(values: Sequence[Tensor]) -> Tensor:
    """Mean of all values; 0 of none."""
    return torch.cat(list(values)).sum() / max(1, sum(map(len, values)))


def _divergence(scores: Tensor, known: Tensor) -> Tensor:
    """Divergence of probabilities from known ones at each point, shape (N,)."""
    now, before = log_softmax(scores, 1), log_softmax(known, 1)
    return kl_div(now, before, reduction="none", log_target=True).sum(1)


def _label_loss(drawn: Sequence[HeadExample], scores: Sequence[Tensor], sums: Sums) -> Tensor:
    """Segmentation loss of what was drawn, in each protocol taken together."""
    losses = []
    for protocol in dict.fromkeys(one.protocol for one in drawn):
        theirs = [pair for pair in zip(drawn, scores, strict=False) if pair[0].protocol == protocol]
        classes = torch.cat([one.learned for one, _ in theirs])
        told = told_scores(torch.cat([own for _, own in theirs]), sums[protocol])
        # What was painted may lie outside the brain alone.
        if (classes != IGNORED).any():
            losses.append(len(theirs) / len(drawn) * segmentation_loss(told, classes))
    return torch.stack(losses).sum() if losses else scores[0].new_zeros(())


def told_scores(scores: Tensor, sums: Tensor | None) -> Tensor:
    """Scores of classes as they are told in a protocol."""
    return scores if sums is None else merged_scores(scores, sums)


@torch.no_grad()
def mean_dice(head: Head, example: HeadExample, sums: Tensor | None) -> float:
    """Mean Dice of the structures at the points of an example; nan if it has none."""
    scores = torch.cat([head(piece.float()) for piece in example.inputs.split(CHUNK)])
    told = told_scores(scores, sums)
    return nan_mean(dice_per_class(told.argmax(1), example.classes, told.shape[1]))
