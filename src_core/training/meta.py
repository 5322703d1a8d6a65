"""Inner and outer loop: a start from which a few steps of a fit lead to good features.

For each scan an *inner loop* of Adam steps adapts the shared weights to random points of the
scan, as a fit does. The *outer loop* moves the shared weights so that the adapted ones do
better on other points of the same scan, in intensities and in labels.

Long inner loops are cheap as *running fits*: many fits go on from one outer step to the next, each
as an offset from the start that moves below it, and each of their steps gives an outer gradient.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.func import functional_call

from src_core.errors import InputError
from src_core.networks.siren import SirenNetwork
from src_core.points import Points
from src_core.training.examples import Example
from src_core.training.loop import optimise
from src_core.training.losses import focal_loss, segmentation_loss

WAVES = 8
"""Plane waves that a random smooth displacement is made of."""
WAVELENGTHS = (40.0, 120.0)
"""Shortest and longest of them, mm."""


@dataclass(frozen=True)
class MetaSettings:
    """How the start of a `SirenNetwork` is meta-learned.

    Attributes
    ----------
    steps : int
        Of the outer loop.
    scans_per_step : int
        Scans whose outer gradients are averaged.
    points_per_scan : int
        Random points in each inner step, and as many other ones for the outer loss.
    inner_steps : int
        Adam steps of the inner loop; 0 trains the shared weights jointly on all scans. With
        running fits: steps after which one makes room for a new one.
    running_fits : int
        Fits that go on from one outer step to the next; 0: every inner loop begins anew. There
        should be many more than `scans_per_step`, or the outer loop learns those few by heart.
        First order and images only.
    inner_rate : float
        Their step size; multiplied with the learned factors if there are any.
    inner_loss : {"image", "joint"}
        What the inner steps make small: the squared error of the intensities alone, as a fit
        does, or with the loss of the labels, as in the paper; then they move the head, too.
    order : {1, 2}
        2: the outer gradient goes through the inner gradients; 1: these count as constants.
    outer_rate, head_rate, log_rate_rate : float
        Largest step size of the outer loop: of the start, of the head, and of the logarithms
        of learned step sizes.
    intensity_weight : float
        Of the squared error against the loss of the labels.
    label_loss : {"focal", "dice"}
        Focal loss, or cross-entropy with soft Dice.
    focal_gamma : float
        Of the focal loss.
    turn, shift, stretch, bend : float
        Standard deviations of the random error of the positions of a scan, which training
        should know: a rotation in degrees, a shift in mm, a share of the size, and a smooth
        displacement in mm.

    Raises
    ------
    InputError
        A word or an order that has no meaning.
    """

    steps: int = 5000
    scans_per_step: int = 4
    points_per_scan: int = 1024
    inner_steps: int = 10
    running_fits: int = 0
    inner_rate: float = 1e-4
    inner_loss: str = "image"
    order: int = 1
    outer_rate: float = 1e-4
    head_rate: float = 1e-3
    log_rate_rate: float = 1e-2
    intensity_weight: float = 10.0
    label_loss: str = "focal"
    focal_gamma: float = 1.0
    turn: float = 0.0
    shift: float = 0.0
    stretch: float = 0.0
    bend: float = 0.0

    def __post_init__(self) -> None:
        for field, choices in (
            ("order", (1, 2)),
            ("inner_loss", ("image", "joint")),
            ("label_loss", ("focal", "dice")),
        ):
            if getattr(self, field) not in choices:
                raise InputError(f"{field} must be one of {choices}, not {getattr(self, field)!r}")
        if self.running_fits and (self.order == 2 or self.inner_loss == "joint"):
            raise InputError("running_fits go with order 1 and inner_loss 'image' only")


def meta_train(
    network: SirenNetwork,
    examples: Sequence[Example],
    settings: MetaSettings,
    work: Path,
    seed: int,
) -> None:
    """Meta-learn the shared weights; an interrupted run goes on to the very same result.

    Parameters
    ----------
    network : SirenNetwork
        Its start, head and learned step sizes are changed in place.
    examples : sequence of Example
        Scans to train on.
    settings : MetaSettings
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
    rates = [
        settings.head_rate
        if name.startswith("network.head")
        else settings.log_rate_rate
        if name.startswith("network.log_rates")
        else settings.outer_rate
        for name in start
    ]

    running = _RunningFits(objective, examples)

    def errors_of(generator: torch.Generator) -> list[Tensor]:
        if settings.running_fits:
            slots = torch.randperm(settings.running_fits, generator=generator)
            return [running.step(n, generator) for n in slots[: settings.scans_per_step].tolist()]
        chosen = torch.randint(len(examples), (settings.scans_per_step,), generator=generator)
        return [_errors_after(objective, examples[n], generator) for n in chosen.tolist()]

    def losses_of(generator: torch.Generator) -> dict[str, Tensor]:
        squared, labels = torch.stack(errors_of(generator)).mean(0)
        loss = settings.intensity_weight * squared + labels
        return {"loss": loss, "squared_error": squared, "labels": labels}

    optimise(
        "meta",
        work,
        list(start.values()),
        rates,
        settings.steps,
        seed,
        losses_of,
        carried=running.state(),
    )


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
        logits = self.network.read_logits(activations, points)
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


