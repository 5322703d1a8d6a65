"""Stage *meta*: the start, moved to where a few steps of a fit lead to good features.

For each scan an *inner loop* of Adam steps adapts the shared weights to random points of the
scan, as a fit does. The *outer loop* moves the shared weights so that the adapted ones do
better on other points of the same scan, in intensities and in labels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.func import functional_call

from src_core.space.points import BrainPoints, Points
from src_core.training.displacement import Displacement
from src_core.training.draws import draw_numbers
from src_core.training.inner_loop import Objective, adapt
from src_core.training.loop import Descent

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from torch import Tensor

    from src_core.networks.base import CoordinateNetwork
    from src_core.training.settings import LoopSettings, MetaSettings


def meta_train(
    network: CoordinateNetwork,
    examples: Sequence[tuple[BrainPoints, Tensor]],
    settings: MetaSettings,
    loop: LoopSettings,
    work: Path,
    seed: int,
) -> None:
    """Meta-learn the shared weights; an interrupted run goes on to the very same result.

    Parameters
    ----------
    network : CoordinateNetwork
        Of a family that can be meta-learned; its start, head and learned step sizes are changed in
        place.
    examples : sequence of (BrainPoints, Tensor of shape (N,))
        Scans to train on, with the class of each point.
    settings : MetaSettings
    loop : LoopSettings
        Of the outer loop; its points serve each inner step, and as many other ones the outer loss.
    work : Path
        Folder of the checkpoint and the log, both named "meta".
    seed : int

    Raises
    ------
    InputError
        The loss is no longer finite; the last checkpoint is kept.

    References
    ----------
    Vyas, Veeraraghavan, Balakrishnan, MetaSeg, MICCAI 2025, arXiv 2510.04021. Finn et al.,
    Model-Agnostic Meta-Learning, ICML 2017. Li et al., Meta-SGD, arXiv 1707.09835.
    """
    objective = Objective(network, settings)
    parameters = list(objective.parameters())
    own_shares = {id(weight): settings.head_rate for weight in network.head.parameters()}
    own_shares |= {id(size): settings.log_rate_rate for size in network.learned_step_sizes()}
    shares = [own_shares.get(id(parameter), 1.0) for parameter in parameters]

    def losses_of(generator: torch.Generator) -> dict[str, Tensor]:
        chosen = torch.randint(len(examples), (loop.scans,), generator=generator).tolist()
        errors = [
            _errors_after(objective, points, classes, loop.points, generator)
            for points, classes in (examples[n] for n in chosen)
        ]
        squared, labels = torch.stack(errors).mean(0)
        loss = settings.intensity_weight * squared + labels
        return {"loss": loss, "squared_error": squared, "labels": labels}

    Descent("meta", work, parameters, loop, seed, losses_of, shares=shares).run()


def _errors_after(
    objective: Objective,
    points: BrainPoints,
    classes: Tensor,
    count: int,
    generator: torch.Generator,
) -> Tensor:
    """Errors of intensities and labels after an inner loop, on points not seen in it."""
    displacement = Displacement(objective.settings, generator)
    batches = [
        _draw(points, classes, displacement, count, generator)
        for _ in range(objective.settings.inner_steps + 1)
    ]
    device = objective.network.device
    moved = [(drawn.to(device), own.to(device)) for drawn, own in batches]
    return torch.stack(functional_call(objective, adapt(objective, moved[:-1]), moved[-1]))


def _draw(
    points: BrainPoints,
    classes: Tensor,
    displacement: Displacement,
    count: int,
    generator: torch.Generator,
) -> tuple[Points, Tensor]:
    """Random points of a scan, displaced, with their classes."""
    numbers = draw_numbers(len(points), count, generator)
    drawn = points.take(numbers)
    return Points(displacement(drawn.positions), drawn.seen), classes[numbers]
