"""The `siren` family: the paper's network, every weight of which is fitted to the scan."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from typing_extensions import override

from src_core.networks.base import NO_STAND_INS, CoordinateNetwork, FitError, StandIns
from src_core.networks.head import Head
from src_core.networks.sine import SineLayers

if TYPE_CHECKING:
    from src_core.networks.settings import SirenSettings
    from src_core.space.points import Points


class SirenNetwork(CoordinateNetwork):
    """Position -> sine layers -> intensity; the head reads the last sine layer.

    Parameters
    ----------
    settings : SirenSettings

    References
    ----------
    Vyas, Veeraraghavan, Balakrishnan, MetaSeg, MICCAI 2025, arXiv 2510.04021.
    """

    settings: SirenSettings

    def __init__(self, settings: SirenSettings):
        super().__init__()
        self.settings = settings
        self.sine = SineLayers(3, settings.width, settings.depth, settings.omega)
        self.intensity = nn.Linear(settings.width, 1)
        self.head = Head(settings.head_inputs, settings.hidden, settings.classes)
        # Logarithms, so that a step size stays positive; 0 is the step size of the settings.
        self.log_rates = nn.ParameterList()
        if settings.learned_rates != "none":
            single = settings.learned_rates == "weight"
            self.log_rates.extend(
                torch.zeros(weight.shape if single else ()) for weight in self.fitted_parameters()
            )

    @override
    def fitted_parameters(self) -> list[nn.Parameter]:
        return [*self.sine.parameters(), *self.intensity.parameters()]

    def _sizes_in_settings(self) -> list[float]:
        """Step sizes of the fitted parameters, as they are before any is learned."""
        settings = self.settings
        layers = settings.layer_rates or (1.0,) * settings.depth
        shares = [*layers, *layers, 1.0, 1.0]  # weights, biases, and those of the intensity
        return [settings.weight_rate * share for share in shares]

    @override
    def step_sizes(self) -> list[Tensor]:
        sizes = self._sizes_in_settings()
        if self.settings.learned_rates == "none":
            return [torch.tensor(size, dtype=torch.float64) for size in sizes]
        return [size * rate.exp() for size, rate in zip(sizes, self.log_rates, strict=True)]

    @override
    def learned_step_sizes(self) -> list[nn.Parameter]:
        return list(self.log_rates)

    @override
    def rates(self, iteration: int) -> list[float | Tensor]:
        falling = min(1.0, (self.settings.settled / iteration) ** 2)
        if self.settings.learned_rates == "none":
            return [falling * size for size in self._sizes_in_settings()]
        return [falling * size.detach() for size in self.step_sizes()]

    @override
    def error(self, points: Points, iteration: int, stand_ins: StandIns = NO_STAND_INS) -> FitError:
        loss = (self.reconstruct(points) - points.seen[:, 0]).square().mean()
        return FitError(loss, loss.detach())

    @override
    def template_intensity(self, positions: Tensor) -> Tensor:
        intensity: Tensor = self.intensity(self.activations(positions)[-1])
        return intensity[:, 0]

    @override
    def activations(self, positions: Tensor) -> tuple[Tensor, ...]:
        activations: tuple[Tensor, ...] = self.sine(positions / self.settings.scale)
        return activations

    @override
    def read_intensity(self, activations: tuple[Tensor, ...], points: Points) -> Tensor:
        intensity: Tensor = self.intensity(activations[-1])
        return intensity[:, 0]

    @override
    def read_logits(
        self, activations: tuple[Tensor, ...], warped: Tensor, points: Points
    ) -> Tensor:
        scores: Tensor = self.head(activations[-1])
        return scores