def _errors_after(objective: Objective, example: Example, generator: torch.Generator) -> Tensor:
    """Errors of intensities and labels after an inner loop, on points not seen in it."""
    settings = objective.settings
    displacement = _Displacement(settings, generator)
    batches = [
        _draw(example, displacement, settings.points_per_scan, generator)
        for _ in range(settings.inner_steps + 1)
    ]
    return torch.stack(functional_call(objective, adapt(objective, batches[:-1]), batches[-1]))


class _RunningFits:
    """Fits that go on from one outer step to the next.

    A fit is known by the offset of its weights from the start, so it follows the start as that
    moves. The points of each step serve the outer loss before the fit learns from them.
    """

    def __init__(self, objective: Objective, examples: Sequence[Example]):
        self.objective = objective
        self.examples = examples
        fits, longest = objective.settings.running_fits, objective.settings.inner_steps
        size = objective.network.fitted_vector().numel()
        self.offsets, self.means, self.squares = torch.zeros(3, fits, size)
        # Begun at different times, so that all ages are there from the first step.
        self.counts = longest * (torch.arange(fits) + 1) // max(fits, 1)
        self.numbers = torch.arange(fits) % len(examples)
        self.seeds = torch.arange(fits)

    def state(self) -> list[Tensor]:
        """What a checkpoint needs to go on to the same result."""
        fits = [self.offsets, self.means, self.squares]
        return [*fits, self.counts, self.numbers, self.seeds]

    def step(self, slot: int, generator: torch.Generator) -> Tensor:
        """Errors of intensities and labels of one fit, which then takes a step."""
        settings = self.objective.settings
        if self.counts[slot] >= settings.inner_steps:
            self._begin(slot, generator)
        displaced = torch.Generator().manual_seed(int(self.seeds[slot]))
        points, classes = _draw(
            self.examples[int(self.numbers[slot])],
            _Displacement(settings, displaced),
            settings.points_per_scan,
            generator,
        )
        weights, rates = self._weights(slot)
        errors = functional_call(self.objective, weights, (points, classes))
        found = torch.autograd.grad(errors[0], list(weights.values()), retain_graph=True)
        self.counts[slot] += 1
        gradient = torch.cat([part.flatten() for part in found])
        self.means[slot], self.squares[slot], move = _adam(
            gradient, self.means[slot], self.squares[slot], int(self.counts[slot])
        )
        self.offsets[slot] -= rates * move
        return torch.stack(errors)

    def _begin(self, slot: int, generator: torch.Generator) -> None:
        for tensor in (self.offsets, self.means, self.squares, self.counts):
            tensor[slot] = 0
        self.numbers[slot] = torch.randint(len(self.examples), (), generator=generator)
        self.seeds[slot] = torch.randint(2**31, (), generator=generator)

    def _weights(self, slot: int) -> tuple[dict[str, Tensor], Tensor]:
        """Weights of a fit by name, as functions of start and step sizes; step sizes in a row."""
        start = dict(self.objective.named_parameters())
        rates = _inner_rates(self.objective)
        pieces = self.offsets[slot].clone().split([start[name].numel() for name in rates])
        weights, sizes = {}, []
        for (name, rate), piece in zip(rates.items(), pieces, strict=True):
            # An offset is a sum of moves, each times the step size.
            offset = piece.view_as(start[name]) * (rate / rate.detach())
            weights[name] = start[name] + offset
            sizes.append(rate.detach().float().expand_as(start[name]).flatten())
        return weights, torch.cat(sizes)


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
    example: Example, displacement: _Displacement, count: int, generator: torch.Generator
) -> tuple[Points, Tensor]:
    """Random points of a scan, displaced, with their classes."""
    which = torch.randint(len(example.points), (count,), generator=generator)
    points = example.points.take(which)
    return Points(displacement(points.positions), points.seen), example.classes[which]
