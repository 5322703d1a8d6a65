"""The inner loop of meta-learning: Adam steps on one scan that gradients can go through."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from torch.func import functional_call

from src_core.training.losses import focal_loss, segmentation_loss

if TYPE_CHECKING:
    from collections.abc import Sequence

    from src_core.networks.base import CoordinateNetwork
    from src_core.space.points import Points
    from src_core.training.settings import MetaSettings


class Objective(nn.Module):
    """Errors of a network on some points, of intensities and of labels.

    Parameters
    ----------
    network : CoordinateNetwork
        Of a family that can be meta-learned.
    settings : MetaSettings
    """

    def __init__(self, network: CoordinateNetwork, settings: MetaSettings):
        super().__init__()
        self.network = network
        self.settings = settings

    def forward(self, points: Points, classes: Tensor | None) -> tuple[Tensor, ...]:
        """Mean squared error of the intensities and, with classes (N,), loss of the labels."""
        activations = self.network.activations(points.positions)
        intensity = self.network.read_intensity(activations, points)
        squared = (intensity - points.seen[:, 0]).square().mean()
        if classes is None:
            return (squared,)
        logits = self.network.read_logits(activations, points.positions, points)
        if self.settings.label_loss == "dice":
            return squared, segmentation_loss(logits, classes)
        return squared, focal_loss(logits, classes, self.settings.focal_gamma)


def adapt(objective: Objective, batches: Sequence[tuple[Points, Tensor]]) -> dict[str, Tensor]:
    """Take the steps of an inner loop.

    Parameters
    ----------
    objective : Objective
    batches : sequence of (Points, Tensor of shape (N,))
        Points of one scan with their classes; one step is taken on each batch.

    Returns
    -------
    dict of Tensor
        Adapted weights by their name in the objective, as functions of the start.
    """
    settings, network = objective.settings, objective.network
    second = settings.order == 2
    joint = settings.inner_loss == "joint"
    start: dict[str, Tensor] = dict(objective.named_parameters())
    rates = _inner_rates(objective)
    if joint:
        inner = torch.tensor(settings.inner_rate)
        names = names_of(objective)
        rates |= {names[id(parameter)]: inner for parameter in network.head.parameters()}
    weights = {name: start[name] for name in rates}
    means = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    squares = dict(means)
    for count, (points, classes) in enumerate(batches, start=1):
        at = weights
        if not second:
            at = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
        errors = functional_call(objective, at, (points, classes if joint else None))
        loss = settings.intensity_weight * errors[0] + errors[1] if joint else errors[0]
        gradients = torch.autograd.grad(loss, list(at.values()), create_graph=second)
        for name, gradient in zip(at, gradients, strict=True):
            means[name], squares[name], move = _adam(gradient, means[name], squares[name], count)
            weights[name] = weights[name] - rates[name] * move
    return weights


def names_of(objective: Objective) -> dict[int, str]:
    """Name of each parameter by its identity."""
    return {id(parameter): name for name, parameter in objective.named_parameters()}


def _inner_rates(objective: Objective) -> dict[str, Tensor]:
    """Step size of the inner loop for each fitted weight by name; learned ones can be learned."""
    network = objective.network
    names = names_of(objective)
    factor = objective.settings.inner_rate / network.settings.weight_rate
    sizes = zip(network.fitted_parameters(), network.step_sizes(), strict=True)
    return {names[id(parameter)]: factor * size for parameter, size in sizes}


def _adam(
    gradient: Tensor, mean: Tensor, square: Tensor, count: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Means of Adam (Kingma & Ba 2015) after a step, and its move for a step size of -1.

    Nothing is changed in place, so that gradients can go through it.
    """
    first, second = 0.9, 0.999
    mean = mean.lerp(gradient, 1 - first)
    square = second * square + (1 - second) * gradient.square()
    correction = (1 - second**count) ** 0.5 / (1 - first**count)
    # The root of zero has no slope; 1e-24 changes nothing beside the 1e-8 of Adam.
    return mean, square, correction * mean / ((square + 1e-24).sqrt() + 1e-8)
