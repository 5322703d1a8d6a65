"""Fit a coordinate network to one scan, step by step."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from src_core.fitting.adam import Adam, can_move
from src_core.fitting.picture import draw_template
from src_core.fitting.workers import Workers
from src_core.networks.base import CoordinateNetwork, StandIns
from src_core.networks.sine import CHUNK
from src_core.space.seen import BLURS

if TYPE_CHECKING:
    from src_core.fitting.settings import FitSettings
    from src_core.space.points import BrainPoints, Points
    from src_core.space.template import TemplateImage

PICTURE_CHUNK = 3 * CHUNK
"""Points per call where a picture is looked up: little is kept, so that calls cost most."""
ASKING_SHARE = 0.5
"""Of the points of a step, those it takes where the network is asked and no picture looked up: it
costs four times as much, and as many points give no better labels."""
PROBES = 2048
"""Voxels whose labels are watched by the stop rule."""


@dataclass(frozen=True)
class Step:
    """One iteration, as told to whoever watches.

    Attributes
    ----------
    iteration : int
        1 is the first step.
    loss : float
        Loss on this step's points.
    psnr : float
        Of the reconstruction on this step's points, dB; the peak is 1 in normalised units.
    seconds : float
        Time this step took.
    change : float
        Share of the probes whose label changed per iteration since the last look; nan between
        looks.
    """

    iteration: int
    loss: float
    psnr: float
    seconds: float
    change: float


class Fit(Iterator[Step]):
    """The steps of a fit, taken one at a time.

    Pausing is not asking for the next step; asking again resumes. `stop` ends the fit after the
    step under way. The network always holds the weights of the last step taken.

    Parameters
    ----------
    network : CoordinateNetwork
        Changed in place.
    points : BrainPoints
        The scan, on the network's device.
    settings : FitSettings

    Attributes
    ----------
    iteration : int
        Steps taken so far.
    stop_reason : str
        Empty while there are steps to take; then "iterations", "labels stand still" or "stopped".
    """

    def __init__(self, network: CoordinateNetwork, points: BrainPoints, settings: FitSettings):
        self.network = network
        self.points = points
        self.settings = settings
        self.iteration = 0
        self.stop_reason = ""
        self._parameters = network.fitted_parameters()
        for parameter in network.parameters():
            parameter.requires_grad_(False)
        for parameter in self._parameters:
            parameter.requires_grad_(True)
        self._adam = Adam(self._parameters)
        self._workers = Workers(points.indices.device)
        self._generator = torch.Generator().manual_seed(settings.seed)
        count = len(points)
        self._probes = points.take(self._draw(min(PROBES, count)))
        self._picture: TemplateImage | None = None
        self._labels: torch.Tensor | None = None
        self._still = 0

    def stop(self) -> None:
        """End the fit before the next step."""
        self.stop_reason = self.stop_reason or "stopped"

    def __next__(self) -> Step:
        if not self.stop_reason and self.iteration >= self.settings.iterations:
            self.stop_reason = "iterations"
        if self.stop_reason:
            raise StopIteration
        started = time.perf_counter()
        # Drawn by the caller: the single thread would keep the memory that drawing needs.
        template = self._template(self.iteration + 1)
        loss, squared_error = self._workers.alone(
            lambda: self._descend(self.iteration + 1, template)
        )
        self.iteration += 1
        look_every = self.settings.look_every
        looks = look_every > 0 and self.iteration % look_every == 0
        change = self._look() if looks else math.nan
        psnr = -10 * math.log10(max(squared_error, 1e-12))
        return Step(self.iteration, loss, psnr, time.perf_counter() - started, change)

    def _draw(self, count: int) -> torch.Tensor:
        device = self.points.indices.device
        return torch.randint(len(self.points), (count,), generator=self._generator).to(device)

    def _descend(
        self, iteration: int, template: Callable[[torch.Tensor], torch.Tensor] | None
    ) -> tuple[float, float]:
        """One Adam step; returns the loss and the squared error before it."""
        asks_late = template is None and self.network.picture_lasts > 0
        share = ASKING_SHARE if asks_late else 1.0
        drawn = self._draw(math.ceil(share * self.settings.points))
        rates = self.network.rates(iteration)
        # A weight that stands still needs no gradient: that halves the early steps' work.
        for parameter, rate in zip(self._parameters, rates, strict=True):
            parameter.requires_grad_(can_move(rate))
        leaves: list[torch.Tensor] = [p for p in self._parameters if p.requires_grad]
        warp = self.network.whole_warp()
        looked_up = None if warp is None else warp.detach().requires_grad_()
        if looked_up is not None:
            leaves.append(looked_up)
        stand_ins = StandIns(looked_up, template)

        def descend(numbers: torch.Tensor) -> list[torch.Tensor]:
            piece = self.points.take(numbers, len(BLURS))
            error = self.network.error(piece, iteration, stand_ins)
            loss = len(piece) / len(drawn) * error.loss
            squared_error = len(piece) / len(drawn) * error.squared_error
            gradients = torch.autograd.grad(loss, leaves, materialize_grads=True)
            return [loss.detach(), squared_error, *gradients]

        def descend_in_pieces(size: int) -> list[torch.Tensor]:
            if stand_ins.template is not None:
                size = max(size, PICTURE_CHUNK)
            # Summed in the order of the pieces, so that the number of threads changes nothing.
            first, *others = self._workers.map(descend, drawn.split(size))
            for part in others:
                torch._foreach_add_(first, part)
            return first

        loss, squared_error, *gradients = self._workers.in_pieces(descend_in_pieces)
        for leaf, gradient in zip(leaves, gradients, strict=True):
            leaf.grad = gradient
        if warp is not None:
            # Not ``warp.backward(gradient)``, for which torch imports a computer algebra system.
            (warp * gradients[-1]).sum().backward()
        penalty = self.network.penalty()
        if penalty is not None:
            penalty.backward()
            loss = loss + penalty.detach()
        self._adam.step(rates)
        # The only time that another device is waited for.
        told = torch.stack([loss, squared_error]).tolist()
        return told[0], told[1]

    def _template(self, iteration: int) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """A picture that stands in for the template network at an iteration, if one may."""
        if iteration > self.network.picture_lasts:
            self._picture = None
        elif self._picture is None:
            self._picture = draw_template(self.network, self.points, self._workers)
        return None if self._picture is None else self._picture.at

    @torch.no_grad()
    def _read(self, points: Points) -> torch.Tensor:
        """Classes of some points, (n,)."""
        return self.network.logits(points).argmax(1)

    def _look(self) -> float:
        """Share of the probes that changed per iteration; ends the fit when they stand still."""
        # Smaller pieces than elsewhere, so that there is one for each core.
        pieces = self._probes.split(PROBES // 4)
        labels = torch.cat(list(self._workers.map(self._read, pieces)))
        before, self._labels = self._labels, labels
        if before is None:
            return math.nan
        change = (labels != before).float().mean().item() / self.settings.look_every
        self._still = self._still + 1 if change < self.settings.tolerance else 0
        earliest = self.settings.earliest_stop
        if earliest is not None and self.iteration >= earliest and self._still >= 2:
            self.stop_reason = "labels stand still"
        return change
