"""Inner and outer loop: a start from which a few steps of a fit lead to good features.

For each scan an *inner loop* of Adam steps adapts the shared weights to random points of the
scan, as a fit does. The *outer loop* moves the shared weights so that the adapted ones do
better on other points of the same scan, in intensities and in labels.
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
        Adam steps of the inner loop; 0 trains the shared weights jointly on all scans.
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

    def losses_of(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = torch.randint(len(examples), (settings.scans_per_step,), generator=generator)
        found = []
        for number in chosen.tolist():
            batches = _batches(examples[number], settings, generator)
            adapted = adapt(objective, batches[:-1])
            found.append(torch.stack(functional_call(objective, adapted, batches[-1])))
        squared, labels = torch.stack(found).mean(0)
        loss = settings.intensity_weight * squared + labels
        return {"loss": loss, "squared_error": squared, "labels": labels}

    optimise("meta", work, list(start.values()), rates, settings.steps, seed, losses_of)


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
    factor = settings.inner_rate / network.settings.weight_rate
    start: dict[str, Tensor] = dict(objective.named_parameters())
    names = {id(parameter): name for name, parameter in start.items()}
    rates = {
        names[id(parameter)]: factor * size
        for parameter, size in zip(network.fitted_parameters(), network.step_sizes(), strict=True)
    }
    if joint:
        inner = torch.tensor(settings.inner_rate)
        rates |= {names[id(parameter)]: inner for parameter in network.head.parameters()}
    weights = {name: start[name] for name in rates}
    adam = _DifferentiableAdam()
    for points, classes in batches:
        at = weights
        if not second:
            at = {name: weight.detach().requires_grad_() for name, weight in weights.items()}
        errors = functional_call(objective, at, (points, classes if joint else None))
        loss = settings.intensity_weight * errors[0] + errors[1] if joint else errors[0]
        gradients = torch.autograd.grad(loss, list(at.values()), create_graph=second)
        moves = adam.moves(gradients)
        weights = {
            name: weight - rates[name] * move
            for (name, weight), move in zip(weights.items(), moves, strict=True)
        }
    return weights


class _DifferentiableAdam:
    """Adam (Kingma & Ba 2015) without changes in place, so that gradients go through it."""

    def __init__(self, betas: tuple[float, float] = (0.9, 0.999)):
        self.betas = betas
        self.count = 0
        self.means: list[Tensor] | None = None
        self.squares: list[Tensor] | None = None

    def moves(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        """What is to be subtracted from each tensor, times its step size."""
        first, second = self.betas
        if self.means is None or self.squares is None:
            self.means = [torch.zeros_like(gradient) for gradient in gradients]
            self.squares = [torch.zeros_like(gradient) for gradient in gradients]
        self.count += 1
        self.means = [m.lerp(g, 1 - first) for m, g in zip(self.means, gradients, strict=True)]
        self.squares = [
            second * s + (1 - second) * g.square()
            for s, g in zip(self.squares, gradients, strict=True)
        ]
        correction = (1 - second**self.count) ** 0.5 / (1 - first**self.count)
        # The root of zero has no slope; 1e-24 changes nothing beside the 1e-8 of Adam.
        return [
            correction * mean / ((square + 1e-24).sqrt() + 1e-8)
            for mean, square in zip(self.means, self.squares, strict=True)
        ]


def _batches(
    example: Example, settings: MetaSettings, generator: torch.Generator
) -> list[tuple[Points, Tensor]]:
    """Random points for each inner step and for the outer loss, all displaced alike."""
    displacement = _Displacement(settings, generator)
    found = []
    for _ in range(settings.inner_steps + 1):
        which = torch.randint(len(example.points), (settings.points_per_scan,), generator=generator)
        points = example.points.take(which)
        displaced = Points(displacement(points.positions), points.seen)
        found.append((displaced, example.classes[which]))
    return found


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
