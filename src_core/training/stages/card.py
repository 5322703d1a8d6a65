"""Stage *model file*: the shared weights with their card."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src_core.models.bundled import bundled_models
from src_core.models.card import Card
from src_core.models.model import write_model
from src_core.training.losses import nan_mean

if TYPE_CHECKING:
    from src_core.networks.base import CoordinateNetwork
    from src_core.space.intensity import IntensityRule
    from src_core.training.task import Task

UNKNOWN_LICENCE = "not stated; that of the label maps may bind"


def write_card(
    task: Task, network: CoordinateNetwork, rule: IntensityRule, dice: list[list[float]]
) -> None:
    """Write the model file.

    Parameters
    ----------
    task : Task
    network : CoordinateNetwork
        Whose shared weights are written.
    rule : IntensityRule
    dice : list of list of float
        Dice of each foreground class in each validation scan.

    Raises
    ------
    InputError
        The file can't be written.
    """
    settings = task.settings
    slices = settings.examples.slices
    card = Card(
        name=settings.model_name,
        description=settings.description
        or f"T1-weighted, skull-stripped brain; {task.protocol.name}",
        architecture=network.settings,
        protocol=task.protocol,
        rule=rule,
        fit=replace(task.fit, seed=0),
        training=_training(task),
        scores=_scores(task, dice) or (scores_before(task.earlier.card) if task.earlier else {}),
        licence=settings.licence or (task.given.card.licence if task.given else UNKNOWN_LICENCE),
        slices=slices.where if slices else None,
        picture=_picture_model(task, network),
    )
    write_model(network, card, settings.output, settings.precision)


def _training(task: Task) -> dict[str, Any]:
    """What the card says of the training."""
    by_split: dict[str, list[str]] = {}
    for scan in task.scans:
        by_split.setdefault(scan.split, []).append(scan.name)
    training: dict[str, Any] = {
        "scans": by_split,
        "command": f"napari-metaseg train {task.settings.model_name}.toml",
        "seed": task.settings.seed,
    }
    if task.earlier:
        training["from_model"] = task.earlier.stamp
    if task.averaged:
        training["average_with"] = task.averaged.stamp
    return training


def _scores(task: Task, dice: list[list[float]]) -> dict[str, Any]:
    """What the card says of the scans that are not trained on; nothing of none."""
    mean = nan_mean(nan_mean(own) for own in dice)
    if math.isnan(mean):
        return {}
    by_structure = {
        structure.name: nan_mean(own)
        for structure, own in zip(task.protocol.structures, zip(*dice, strict=True), strict=True)
    }
    measured = "Dice on random points of the validation scans, mean over scans"
    trained = task.earlier.card.training_scans if task.earlier else ()
    if known := {scan.name for scan in task.scans if scan.split == "val"} & set(trained):
        measured += f"; training had begun on {', '.join(sorted(known))}"
    return {
        "measured": measured,
        "dice": {name: round(own, 4) for name, own in by_structure.items() if not math.isnan(own)},
        "mean_foreground": round(mean, 4),
    }


def scores_before(card: Card) -> dict[str, Any]:
    """Scores on the card of a model that was trained further without scans to judge by."""
    if not card.scores:
        return {}
    before = ", before it was trained further"
    measured = str(card.scores.get("measured", "")).removesuffix(before)
    return card.scores | {"measured": measured + before}


def _picture_model(task: Task, network: CoordinateNetwork) -> str | None:
    """Bundled model whose picture scans are aligned to, if it is not the network's own."""
    if task.earlier:
        return task.earlier.card.picture
    if task.template and not network.settings.has_template_network:
        return task.template.name if task.template.name in bundled_models() else None
    return None
