"""Long optimisation loops that an interruption does not harm."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from tqdm import tqdm

from src_core.errors import InputError
from src_core.fitting.adam import Adam
from src_core.training import distributed
from src_core.training.cache import load, save_whole
from src_core.training.log import append_row, forget_after, listed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from torch import Tensor

    from src_core.training.settings import LoopSettings

SAVE_EVERY = 100
"""Steps between two checkpoints."""
LOG_EVERY = 50
"""Steps between two rows of the log."""


@dataclass(frozen=True, eq=False)
class LoopStep:
    """Where a loop is.

    Attributes
    ----------
    number : int
        Steps taken.
    losses : dict of Tensor
        From before the last one; empty where the loop begins.
    scores : dict of float or None
        Of the parameters as they are, where they were judged.
    """

    number: int
    losses: dict[str, Tensor] = field(default_factory=dict)
    scores: dict[str, float] | None = None


def optimise(
    name: str,
    work: Path,
    parameters: Sequence[Tensor],
    settings: LoopSettings,
    seed: int,
    loss_of: Callable[[torch.Generator], dict[str, Tensor]],
    judge: Callable[[], dict[str, float]] | None = None,
    shares: Sequence[float] | None = None,
    trained_before: bool = False,
) -> None:
    """Minimise a random loss as `descend` does, behind a progress bar."""
    steps = descend(name, work, parameters, settings, seed, loss_of, judge, shares, trained_before)
    begin, quiet = next(steps), distributed.rank() > 0
    with tqdm(
        initial=begin.number, total=settings.steps, desc=name, unit="step", disable=quiet
    ) as bar:
        for step in chain([begin], steps):
            bar.update(step.number - bar.n)
            if step.scores is not None and not quiet:
                tqdm.write(f"{name} {step.number}: {listed(step.scores)}")
            if step.losses and step.number % LOG_EVERY == 0:
                bar.set_postfix_str(listed(_figures(step.losses)))


def descend(
    name: str,
    work: Path,
    parameters: Sequence[Tensor],
    settings: LoopSettings,
    seed: int,
    loss_of: Callable[[torch.Generator], dict[str, Tensor]],
    judge: Callable[[], dict[str, float]] | None = None,
    shares: Sequence[float] | None = None,
    trained_before: bool = False,
) -> Iterator[LoopStep]:
    """Steps that minimise a random loss, from the last checkpoint to the very same result.

    In the work folder the log ``<name>.csv`` gets a row per `LOG_EVERY` steps and
    ``<name>-scores.csv`` one per judgement, whose highest "mean" tells which parameters stay.

    Parameters
    ----------
    name : str
        Name of checkpoint and logs in the folder `work`.
    work : Path
    parameters : sequence of Tensor
        Changed in place.
    settings : LoopSettings
    seed : int
        Seed of the generators.
    loss_of : callable
        Random generator -> named losses; the one called "loss" is made small.
    judge : callable, optional
        Gives figures of merit, the one called "mean" to be made large.
    shares : sequence of float, optional
        Step size of each parameter over that of the settings.
    trained_before : bool
        Judged before the first step too, they stay as they are if nothing gets better.

    Yields
    ------
    LoopStep
        Where it begins, and every step.

    Raises
    ------
    InputError
        The loss is no longer finite; the last checkpoint is kept.
    """
    for parameter in parameters:
        parameter.requires_grad_(True)
    loop = _Loop(name, work, parameters, settings, judge)
    loop.resume()
    yield LoopStep(loop.step, scores=loop.judge() if trained_before and loop.step == 0 else None)
    while loop.step < settings.steps and not loop.out_of_patience:
        # Each step and process draws from its own seed, so there is no state to keep.
        generator = torch.Generator().manual_seed(_mixed(seed, loop.step, distributed.rank()))
        losses = loop.take_step(loss_of, generator, shares)
        scores = loop.judge() if loop.is_judged else None
        loop.keep_if_due(losses)
        yield LoopStep(loop.step, losses, scores)
    loop.take_best()
    for parameter in parameters:
        parameter.requires_grad_(False)


class _Loop:
    """Parameters on their way: what a checkpoint holds, and the logs."""

    def __init__(
        self,
        name: str,
        work: Path,
        parameters: Sequence[Tensor],
        settings: LoopSettings,
        judge: Callable[[], dict[str, float]] | None,
    ):
        self.step = 0
        self._name = name
        self._adam = Adam(parameters)
        self._checkpoint = work / f"{name}.checkpoint"
        self._log, self._scores = work / f"{name}.csv", work / f"{name}-scores.csv"
        self._parameters = parameters
        self._settings = settings
        self._judge = judge
        self._best: list[Tensor] | None = None
        self._highest = -math.inf
        self._looks_since = 0
        self._seconds_before = 0.0
        self._started = time.perf_counter()

    @property
    def out_of_patience(self) -> bool:
        """Whether the last looks showed no improvement."""
        return 0 < self._settings.patience <= self._looks_since

    @property
    def is_judged(self) -> bool:
        """Whether the parameters are judged after the step that was taken."""
        return self._ended or self.step % self._settings.judge_every == 0

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one; what was logged after it is forgotten."""
        if self._checkpoint.exists():
            state: dict[str, Any] = load(self._checkpoint, self._parameters[0].device)
            self.step = state["step"]
            self._adam.load_state(state["adam"])
            self._put(state["parameters"])
            self._best, self._highest = state["best"], state["highest"]
            self._looks_since = state["looks_since"]
            self._seconds_before = state["seconds"]
        if distributed.rank() == 0:
            for path in (self._log, self._scores):
                # Without a checkpoint a judgement before the first step is made again.
                forget_after(path, self.step or -1)

    def take_step(
        self,
        loss_of: Callable[[torch.Generator], dict[str, Tensor]],
        generator: torch.Generator,
        shares: Sequence[float] | None,
    ) -> dict[str, Tensor]:
        """Move the parameters once; gives the losses from before."""
        self._adam.zero_grad()
        losses = loss_of(generator)
        if not math.isfinite(losses["loss"].item()):
            raise InputError(
                f"{self._name}: the loss is not finite at step {self.step}; "
                f"{self._checkpoint} stays"
            )
        losses["loss"].backward()
        distributed.average([p.grad for p in self._parameters if p.grad is not None])
        rate = self._settings.rate_at(self.step)
        self._adam.step([share * rate for share in shares or [1.0] * len(self._parameters)])
        self.step += 1
        return losses

    def judge(self) -> dict[str, float] | None:
        """Judge the parameters, if anything does, and keep them if they are the best so far."""
        if self._judge is None:
            return None
        scores = self._judge()
        if scores:
            self._looks_since += 1
            if scores["mean"] > self._highest:
                self._highest, self._looks_since = scores["mean"], 0
                self._best = [parameter.detach().clone() for parameter in self._parameters]
            if distributed.rank() == 0:
                append_row(self._scores, self.step, self._seconds(), scores)
        return scores

    def keep_if_due(self, losses: dict[str, Tensor]) -> None:
        """Log and save now and then, in the first process."""
        if distributed.rank() > 0:
            return
        if self._ended or self.step % LOG_EVERY == 0:
            append_row(self._log, self.step, self._seconds(), _figures(losses))
        if self._ended or self.out_of_patience or self.step % SAVE_EVERY == 0:
            self._save()

    def take_best(self) -> None:
        """Put the parameters back to where they were judged best."""
        if self._best is not None:
            self._put(self._best)

    @property
    def _ended(self) -> bool:
        return self.step == self._settings.steps

    def _save(self) -> None:
        state = {
            "step": self.step,
            "adam": self._adam.state(),
            "parameters": [parameter.detach() for parameter in self._parameters],
            "best": self._best,
            "highest": self._highest,
            "looks_since": self._looks_since,
            "seconds": self._seconds(),
        }
        save_whole(state, self._checkpoint)

    def _seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._started

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.copy_(value)


def _figures(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: value.item() for name, value in losses.items()}


def _mixed(*numbers: int) -> int:
    """A seed that differs whenever one of the numbers does."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
