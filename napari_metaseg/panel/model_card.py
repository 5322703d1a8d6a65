"""What a model file says about itself, read without loading torch."""

from __future__ import annotations

import html
import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src_core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path

_LARGEST_HEADER = 2**24
_MOST_NAMES = 8


@dataclass(frozen=True)
class ModelCard:
    """The part of a model's card that helps to choose it.

    Attributes
    ----------
    name, description, licence : str
    structures : tuple of str
        Names.
    iterations : int
        Recommended.
    weights : int
        Number of weights in the file.
    dice : float or None
        Mean over the structures, as measured when the model was made.
    training_scans : int or None
    """

    name: str
    description: str
    licence: str
    structures: tuple[str, ...]
    iterations: int
    weights: int
    dice: float | None
    training_scans: int | None

    def summary(self) -> str:
        """The card as rich text of a few lines, for a tooltip."""
        names = ", ".join(self.structures[:_MOST_NAMES])
        more = len(self.structures) - _MOST_NAMES
        if more > 0:
            names += f" and {more} more"
        facts = {
            f"{len(self.structures)} structures": names,
            "Weights": f"{self.weights:,}",
            "Iterations": f"{self.iterations}",
        }
        if self.dice is not None:
            facts["Mean Dice"] = f"{self.dice:.3f} on validation scans"
        if self.training_scans is not None:
            facts["Trained on"] = f"{self.training_scans} scans"
        # the first sentence names the licence, the rest is thanks that belong on a page
        facts["Licence"] = self.licence.partition(". ")[0]
        lines = [f"{name}: {html.escape(fact)}" for name, fact in facts.items()]
        head = f"<b>{html.escape(self.name)}</b><br>{html.escape(self.description)}"
        return f"<p>{head}</p><p>{'<br>'.join(lines)}</p>"


def read_card(path: Path) -> ModelCard:
    """Read the card of a model file; its weights are neither read nor checked.

    Raises
    ------
    InputError
        If the file can't be read or isn't a model of this program.
    """
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _LARGEST_HEADER:
                raise ValueError("its header is too long")
            header = json.loads(file.read(length))
        return _card(json.loads(header.pop("__metadata__")["card"]), header)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (struct.error, AttributeError, KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path} is not a model of this program") from error


def _card(card: dict[str, Any], tensors: dict[str, Any]) -> ModelCard:
    dice = card["scores"].get("mean_foreground")
    scans = card["training"].get("scans", {}).get("train")
    return ModelCard(
        name=str(card["name"]),
        description=str(card["description"]),
        licence=str(card["licence"]),
        structures=tuple(str(entry["name"]) for entry in card["protocol"]["structures"]),
        iterations=int(card["fit"]["iterations"]),
        weights=sum(math.prod(tensor["shape"]) for tensor in tensors.values()),
        dice=None if dice is None else float(dice),
        training_scans=None if scans is None else len(scans),
    )
