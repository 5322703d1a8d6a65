"""A head that learns corrected scans, and stays as it was where nothing was corrected.

The examples that it was trained on before are not there. In their stead the divergence from the
probabilities of the earlier head is made small (Li and Hoiem, Learning without Forgetting, 2016).
"""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import kl_div, log_softmax

from src_core.networks.head import merged_scores
from src_core.networks.sine import CHUNK
from src_core.training.draws import draw_numbers
from src_core.training.loop import descend
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

Sums = dict[str, "Tensor | None"]
"""What merges a head's classes to those of a protocol, by its name; see `Model.sums`."""


def learn_head(
    head: Head,
    examples: Sequence[HeadExample],
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
        chosen = [
            pool[int(number)]
            for pool, count in ((plain, several), (changed, loop.scans - several))
            for number in draw_numbers(len(pool), count, generator)
        ]
        drawn = [example.drawn(loop.points, generator) for example in chosen]
        found = [_losses(head, before, example, sums[example.protocol]) for example in drawn]
        labels, stays = torch.stack(found).mean(0)
        return {"loss": labels + settings.stay * stays, "labels": labels, "stays": stays}

    return descend(name, work, list(head.parameters()), loop, settings.seed, losses)


def _losses(head: Head, before: Head, drawn: HeadExample, sums: Tensor | None) -> Tensor:
    """Loss of the labels and divergence from the earlier head, shape (2,)."""
    inputs = drawn.inputs.float()
    scores = head(inputs)
    with torch.no_grad():
        known = log_softmax(before(inputs), 1)
    gone = kl_div(log_softmax(scores, 1), known, reduction="none", log_target=True).sum(1)
    merged = scores if sums is None else merged_scores(scores, sums)
    return torch.stack([segmentation_loss(merged, drawn.learned), (gone * ~drawn.corrected).mean()])


@torch.no_grad()
def mean_dice(head: Head, example: HeadExample, sums: Tensor | None) -> float:
    """Mean Dice of the structures at the points of an example; nan if it has none."""
    scores = torch.cat([head(piece.float()) for piece in example.inputs.split(CHUNK)])
    merged = scores if sums is None else merged_scores(scores, sums)
    return nan_mean(dice_per_class(merged.argmax(1), example.classes, merged.shape[1]))
