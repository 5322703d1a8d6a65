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


@dataclass(frozen=True, eq=False)
class Descent:
    """A random loss that is made small, step by step.

    In the work folder the log ``<name>.csv`` gets a row per `LOG_EVERY` steps and
    ``<name>-scores.csv`` one per judgement, whose highest "mean" tells which parameters stay.

    Attributes
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
    """

    name: str
    work: Path
    parameters: Sequence[Tensor]
    settings: LoopSettings
    seed: int
    loss_of: Callable[[torch.Generator], dict[str, Tensor]]
    judge: Callable[[], dict[str, float]] | None = None
    shares: Sequence[float] | None = None
    trained_before: bool = False

    def steps(self) -> Iterator[LoopStep]:
        """Steps from the last checkpoint to the very same result.

        Yields
        ------
        LoopStep
            Where it begins, and every step.

        Raises
        ------
        InputError
            The loss is no longer finite; the last checkpoint is kept.
        """
        for parameter in self.parameters:
            parameter.requires_grad_(True)
        loop = _Loop(self)
        loop.resume()
        judged = self.trained_before and loop.step == 0
        yield LoopStep(loop.step, scores=loop.judge() if judged else None)
        while loop.step < self.settings.steps and not loop.out_of_patience:
            losses = loop.take_step()
            scores = loop.judge() if loop.is_judged else None
            loop.keep_if_due(losses)
            yield LoopStep(loop.step, losses, scores)
        loop.take_best()
        for parameter in self.parameters:
            parameter.requires_grad_(False)

    def run(self) -> None:
        """Take all steps, behind a progress bar.

        Raises
        ------
        InputError
            As `steps`.
        """
        steps = self.steps()
        begin, quiet = next(steps), distributed.rank() > 0
        with tqdm(
            initial=begin.number,
            total=self.settings.steps,
            desc=self.name,
            unit="step",
            disable=quiet,
        ) as bar:
            for step in chain([begin], steps):
                bar.update(step.number - bar.n)
                if step.scores is not None and not quiet:
                    tqdm.write(f"{self.name} {step.number}: {listed(step.scores)}")
                if step.losses and step.number % LOG_EVERY == 0:
                    bar.set_postfix_str(listed(_figures(step.losses)))


class _Loop:
    """Parameters on their way: what a checkpoint holds, and the logs."""

    def __init__(self, descent: Descent):
        name, work = descent.name, descent.work
        self.step = 0
        self._descent = descent
        self._adam = Adam(descent.parameters)
        self._checkpoint = work / f"{name}.checkpoint"
        self._log, self._scores = work / f"{name}.csv", work / f"{name}-scores.csv"
        self._best: list[Tensor] | None = None
        self._highest = -math.inf
        self._looks_since = 0
        self._seconds_before = 0.0
        self._started = time.perf_counter()

    @property
    def out_of_patience(self) -> bool:
        """Whether the last looks showed no improvement."""
        return 0 < self._descent.settings.patience <= self._looks_since

    @property
    def is_judged(self) -> bool:
        """Whether the parameters are judged after the step that was taken."""
        return self._ended or self.step % self._descent.settings.judge_every == 0

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one; what was logged after it is forgotten."""
        if self._checkpoint.exists():
            state: dict[str, Any] = load(self._checkpoint, self._descent.parameters[0].device)
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

    def take_step(self) -> dict[str, Tensor]:
        """Move the parameters once; gives the losses from before."""
        descent, parameters = self._descent, self._descent.parameters
        # Each step and process draws from its own seed, so there is no state to keep.
        seed = _mixed(descent.seed, self.step, distributed.rank())
        self._adam.zero_grad()
        losses = descent.loss_of(torch.Generator().manual_seed(seed))
        if not math.isfinite(losses["loss"].item()):
            raise InputError(
                f"{descent.name}: the loss is not finite at step {self.step}; "
                f"{self._checkpoint} stays"
            )
        losses["loss"].backward()
        distributed.average([p.grad for p in parameters if p.grad is not None])
        rate = descent.settings.rate_at(self.step)
        self._adam.step([share * rate for share in descent.shares or [1.0] * len(parameters)])
        self.step += 1
        return losses

    def judge(self) -> dict[str, float] | None:
        """Judge the parameters, if anything does, and keep them if they are the best so far."""
        if self._descent.judge is None:
            return None
        scores = self._descent.judge()
        if scores:
            self._looks_since += 1
            if scores["mean"] > self._highest:
                self._highest, self._looks_since = scores["mean"], 0
                self._best = [parameter.detach().clone() for parameter in self._descent.parameters]
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
        return self.step == self._descent.settings.steps

    def _save(self) -> None:
        state = {
            "step": self.step,
            "adam": self._adam.state(),
            "parameters": [parameter.detach() for parameter in self._descent.parameters],
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
        for parameter, value in zip(self._descent.parameters, values, strict=True):
            parameter.copy_(value)


def _figures(losses: dict[str, Tensor]) -> dict[str, float]:
    return {name: value.item() for name, value in losses.items()}


def _mixed(*numbers: int) -> int:
    """A seed that differs whenever one of the numbers does."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)
