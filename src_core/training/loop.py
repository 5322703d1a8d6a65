"""Long optimisation loops that an interruption does not harm."""

import csv
import math
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from src_core.adam import Adam
from src_core.errors import InputError

SAVE_EVERY = 100
"""Steps between two checkpoints."""
LOG_EVERY = 50
"""Steps between two rows of the log."""


def optimise(
    name: str,
    work: Path,
    parameters: Sequence[Tensor],
    rate: float | Sequence[float],
    steps: int,
    seed: int,
    loss_of: Callable[[torch.Generator], dict[str, Tensor]],
    judge: Callable[[], dict[str, float]] | None = None,
    judge_every: int = 500,
    carried: Sequence[Tensor] = (),
) -> None:
    """Minimise a random loss; goes on from the last checkpoint to the very same result.

    The step size rises over the first 2 % of the steps and falls along a cosine to a
    hundredth. In the work folder the log ``<name>.csv`` gets a row per `LOG_EVERY` steps and
    ``<name>-scores.csv`` one per judgement.

    Parameters
    ----------
    name : str
        Of the checkpoint, the log and the progress bar.
    work : Path
        Folder for them.
    parameters : sequence of Tensor
        Changed in place.
    rate : float or sequence of float
        Largest Adam step size, one for all or one per parameter.
    steps : int
    seed : int
    loss_of : callable
        Random generator -> named losses; the one called "loss" is made small.
    judge : callable, optional
        Gives figures of merit for the log.
    judge_every : int
        Steps between two judgements.
    carried : sequence of Tensor
        What `loss_of` itself changes in place from step to step; kept in the checkpoint.

    Raises
    ------
    InputError
        The loss is no longer finite; the last checkpoint is kept.
    """
    rates = [rate] * len(parameters) if isinstance(rate, float) else list(rate)
    for parameter in parameters:
        parameter.requires_grad_(True)
    adam = Adam(parameters)
    generator = torch.Generator().manual_seed(seed)
    checkpoint = work / f"{name}.checkpoint"
    first = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        first = state["step"]
        adam.load_state(state["adam"])
        generator.set_state(state["generator"])
        with torch.no_grad():
            for parameter, value in zip(parameters, state["parameters"], strict=True):
                parameter.copy_(value)
        for tensor, value in zip(carried, state.get("carried", []), strict=True):
            tensor.copy_(value)
    started = time.perf_counter()
    with tqdm(range(first, steps), initial=first, total=steps, desc=name, unit="step") as bar:
        for step in bar:
            adam.zero_grad()
            losses = loss_of(generator)
            if not math.isfinite(losses["loss"].item()):
                raise InputError(
                    f"{name}: the loss is not finite at step {step}; {checkpoint} stays"
                )
            losses["loss"].backward()
            warm = min(1.0, (step + 1) / (0.02 * steps))
            share = warm * (0.505 + 0.495 * math.cos(math.pi * step / steps))
            adam.step([share * largest for largest in rates])
            last = step + 1 == steps
            seconds = round(time.perf_counter() - started, 1)
            if judge is not None and (last or (step + 1) % judge_every == 0):
                scores = judge()
                tqdm.write(f"{name} {step + 1}: {_listed(scores)}")
                _log(work / f"{name}-scores.csv", {"step": step + 1, "seconds": seconds} | scores)
            if last or (step + 1) % LOG_EVERY == 0:
                figures = {key: value.item() for key, value in losses.items()}
                bar.set_postfix_str(_listed(figures))
                _log(work / f"{name}.csv", {"step": step + 1, "seconds": seconds} | figures)
            if last or (step + 1) % SAVE_EVERY == 0:
                state = {
                    "step": step + 1,
                    "adam": adam.state(),
                    "generator": generator.get_state(),
                    "parameters": [parameter.detach() for parameter in parameters],
                    "carried": list(carried),
                }
                torch.save(state, checkpoint.with_suffix(".part"))
                checkpoint.with_suffix(".part").replace(checkpoint)
    for parameter in parameters:
        parameter.requires_grad_(False)


def _listed(figures: dict[str, float]) -> str:
    return " ".join(f"{key} {value:.4f}" for key, value in figures.items())


def _log(path: Path, row: dict[str, float]) -> None:
    new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if new:
            writer.writeheader()
        writer.writerow({key: f"{value:.6g}" for key, value in row.items()})
