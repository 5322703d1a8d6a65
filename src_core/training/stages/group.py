"""Stage *group*: the mean of all scans, sharpened by warping each of them onto it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch

from src_core.fitting.decode import decode
from src_core.fitting.fit import Fit
from src_core.space.seen import BLURS
from src_core.space.template import TemplateImage
from src_core.training import distributed
from src_core.training.cache import ensure, load_or_make
from src_core.training.group_mean import GroupMean

if TYPE_CHECKING:
    from torch import Tensor

    from src_core.networks.base import CoordinateNetwork
    from src_core.training.stages.examples import Examples
    from src_core.training.task import Task


@dataclass(frozen=True, eq=False)
class Group:
    """What a group of scans has in common.

    Attributes
    ----------
    picture : TemplateImage
        The mean picture, one channel per blur.
    positions : dict of Tensor, shape (N, 3)
        Where in it the points of each example lie at last, template mm, by the example's name.
    """

    picture: TemplateImage
    positions: dict[str, Tensor]


def make_group(task: Task, network: CoordinateNetwork, examples: Examples) -> Group:
    """Warp the plain and mirrored training scans onto their mean, round by round.

    Parameters
    ----------
    task : Task
    network : CoordinateNetwork
        Of a family with a template network; it stays as it is.
    examples : Examples
    """
    settings = task.settings
    fingerprint = task.fit_fingerprint(network, rounds=settings.rounds)
    path = settings.cache_folder / f"group-{fingerprint}.pt"

    def make() -> dict[str, Any]:
        return _to_plain(_warped_onto_mean(task, network, examples))

    if distributed.rank() == 0:
        ensure(path, make)
    distributed.wait()
    return _from_plain(load_or_make(path, make))


def _warped_onto_mean(task: Task, network: CoordinateNetwork, examples: Examples) -> Group:
    settings = network.settings
    fit = replace(task.fit, iterations=settings.warp_iterations, look_every=0)
    positions: dict[str, Tensor] = {}
    picture: TemplateImage | None = None
    for turn in range(task.settings.rounds + 1):
        mean = GroupMean(settings.box_low, settings.box_high)
        for example in distributed.progress(examples.plain, f"group {turn}"):
            single = network.facing(picture)
            if picture is not None:
                for _ in Fit(single, example.points, fit):
                    pass
            warped = torch.from_numpy(decode(single, example.points, "positions"))
            positions[example.name] = warped
            everything = example.points.take(slice(None))
            bias = single.bias_factors(everything.positions).detach()
            mean.add(example.volume, warped, everything.seen[:, : len(BLURS)] * bias[:, None])
        if picture is None or turn < task.settings.rounds:
            picture = mean.image()
    assert picture is not None
    return Group(picture, positions)


def _to_plain(group: Group) -> dict[str, Any]:
    picture = group.picture
    return {
        "values": picture.values,
        "origin": picture.origin,
        "spacing": picture.spacing,
        "positions": group.positions,
    }


def _from_plain(values: dict[str, Any]) -> Group:
    picture = TemplateImage(values["values"], values["origin"], values["spacing"])
    return Group(picture, values["positions"])
