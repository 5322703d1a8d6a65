"""What every family of coordinate networks can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from typing_extensions import Self

    from src_core.networks.head import Head
    from src_core.networks.settings import Architecture
    from src_core.space.points import Points
    from src_core.space.template import TemplateImage


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


class StandIns(NamedTuple):
    """What a fit asks in place of parts of a network, because it is quicker.

    Attributes
    ----------
    warp : Tensor or None
        What `CoordinateNetwork.whole_warp` gave, once per step.
    template : callable or None
        Template positions (N, 3) mm -> intensities as `CoordinateNetwork.template_intensities`
        tells them, while the template network stands still.
    """

    warp: Tensor | None = None
    template: Callable[[Tensor], Tensor] | None = None


NO_STAND_INS = StandIns()


class CoordinateNetwork(nn.Module, ABC):
    """A function of position in template millimetres that is fitted to one scan.

    Weights are *shared* (in the model file) or *per scan* (start at zero for each scan,
    submodules named in `per_scan`). Those that a fit changes are `fitted_parameters`.

    Attributes
    ----------
    settings : Architecture
        Its own, which also tell what training can do with the family.
    head : Head
        Reads the classes; no fit changes it.
    per_scan : tuple of str
    """

    settings: Architecture
    head: Head
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
    def error(self, points: Points, iteration: int, stand_ins: StandIns = NO_STAND_INS) -> FitError:
        """Error on some points at an iteration; needs no labels."""

    @property
    def picture_lasts(self) -> int:
        """Iterations of a fit over which a picture may stand in for the template network."""
        return 0

    def whole_warp(self) -> Tensor | None:
        """All weights of the per-scan warp in one tensor that is quick to look up, if they can be.

        A function of them, which gradients go through.
        """
        return None

    def penalty(self) -> Tensor | None:
        """What is added to the loss once per step, whatever the points."""
        return None

    @abstractmethod
    def template_intensity(self, positions: Tensor) -> Tensor:
        """Intensities (N,) at template positions (N, 3) mm, as known before any fit."""

    def template_intensities(self, positions: Tensor) -> Tensor:
        """All that it takes for the template, one column per blur that it knows, shape (N, C)."""
        return self.template_intensity(positions)[:, None]

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

    def bias_factors(self, positions: Tensor) -> Tensor:
        """Factors (N,) that undo the bias field at positions (N, 3); 1 if none is fitted."""
        return torch.ones(len(positions), device=positions.device)

    def facing(self, picture: TemplateImage | None) -> Self:
        """A new network of these settings that warps a scan onto a picture of the template.

        For families with a template network, in place of which the picture stands. With None the
        new one is not fitted, but tells where a scan lies before any warp.
        """
        raise NotImplementedError(f"{type(self).__name__} has no template network")

    def take_over_template(self, other: CoordinateNetwork) -> None:
        """Begin with the template network of another; for families that have one.

        Raises
        ------
        ValueError
            The other one is of another width or depth.
        """
        raise NotImplementedError(f"{type(self).__name__} has no template network")

    def step_sizes(self) -> list[Tensor]:
        """Adam step size of each fitted parameter; for families that can be meta-learned.

        One number each, or one per weight. Learned ones can be differentiated.
        """
        raise NotImplementedError(f"{type(self).__name__} can't be meta-learned")

    def learned_step_sizes(self) -> list[nn.Parameter]:
        """Logarithms of factors of the step sizes that are learned with the start."""
        return []

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        return next(self.parameters()).device

    def fitted_vector(self) -> Tensor:
        """A copy of all fitted weights in one row, on the CPU."""
        return torch.cat([p.detach().flatten().cpu() for p in self.fitted_parameters()])

    @torch.no_grad()
    def load_fitted(self, vector: Tensor) -> None:
        """Take fitted weights from a row that `fitted_vector` made."""
        parameters = self.fitted_parameters()
        # To a graphics card in one go.
        pieces = vector.to(self.device).split([parameter.numel() for parameter in parameters])
        for parameter, piece in zip(parameters, pieces, strict=True):
            parameter.copy_(piece.view_as(parameter))

    def shared_state(self) -> dict[str, Tensor]:
        """Weights that belong into a model file."""
        return {
            name: value
            for name, value in self.state_dict().items()
            if name.split(".")[0] not in self.per_scan
        }
