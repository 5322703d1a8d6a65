"""What a scan is compared with: the template network, or a picture in its place."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import Tensor, nn

from src_core.networks.sine import SineLayers
from src_core.space.seen import BLURS

if TYPE_CHECKING:
    from src_core.networks.settings import WarpedSettings
    from src_core.space.template import TemplateImage


class TemplateNetwork(nn.Module):
    """Position -> sine layers -> template intensities, one per blur."""

    def __init__(self, settings: WarpedSettings):
        super().__init__()
        self.scale = settings.scale
        self.sine = SineLayers(3, settings.width, settings.depth, settings.omega)
        self.intensity = nn.Linear(settings.width, len(BLURS))

    def activations(self, positions: Tensor) -> tuple[Tensor, ...]:
        """Outputs of the sine layers at template positions (N, 3) mm."""
        activations: tuple[Tensor, ...] = self.sine(positions / self.scale)
        return activations

    def forward(self, positions: Tensor) -> Tensor:
        """Template intensities (N, len(BLURS))."""
        intensities: Tensor = self.intensity(self.activations(positions)[-1])
        return intensities


class GridTemplate(nn.Module):
    """Template intensities looked up in a picture; stands in for the template network.

    Parameters
    ----------
    image : TemplateImage
        One channel per blur.
    """

    def __init__(self, image: TemplateImage):
        super().__init__()
        self.image = image

    def forward(self, positions: Tensor) -> Tensor:
        """Template intensities (N, len(BLURS)) at template positions (N, 3) mm."""
        return self.image.at(positions)
