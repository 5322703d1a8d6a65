"""The `siren` family: the paper's network, every weight of which is fitted to the scan."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from src_core.networks.base import CoordinateNetwork, FitError
from src_core.networks.head import Head
from src_core.networks.sine import SineLayers
from src_core.space.points import Points


@dataclass(frozen=True)
class SirenSettings:
    """Architecture and step size of a `SirenNetwork`; stands in the model's card.

    Attributes
    ----------
    classes : int
        With background.
    width, depth : int
        Sine layers.
    omega : float
        Their frequency factor.
    scale : float
        Template mm that are 1 for the network.
    hidden : tuple of int
        Hidden layers of the head.
    weight_rate : float
        Adam step size of the fit; learned ones are factors of it.
    layer_rates : tuple of float
        Step size of each sine layer over `weight_rate`; empty: all alike. Late layers that stand
        almost still keep the meaning that the head has learnt.
    settled : int
        Iteration from which the step sizes fall with its square, so that a fit which goes on and on
        does not undo what the head reads.
    learned_rates : {"none", "layer", "weight"}
        Whether each layer's weights and biases, or every single weight, have a step size of
        their own, learned with the start and kept among the shared weights.
    box_low, box_high : tuple of 3 float
        Corners of the template box, mm.
    """

    classes: int
    width: int = 256
    depth: int = 5
    omega: float = 30.0
    scale: float = 100.0
    hidden: tuple[int, ...] = (256,)
    weight_rate: float = 1e-4
    layer_rates: tuple[float, ...] = ()
    settled: int = 100
    learned_rates: str = "none"
    box_low: tuple[float, float, float] = (-90.0, -126.0, -86.0)
    box_high: tuple[float, float, float] = (90.0, 92.0, 98.0)


class SirenNetwork(CoordinateNetwork):
    """Position -> sine layers -> intensity; the head reads the last sine layer.

    Parameters
    ----------
    settings : SirenSettings

    Raises
    ------
    ValueError
        `learned_rates` is none of the words it may be.

    References
    ----------
    Vyas, Veeraraghavan, Balakrishnan, MetaSeg, MICCAI 2025, arXiv 2510.04021.
    """

    def __init__(self, settings: SirenSettings):
        super().__init__()
        self.settings = settings
        self.sine = SineLayers(3, settings.width, settings.depth, settings.omega)
        self.intensity = nn.Linear(settings.width, 1)
        self.head = Head(settings.width, settings.hidden, settings.classes)
        if settings.learned_rates not in ("none", "layer", "weight"):
            raise ValueError(f"learned_rates is {settings.learned_rates!r}")
        if len(settings.layer_rates) not in (0, settings.depth):
            raise ValueError(f"layer_rates needs {settings.depth} numbers or none")
        # Logarithms, so that a step size stays positive; 0 is the step size of the settings.
        self.log_rates = nn.ParameterList()
        if settings.learned_rates != "none":
            single = settings.learned_rates == "weight"
            self.log_rates.extend(
                torch.zeros(weight.shape if single else ()) for weight in self.fitted_parameters()
            )

    def fitted_parameters(self) -> list[nn.Parameter]:
        return [*self.sine.parameters(), *self.intensity.parameters()]

    def step_sizes(self) -> list[Tensor]:
        """Adam step size of each fitted parameter, one number each or one per weight.

        Learned ones can be differentiated.
        """
        settings = self.settings
        layers = settings.layer_rates or (1.0,) * settings.depth
        shares = [*layers, *layers, 1.0, 1.0]  # weights, biases, and those of the intensity
        sizes = [
            torch.tensor(settings.weight_rate * share, dtype=torch.float64) for share in shares
        ]
        if settings.learned_rates == "none":
            return sizes
        return [size * rate.exp() for size, rate in zip(sizes, self.log_rates, strict=True)]

    def rates(self, iteration: int) -> list[float | Tensor]:
        falling = min(1.0, (self.settings.settled / iteration) ** 2)
        sizes = [falling * size.detach() for size in self.step_sizes()]
        return [size if size.ndim else size.item() for size in sizes]

    def error(self, points: Points, iteration: int) -> FitError:
        loss = (self.reconstruct(points) - points.seen[:, 0]).square().mean()
        return FitError(loss, loss.detach())

    def template_intensity(self, positions: Tensor) -> Tensor:
        return self.intensity(self.activations(positions)[-1])[:, 0]

    def activations(self, positions: Tensor) -> tuple[Tensor, ...]:
        return self.sine(positions / self.settings.scale)

    def read_intensity(self, activations: tuple[Tensor, ...], points: Points) -> Tensor:
        return self.intensity(activations[-1])[:, 0]

    def read_logits(
        self, activations: tuple[Tensor, ...], warped: Tensor, points: Points
    ) -> Tensor:
        return self.head(activations[-1])
