"""Inner and outer loop: a start from which a few steps of a fit lead to good features.

For each scan an *inner loop* of Adam steps adapts the shared weights to random points of the
scan, as a fit does. The *outer loop* moves the shared weights so that the adapted ones do
better on other points of the same scan, in intensities and in labels.
"""

import math
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call

from src_core.networks.siren import SirenNetwork
from src_core.space.points import BrainPoints, Points
from src_core.training.loop import LoopSettings, optimise
from src_core.training.losses import focal_loss, segmentation_loss
from src_core.training.settings import MetaSettings

WAVES = 8
"""Plane waves that a random smooth displacement is made of."""
WAVELENGTHS = (40.0, 120.0)
"""Shortest and longest of them, mm."""


def meta_train(
    network: SirenNetwork,
    examples: Sequence[tuple[BrainPoints, Tensor]],
    settings: MetaSettings,
    loop: LoopSettings,
    work: Path,
    seed: int,
) -> None:
    """Meta-learn the shared weights; an interrupted run goes on to the very same result.

    Parameters
    ----------
    network : SirenNetwork
        Its start, head and learned step sizes are changed in place.
    examples : sequence of (BrainPoints, Tensor of shape (N,))
        Scans to train on, with the class of each point.
    settings : MetaSettings
    loop : LoopSettings
        Of the outer loop; its points serve each inner step, and as many other ones the outer loss.
    work : Path
        Folder of the checkpoint and the log, both named "meta".
    seed : int

    Raises
    ------
    InputError
        The loss is no longer finite; the last checkpoint is kept.

    References
    ----------
    Vyas, Veeraraghavan, Balakrishnan, MetaSeg, MICCAI 2025, arXiv 2510.04021. Finn et al.,
    Model-Agnostic Meta-Learning, ICML 2017. Li et al., Meta-SGD, arXiv 1707.09835.
    """
    objective = Objective(network, settings)
    start: dict[str, Tensor] = dict(objective.named_parameters())
    shares = [
        settings.head_rate
        if name.startswith("network.head")
        else settings.log_rate_rate
        if name.startswith("network.log_rates")
        else 1.0
        for name in start
    ]

    def losses_of(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = torch.randint(len(examples), (loop.scans,), generator=generator).tolist()
        errors = [
            _errors_after(objective, points, classes, loop.points, generator)
            for points, classes in (examples[n] for n in chosen)
        ]
        squared, labels = torch.stack(errors).mean(0)
        loss = settings.intensity_weight * squared + labels
        return {"loss": loss, "squared_error": squared, "labels": labels}

    optimise("meta", work, list(start.values()), loop, seed, losses_of, shares=shares)


class Objective(nn.Module):
    """Errors of a network on some points, of intensities and of labels."""

    def __init__(self, network: SirenNetwork, settings: MetaSettings):
        super().__init__()
        self.network = network
        self.settings = settings

    def forward(self, points: Points, classes: Tensor | None) -> tuple[Tensor, ...]:
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
    """Weights by name after one inner step per batch, as functions of the start."""
    settings, network = objective.settings, objective.network
    second = settings.order == 2
    joint = settings.inner_loss == "joint"
    start: dict[str, Tensor] = dict(objective.named_parameters())
    rates = _inner_rates(objective)
    if joint:
        inner = torch.tensor(settings.inner_rate)
        names = _names(objective)
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


def _names(objective: Objective) -> dict[int, str]:
    return {id(parameter): name for name, parameter in objective.named_parameters()}


def _inner_rates(objective: Objective) -> dict[str, Tensor]:
    """Step size of the inner loop for each fitted weight by name; learned ones can be learned."""
    network = objective.network
    names = _names(objective)
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


def _errors_after(
    objective: Objective,
    points: BrainPoints,
    classes: Tensor,
    count: int,
    generator: torch.Generator,
) -> Tensor:
    """Errors of intensities and labels after an inner loop, on points not seen in it."""
    displacement = _Displacement(objective.settings, generator)
    batches = [
        _draw(points, classes, displacement, count, generator)
        for _ in range(objective.settings.inner_steps + 1)
    ]
    device = objective.network.intensity.weight.device
    moved = [(drawn.to(device), own.to(device)) for drawn, own in batches]
    return torch.stack(functional_call(objective, adapt(objective, moved[:-1]), moved[-1]))


class _Displacement:
    """A random error of positions: affine, and a few plane waves."""

    def __init__(self, settings: MetaSettings, generator: torch.Generator):
        def normal(*shape: int) -> Tensor:
            return torch.randn(shape, generator=generator)

        turn = math.radians(settings.turn) * normal(3)
        self.matrix = torch.eye(3) + torch.linalg.cross(torch.eye(3), turn.expand(3, 3))
        self.matrix += torch.diag(settings.stretch * normal(3))
        self.shift = settings.shift * normal(3)
        low, high = WAVELENGTHS
        lengths = low + (high - low) * torch.rand(WAVES, 1, generator=generator)
        directions = nn.functional.normalize(normal(WAVES, 3), dim=1)
        self.waves = 2 * math.pi * directions / lengths
        self.phases = 2 * math.pi * torch.rand(WAVES, generator=generator)
        self.heights = settings.bend * math.sqrt(2 / WAVES) * normal(WAVES, 3)

    def __call__(self, positions: Tensor) -> Tensor:
        bent = torch.sin(positions @ self.waves.T + self.phases) @ self.heights
        return positions @ self.matrix.T + self.shift + bent


def _draw(
    points: BrainPoints,
    classes: Tensor,
    displacement: _Displacement,
    count: int,
    generator: torch.Generator,
) -> tuple[Points, Tensor]:
    """Random points of a scan, displaced, with their classes."""
    which = torch.randint(len(points), (count,), generator=generator)
    drawn = points.take(which)
    return Points(displacement(drawn.positions), drawn.seen), classes[which]
