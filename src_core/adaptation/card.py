"""What the card of an adapted model says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src_core.training.stages.card import scores_before

if TYPE_CHECKING:
    from src_core.adaptation.adapt import LeftOut
    from src_core.models.card import Card
    from src_core.models.model import Model


def adapted_card(earlier: Model, name: str, scans: int, left_out: LeftOut | None) -> Card:
    """Card of a model that was trained further on its user's scans.

    Parameters
    ----------
    earlier : Model
    name : str
        Name of the new one.
    scans : int
        That it was trained on. They are not named: names of scans may be names of people.
    left_out : LeftOut or None
        What was measured.
    """
    card = earlier.card
    told: dict[str, Any] = {"from_model": earlier.stamp}
    told["corrected_scans"] = scans
    if left_out is not None:
        told["dice_of_a_scan_left_out"] = {"before": left_out.before, "after": left_out.after}
    return replace(
        card,
        name=name,
        description=f"{card.description}; adapted to {scans} scans of its user",
        training={**card.training, "adapted": told},
        scores=scores_before(card),
    )
