"""Long optimisation loops that an interruption does not harm."""

from __future__ import annotations

import csv
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from src_core.errors import InputError
from src_core.fitting.adam import Adam
from src_core.io.files import complete_files
from src_core.training import distributed
from src_core.training.cache import save_whole

SAVE_EVERY = 100
"""Steps between two checkpoints."""
LOG_EVERY = 50
"""Steps between two rows of the log."""


@dataclass(frozen=True)
class LoopSettings:
    """How long and how fast a loss is made small.

    Attributes
    ----------
    steps : int
    rate : float
        Largest Adam step size; it rises over the first 2 % of the steps and falls along a cosine
        to a hundredth.
    scans : int
        Examples per step and process.
    points : int
        Random points of each.
    judge_every : int
        Steps between two looks at the scans that are not trained on.
    patience : int
        Looks without improvement after which the loop ends early; 0: it never does.

    Raises
    ------
    InputError
        A value is out of range.
    """

    steps: int = 3000
    rate: float = 1e-3
    scans: int = 8
    points: int = 2048
    judge_every: int = 500
    patience: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "scans", "points", "judge_every"):
            if getattr(self, name) < 1:
                raise InputError(f"{name}: {getattr(self, name)} is not a positive number")
        if self.rate <= 0 or self.patience < 0:
            raise InputError("rate must be above 0, patience 0 or more")

    def rate_at(self, step: int) -> float:
        """Adam step size at a step, the first being 0."""
        warm = min(1.0, (step + 1) / (0.02 * self.steps))
        return self.rate * warm * (0.505 + 0.495 * math.cos(math.pi * step / self.steps))


def optimise(
    name: str,
    work: Path,
    parameters: Sequence[Tensor],
    settings: LoopSettings,
    seed: int,
    loss_of: Callable[[torch.Generator], dict[str, Tensor]],
    judge: Callable[[], dict[str, float]] | None = None,
    shares: Sequence[float] | None = None,
) -> None:
    """Minimise a random loss; goes on from the last checkpoint to the very same result.

    In the work folder the log ``<name>.csv`` gets a row per `LOG_EVERY` steps and
    ``<name>-scores.csv`` one per judgement. With a judge the parameters end as they were when
    its "mean" was highest.

    Parameters
    ----------
    name : str
        Of the checkpoint, the log and the progress bar.
    work : Path
        Folder for them.
    parameters : sequence of Tensor
        Changed in place.
    settings : LoopSettings
    seed : int
    loss_of : callable
        Random generator -> named losses; the one called "loss" is made small.
    judge : callable, optional
        Gives figures of merit, the one called "mean" to be made large.
    shares : sequence of float, optional
        Step size of each parameter over that of the settings; by default 1.

    Raises
    ------
    InputError
        The loss is no longer finite; the last checkpoint is kept.
    """
    for parameter in parameters:
        parameter.requires_grad_(True)
    loop = _Loop(name, work, parameters, settings, judge)
    loop.resume()
    first = distributed.rank() == 0
    steps = settings.steps
    with tqdm(
        range(loop.step, steps), initial=loop.step, total=steps, desc=name, unit="step",
        disable=not first,
    ) as bar:  # fmt: skip
        for step in bar:
            if loop.out_of_patience:
                break
            # Each step and process draws from its own seed, so there is no state to keep.
            generator = torch.Generator().manual_seed(_mixed(seed, step, distributed.rank()))
            loop.adam.zero_grad()
            losses = loss_of(generator)
            if not math.isfinite(losses["loss"].item()):
                raise InputError(
                    f"{name}: the loss is not finite at step {step}; {loop.checkpoint} stays"
                )
            losses["loss"].backward()
            moving = [p.grad for p in parameters if p.grad is not None]
            distributed.average(moving)
            rate = settings.rate_at(step)
            loop.adam.step([share * rate for share in shares or [1.0] * len(parameters)])
            loop.step = step + 1
            last = loop.step == steps
            if judge is not None and (last or loop.step % settings.judge_every == 0):
                scores = loop.look()
                if first:
                    tqdm.write(f"{name} {loop.step}: {_listed(scores)}")
            if first and (last or loop.step % LOG_EVERY == 0):
                figures = {key: value.item() for key, value in losses.items()}
                bar.set_postfix_str(_listed(figures))
                loop.log("", figures)
            if first and (last or loop.out_of_patience or loop.step % SAVE_EVERY == 0):
                loop.save()
    loop.take_best()
    for parameter in parameters:
        parameter.requires_grad_(False)


