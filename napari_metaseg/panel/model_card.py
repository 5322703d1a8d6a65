"""What the panel shows of a model's card."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from src_core.models.card import Card

_MOST_NAMES = 8


def summary(card: Card) -> str:
    """The part of a card that helps to choose a model, as rich text of a few lines."""
    structures = card.protocol.structures
    names = ", ".join(structure.name for structure in structures[:_MOST_NAMES])
    more = len(structures) - _MOST_NAMES
    if more > 0:
        names += f" and {more} more"
    title = "Structures" if card.untrained else f"{len(structures)} structures"
    facts = {
        title: names or "those that you add and paint with Correct",
        "Weights": f"{card.size:,}",
        "Iterations": f"{card.fit.iterations}",
    }
    if card.mean_dice is not None:
        facts["Mean Dice"] = f"{card.mean_dice:.3f} on validation scans"
    if card.training_scans:
        facts["Trained on"] = f"{len(card.training_scans)} scans"
    # The first sentence names the licence, the rest is thanks that belong on a page.
    facts["Licence"] = card.licence.partition(". ")[0]
    lines = [f"{name}: {html.escape(fact)}" for name, fact in facts.items()]
    head = f"<b>{html.escape(card.name)}</b><br>{html.escape(card.description)}"
    return f"<p>{head}</p><p>{'<br>'.join(lines)}</p>"
