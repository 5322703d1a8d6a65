"""The `warped` family: a per-scan warp and appearance in front of a shared template network."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn
from typing_extensions import override

from src_core.networks.appearance import Appearance
from src_core.networks.base import NO_STAND_INS, CoordinateNetwork, FitError, StandIns
from src_core.networks.fourier import fourier_code
from src_core.networks.head import Head
from src_core.networks.template import GridTemplate, TemplateNetwork
from src_core.networks.warp import DisplacementGrids
from src_core.space.seen import BLURS, SEEN

if TYPE_CHECKING:
    from typing_extensions import Self

    from src_core.networks.settings import WarpedSettings
    from src_core.space.points import Points
    from src_core.space.template import TemplateImage

_FADE_IN = 0.1
FIRST_SEEN = (0.5, 0.3, 0.1, -_FADE_IN)
"""Share of the warp's iterations after which each blur counts: coarse ones first."""


class WarpedNetwork(CoordinateNetwork):
    """Warp and appearance of one scan, the template network, and a head.

    The head reads what the template network shows at the warped point, the scan's own intensities
    at and around it, and either the network's activations or codes of the positions.

    Parameters
    ----------
    settings : WarpedSettings
    """

    settings: WarpedSettings
    per_scan = ("displacement", "appearance")

    def __init__(self, settings: WarpedSettings):
        super().__init__()
        self.settings = settings
        self.template = TemplateNetwork(settings)
        self.head = Head(settings.head_inputs, settings.hidden, settings.classes)
        self.displacement = DisplacementGrids(settings.box, settings.spacings)
        self.appearance = Appearance(settings.box)

    @override
    def fitted_parameters(self) -> list[nn.Parameter]:
        return [
            *self.displacement.parameters(),
            *self.appearance.parameters(),
            *self.template.parameters(),
        ]

    @override
    def rates(self, iteration: int) -> list[float]:
        settings = self.settings
        done = iteration / settings.warp_iterations
        falling = max(1.0 - done, 0.1 / max(done, 1.0))
        following = max(0.0, done - 1.0)
        weights = settings.weight_rate * min(5 * following, 1.0 / (1.0 + following))
        return [
            *[settings.warp_rate * falling for _ in self.displacement.parameters()],
            *[settings.appearance_rate * falling for _ in self.appearance.parameters()],
            *[weights for _ in self.template.parameters()],
        ]

    @override
    def error(self, points: Points, iteration: int, stand_ins: StandIns = NO_STAND_INS) -> FitError:
        if stand_ins.warp is None:
            warped = self.warp(points.positions)
        else:
            displacement = self.displacement.look_up(stand_ins.warp, points.positions)
            warped = points.positions + displacement
        template = (stand_ins.template or self.template)(warped)
        own = self.appearance(points.seen[:, : len(BLURS)], points.positions)
        errors = (template - own).square().mean(0)
        progress = iteration / self.settings.warp_iterations
        weights = [min(max((progress - first) / _FADE_IN, 0.0), 1.0) for first in FIRST_SEEN]
        shares = (weight / sum(weights) for weight in weights)
        loss = torch.stack([share * error for share, error in zip(shares, errors, strict=True)])
        return FitError(loss.sum(), errors[0].detach())

    @property
    @override
    def picture_lasts(self) -> int:
        is_picture = isinstance(self.template, GridTemplate)
        return 0 if is_picture else self.settings.warp_iterations

    @override
    def whole_warp(self) -> Tensor | None:
        return self.displacement.total()

    @override
    def penalty(self) -> Tensor:
        return (
            self.settings.smoothness * self.displacement.roughness()
            + 1e-3 * self.appearance.distance_from_identity()
        )

    @override
    def bias_factors(self, positions: Tensor) -> Tensor:
        return self.appearance.bias_field(positions)

    @override
    def facing(self, picture: TemplateImage | None) -> Self:
        network = type(self)(self.settings)
        if picture is not None:
            network.add_module("template", GridTemplate(picture))
        return network

    @override
    def take_over_template(self, other: CoordinateNetwork) -> None:
        if not isinstance(other, WarpedNetwork):
            raise ValueError("the other network has no template network")
        try:
            self.template.load_state_dict(other.template.state_dict())
        except RuntimeError as error:
            raise ValueError("the other network has another width or depth") from error

    @override
    def warp(self, positions: Tensor) -> Tensor:
        displacement: Tensor = self.displacement(positions)
        return positions + displacement

    @override
    def template_intensity(self, positions: Tensor) -> Tensor:
        return self.template_intensities(positions)[:, 1]

    @override
    def template_intensities(self, positions: Tensor) -> Tensor:
        intensities: Tensor = self.template(positions)
        return intensities

    @override
    def activations(self, positions: Tensor) -> tuple[Tensor, ...]:
        return self.template.activations(positions)

    @override
    def read_intensity(self, activations: tuple[Tensor, ...], points: Points) -> Tensor:
        template = self.template.intensity(activations[-1])[:, 0]
        return self.appearance.to_scan(template, points.positions)

    @override
    def read_logits(
        self, activations: tuple[Tensor, ...], warped: Tensor, points: Points
    ) -> Tensor:
        settings = self.settings
        intensities, differences = points.seen.split([len(BLURS), SEEN - len(BLURS)], 1)
        read = [
            fourier_code(points.positions, settings.aligned_wavelengths),
            fourier_code(warped, settings.warped_wavelengths),
            *(activations if settings.reads_activations else ()),
            self.template.intensity(activations[-1]),
            self.appearance(intensities, points.positions),
            differences if settings.reads_activations else points.seen,
        ]
        scores: Tensor = self.head(torch.cat(read, 1))
        return scores