class _Loop:
    """What a checkpoint holds, and its logs."""

    def __init__(
        self,
        name: str,
        work: Path,
        parameters: Sequence[Tensor],
        settings: LoopSettings,
        judge: Callable[[], dict[str, float]] | None,
    ):
        self.adam = Adam(parameters)
        self.checkpoint = work / f"{name}.checkpoint"
        self.step = 0
        self._logs = {what: work / f"{name}{what}.csv" for what in ("", "-scores")}
        self._parameters = parameters
        self._patience = settings.patience
        self._judge = judge
        self._best: list[Tensor] | None = None
        self._highest = -math.inf
        self._looks_since = 0
        self._seconds_before = 0.0
        self._started = time.perf_counter()

    @property
    def out_of_patience(self) -> bool:
        return 0 < self._patience <= self._looks_since

    def resume(self) -> None:
        """Go on from the checkpoint, if there is one; what was logged after it is forgotten."""
        if self.checkpoint.exists():
            state: dict[str, Any] = torch.load(
                self.checkpoint, map_location=self._parameters[0].device, weights_only=True
            )
            self.step = state["step"]
            self.adam.load_state(state["adam"])
            self._put(state["parameters"])
            self._best, self._highest = state["best"], state["highest"]
            self._looks_since = state["looks_since"]
            self._seconds_before = state["seconds"]
        if distributed.rank() == 0:
            for path in self._logs.values():
                _forget_after(path, self.step)

    def save(self) -> None:
        state = {
            "step": self.step,
            "adam": self.adam.state(),
            "parameters": [parameter.detach() for parameter in self._parameters],
            "best": self._best,
            "highest": self._highest,
            "looks_since": self._looks_since,
            "seconds": self._seconds(),
        }
        save_whole(state, self.checkpoint)

    def look(self) -> dict[str, float]:
        """Judge the parameters, and keep them if they are the best so far."""
        assert self._judge is not None
        scores = self._judge()
        if scores:
            self._looks_since += 1
            if scores["mean"] > self._highest:
                self._highest, self._looks_since = scores["mean"], 0
                self._best = [parameter.detach().clone() for parameter in self._parameters]
            if distributed.rank() == 0:
                self.log("-scores", scores)
        return scores

    def take_best(self) -> None:
        if self._best is not None:
            self._put(self._best)

    def log(self, what: str, figures: dict[str, float]) -> None:
        row = {"step": self.step, "seconds": round(self._seconds(), 1)} | figures
        path = self._logs[what]
        new = not path.exists()
        with path.open("a", newline="") as file:
            writer = csv.DictWriter(file, row)
            if new:
                writer.writeheader()
            writer.writerow(
                {key: f"{v:.6g}" if isinstance(v, float) else v for key, v in row.items()}
            )

    def _seconds(self) -> float:
        return self._seconds_before + time.perf_counter() - self._started

    @torch.no_grad()
    def _put(self, values: Sequence[Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.copy_(value)


def _mixed(*numbers: int) -> int:
    """A seed that differs whenever one of the numbers does."""
    return int(np.random.SeedSequence(numbers).generate_state(1, np.uint64)[0] >> 1)


def _listed(figures: dict[str, float]) -> str:
    return " ".join(f"{key} {value:.4f}" for key, value in figures.items())


def _forget_after(path: Path, step: int) -> None:
    """Drop the rows of a log that lie after a step."""
    if path.exists():
        heading, *rows = path.read_text().splitlines(keepends=True) or [""]
        # A full disk may have cut the last row short.
        kept = [row for row in rows if row.endswith("\n") and int(row.split(",")[0]) <= step]
        with complete_files([path], overwrite=True) as (file,):
            file.write_text("".join([heading, *kept]))
