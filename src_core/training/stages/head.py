"""Stage *head*: trained on the fitted networks, because test-time fitting never sees labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from src_core.networks.head import between
from src_core.networks.sine import CHUNK
from src_core.training.draws import draw_examples, draw_points
from src_core.training.loop import Descent
from src_core.training.losses import dice_per_class, label_loss, nan_mean

if TYPE_CHECKING:
    from torch import Tensor

    from src_core.networks.base import CoordinateNetwork
    from src_core.training.stages.examples import Examples
    from src_core.training.task import Task

JUDGED_POINTS = 40_000
"""Of each scan that is not trained on."""


def train_head(
    task: Task, network: CoordinateNetwork, examples: Examples, weights: dict[str, Tensor]
) -> list[list[float]]:
    """Train the head on the fitted networks.

    Parameters
    ----------
    task : Task
    network : CoordinateNetwork
        At its start, as it is again at the end; its head is changed in place.
    examples : Examples
    weights : dict of Tensor
        Fitted weights by the example's name.

    Returns
    -------
    list of list of float
        Dice of each foreground class in each validation scan; nan in neither label map.

    Raises
    ------
    InputError
        Class scores or the loss are no longer finite; the last checkpoint is kept.
    """
    begin = network.fitted_vector()
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    settings, work = task.settings.head, task.settings.work_folder
    plain, changed = examples.plain, examples.changed

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        predicted = []
        draws = torch.rand(settings.scans, generator=generator)
        several = int((draws < task.settings.unchanged).sum())
        chosen = draw_examples(plain, several, generator)
        for example in chosen + draw_examples(changed, settings.scans - several, generator):
            network.load_fitted(weights[example.name])
            classes = examples.classes[example.name]
            drawn = draw_points(example, classes, settings.points, generator, network.device)
            predicted.append(drawn.beside(network.logits(drawn.points), work))
        return {"loss": label_loss(predicted)}

    def judge() -> dict[str, float]:
        means = [nan_mean(own) for own in _dice(network, examples, weights)]
        names = [example.name for example in examples.val]
        mean = nan_mean(means)
        return {} if math.isnan(mean) else {**dict(zip(names, means, strict=True)), "mean": mean}

    parameters, seed = list(network.head.parameters()), task.settings.seed + 1
    further = task.earlier is not None
    Descent("head", work, parameters, settings, seed, losses, judge, trained_before=further).run()
    if task.averaged:
        other = task.averaged.network().head.to(network.device)
        network.head.load_state_dict(between(network.head, other, 0.5).state_dict())
    dice = _dice(network, examples, weights)
    network.load_fitted(begin)
    return dice


@torch.no_grad()
def _dice(
    network: CoordinateNetwork, examples: Examples, weights: dict[str, Tensor]
) -> list[list[float]]:
    """Dice of each foreground class in each validation scan; nan in neither label map."""
    dice = []
    for example in examples.val:
        network.load_fitted(weights[example.name])
        points = example.points.take(slice(0, JUDGED_POINTS))
        found = [
            network.logits(piece.to(network.device)).argmax(1) for piece in points.split(CHUNK)
        ]
        truth = examples.classes[example.name][: len(points)]
        dice.append(dice_per_class(torch.cat(found).cpu(), truth, network.settings.classes))
    return dice
