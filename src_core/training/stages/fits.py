"""Stage *fits*: every example fitted as at test time, from intensities alone."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from src_core.fitting.fit import Fit
from src_core.training import distributed
from src_core.training.cache import load_or_make

if TYPE_CHECKING:
    from torch import Tensor

    from src_core.networks.base import CoordinateNetwork
    from src_core.training.examples.example import Example
    from src_core.training.stages.examples import Examples
    from src_core.training.task import Task


def fit_examples(task: Task, network: CoordinateNetwork, examples: Examples) -> dict[str, Tensor]:
    """Fit every example from the start.

    Parameters
    ----------
    task : Task
    network : CoordinateNetwork
        At its start, as it is again at the end.
    examples : Examples

    Returns
    -------
    dict of Tensor, shape (weights,)
        Fitted weights by the example's name.
    """
    begin = network.fitted_vector()
    start = hashlib.sha256(begin.numpy().tobytes()).hexdigest()
    folder = task.settings.cache_folder / f"fits-{task.fit_fingerprint(network, start=start)}"

    def fitted(example: Example) -> Tensor:
        def make() -> Tensor:
            network.load_fitted(begin)
            for _ in Fit(network, example.points.to(network.device), task.whole_fit):
                pass
            return network.fitted_vector()

        weights: Tensor = load_or_make(folder / f"{example.name}.pt", make)
        return weights

    everything = examples.train + examples.val
    for example in distributed.progress(distributed.own(everything), "fits"):
        fitted(example)
    distributed.wait()
    weights = {example.name: fitted(example) for example in everything}
    network.load_fitted(begin)
    return weights
