"""What every family of coordinate networks can do."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn

from src_core.space.points import Points


class FitError(NamedTuple):
    """Error of a network on some points.

    Attributes
    ----------
    loss : Tensor
        Mean over the points of what the fit makes small.
    squared_error : Tensor
        Mean squared error of the unblurred intensity, in normalised units; gives the PSNR.
    """

    loss: Tensor
    squared_error: Tensor


class CoordinateNetwork(nn.Module, ABC):
    """A function of position in template millimetres that is fitted to one scan.

    Weights are *shared* (in the model file) or *per scan* (start at zero for each scan,
    submodules named in `per_scan`). Those that a fit changes are `fitted_parameters`.
    """

    per_scan: tuple[str, ...] = ()

    @abstractmethod
    def fitted_parameters(self) -> list[nn.Parameter]:
        """Weights that a fit changes, in a fixed order."""

    @abstractmethod
    def rates(self, iteration: int) -> Sequence[float | Tensor]:
        """Adam step sizes of each fitted parameter at an iteration (1 = the first step).

        A tensor holds one per weight.
        """

    @abstractmethod
    def error(self, points: Points, iteration: int) -> FitError:
        """Error on some points at an iteration; needs no labels."""

    def penalty(self) -> Tensor | None:
        """What is added to the loss once per step, whatever the points."""
        return None

    @abstractmethod
    def template_intensity(self, positions: Tensor) -> Tensor:
        """Intensities (N,) at template positions (N, 3) mm, as known before any fit."""

    @abstractmethod
    def activations(self, positions: Tensor) -> tuple[Tensor, ...]:
        """Outputs (N, width) of the sine layers at warped positions (N, 3) mm."""

    @abstractmethod
    def read_intensity(self, activations: tuple[Tensor, ...], points: Points) -> Tensor:
        """Normalised intensities of the scan, shape (N,), from the activations at its points."""

    @abstractmethod
    def read_logits(
        self, activations: tuple[Tensor, ...], warped: Tensor, points: Points
    ) -> Tensor:
        """Class scores, shape (N, classes), at the points of a scan.

        From the activations there and the `warped` positions (N, 3) of the points, template mm.
        """

    def reconstruct(self, points: Points) -> Tensor:
        """Normalised intensities of the scan as the network knows it, shape (N,)."""
        return self.read_intensity(self.activations(self.warp(points.positions)), points)

    def logits(self, points: Points) -> Tensor:
        """Class scores before the softmax, shape (N, classes), background first."""
        warped = self.warp(points.positions)
        return self.read_logits(self.activations(warped), warped, points)

    def warp(self, positions: Tensor) -> Tensor:
        """Template mm (N, 3) after the per-scan warp; the same positions where there is none."""
        return positions

    def fitted_vector(self) -> Tensor:
        """A copy of all fitted weights in one row, on the CPU."""
        return torch.cat([p.detach().flatten().cpu() for p in self.fitted_parameters()])

    @torch.no_grad()
    def load_fitted(self, vector: Tensor) -> None:
        """Take fitted weights from a row that `fitted_vector` made."""
        parameters = self.fitted_parameters()
        pieces = vector.split([parameter.numel() for parameter in parameters])
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.copy_(piece.view_as(parameter))

    def shared_state(self) -> dict[str, Tensor]:
        """Weights that belong into a model file."""
        return {
            name: value
            for name, value in self.state_dict().items()
            if name.split(".")[0] not in self.per_scan
        }
