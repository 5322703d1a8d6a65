"""Files of examples: plain values and tensors, so that nothing in a file is ever executed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from src_core.space.bias import BiasField
from src_core.space.intensity import IntensityScale
from src_core.space.points import BrainPoints
from src_core.training.cache import ensure, load
from src_core.training.examples.example import Example

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def ensure_examples(path: Path, make: Callable[[], list[Example]]) -> None:
    """Make examples and write their file, if there is none."""
    ensure(path, lambda: [to_plain(example) for example in make()])


def load_examples(path: Path, make: Callable[[], list[Example]]) -> list[Example]:
    """Examples of a file, made and written if there is none.

    Raises
    ------
    InputError
        The file is of an earlier version.
    """
    ensure_examples(path, make)
    return [from_plain(values) for values in load(path)]


def to_plain(example: Example) -> dict[str, Any]:
    """An example as tensors, numbers and text by name."""
    points = example.points
    return {
        "name": example.name,
        "split": example.split,
        "variant": example.variant,
        "indices": points.indices,
        "to_template": points.to_template,
        "seen": points.seen,
        "scale_knots": points.scale.knots,
        "scale_goals": points.scale.goals,
        "bias_first": torch.from_numpy(points.bias.first),
        "bias_in_plane": torch.from_numpy(points.bias.in_plane),
        "bias_across": torch.from_numpy(points.bias.across),
        "bias_strength": points.bias.strength,
        "labels": example.labels,
        "mirrored": example.mirrored,
        "volume": example.volume,
        "synthetic": example.synthetic,
    }


def from_plain(values: dict[str, Any]) -> Example:
    """The example that `to_plain` made these values of."""
    bias = BiasField(
        values["bias_first"].numpy(),
        values["bias_in_plane"].numpy(),
        values["bias_across"].numpy(),
        values["bias_strength"],
    )
    points = BrainPoints(
        values["indices"],
        values["to_template"],
        values["seen"],
        IntensityScale(values["scale_knots"], values["scale_goals"]),
        bias,
    )
    return Example(
        values["name"],
        values["split"],
        values["variant"],
        points,
        values["labels"],
        values["mirrored"],
        values["volume"],
        values["synthetic"],
    )
