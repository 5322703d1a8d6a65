"""Model files: weights, and the card that says what they are; read without torch.

A model file is a safetensors file whose metadata holds the card as JSON. Nothing in it is
ever executed, and everything is checked before it is used.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors import SafetensorError, safe_open

from src_core.errors import InputError
from src_core.models.card import Card

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True, eq=False)
class ModelFile:
    """What a model file holds.

    Attributes
    ----------
    card : Card
    fields : dict
        The card as it stands in the file, which may leave out what is usual.
    weights : dict of ndarray
        Shared weights by name.
    path : Path
    """

    card: Card
    fields: dict[str, Any]
    weights: dict[str, np.ndarray]
    path: Path

    @cached_property
    def sha256(self) -> str:
        """Checksum of the file."""
        return hashlib.sha256(self.path.read_bytes()).hexdigest()


def read_model_file(path: Path) -> ModelFile:
    """Read a model file and check all of it.

    Raises
    ------
    InputError
        It is missing or damaged, its card is wrong, or its weights are not those of its network.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such model file")
    try:
        with safe_open(path, framework="np") as file:
            metadata = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except (SafetensorError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise InputError(f"{path}: damaged model file ({error}); get it again") from error
    try:
        fields = json.loads(metadata["card"])
        card = Card.from_json(fields)
        check_weights(card, weights)
    except (InputError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise InputError(f"{path}: not a model of this program: {error}") from error
    return ModelFile(card, fields, weights, path)


def check_weights(card: Card, weights: Mapping[str, np.ndarray]) -> None:
    """Refuse weights that are not those of the card's network.

    Raises
    ------
    InputError
        A weight is missing, unknown, of another shape or not finite.
    """
    expected = card.architecture.shared_shapes()
    found = {name: values.shape for name, values in weights.items()}
    for name in sorted(expected.keys() | found.keys()):
        if expected.get(name) != found.get(name):
            raise InputError(
                f"weight {name!r} has shape {found.get(name)} instead of {expected.get(name)}"
            )
    if not all(np.isfinite(values).all() for values in weights.values()):
        raise InputError("its weights are not all finite")
