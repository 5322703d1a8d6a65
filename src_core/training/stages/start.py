"""Stage *start*: the shared weights, trained on all scans together; no inner loop."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from src_core.space.points import Points
from src_core.training.draws import draw_examples, draw_numbers, draw_points
from src_core.training.loop import Descent
from src_core.training.losses import label_loss

if TYPE_CHECKING:
    from torch import Tensor

    from src_core.networks.base import CoordinateNetwork
    from src_core.space.template import TemplateImage
    from src_core.training.stages.examples import Examples
    from src_core.training.stages.group import Group
    from src_core.training.task import Task

TEMPLATE_POINTS = 4
"""Positions at which the template is compared with the picture, per point of a scan."""
TEMPLATE_WEIGHT = 30.0
"""Of the squared error of intensities beside the loss of labels."""


def train_start(
    task: Task, network: CoordinateNetwork, examples: Examples, group: Group | None
) -> None:
    """Train the shared weights.

    Parameters
    ----------
    task : Task
    network : CoordinateNetwork
        Changed in place.
    examples : Examples
    group : Group or None
        What the scans have in common; None: they are taken as they are aligned.

    Raises
    ------
    InputError
        Class scores or the loss are no longer finite; the last checkpoint is kept.
    """
    names = network.shared_state().keys()
    shared = [value for name, value in network.named_parameters() if name in names]
    settings, work = task.settings.start, task.settings.work_folder
    picture = group.picture if group else examples.picture
    inside = torch.nonzero(picture.values[0] > 0.05)
    plain = examples.plain

    def losses(generator: torch.Generator) -> dict[str, Tensor]:
        predicted, errors = [], []
        for example in draw_examples(plain, settings.scans, generator):
            classes = examples.classes[example.name]
            drawn = draw_points(example, classes, settings.points, generator, network.device)
            points = drawn.points
            if group:
                # The warp is known from the group stage, so the positions are warped already.
                warped = group.positions[example.name][drawn.numbers].to(network.device)
                points = Points(warped, points.seen)
            # Intensities and labels are read off the same activations.
            activations = network.activations(points.positions)
            if not group:
                shown = network.read_intensity(activations, points)
                errors.append((shown - points.seen[:, 0]).square().mean())
            logits = network.read_logits(activations, points.positions, points)
            predicted.append(drawn.beside(logits, work))
        count = TEMPLATE_POINTS * settings.points // 2
        errors.append(_picture_error(network, picture, inside, count, generator))
        squared, labels = torch.stack(errors).mean(), label_loss(predicted)
        loss = TEMPLATE_WEIGHT * squared + labels
        return {"loss": loss, "squared_error": squared, "labels": labels}

    Descent("start", work, shared, settings, task.settings.seed, losses).run()


def _picture_error(
    network: CoordinateNetwork,
    picture: TemplateImage,
    inside: Tensor,
    count: int,
    generator: torch.Generator,
) -> Tensor:
    """Squared error of what a network shows at its start.

    At `count` positions in the voxels `inside`, shape (N, 3), and at as many anywhere.
    """
    origin = torch.tensor(picture.origin)
    size = torch.tensor(picture.values.shape[1:])
    chosen = inside[draw_numbers(len(inside), count, generator)]
    anywhere = torch.rand(count, 3, generator=generator) * (size - 1)
    jitter = torch.rand(count, 3, generator=generator) - 0.5
    where = torch.cat([chosen + jitter, anywhere]) * picture.spacing + origin
    shown = network.template_intensities(where.to(network.device))
    return (shown - picture.at(where).to(network.device)).square().mean()
