"""Model files of small networks, for tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

from src_core.fitting.settings import FitSettings
from src_core.io.protocols import protocol
from src_core.models.card import Card
from src_core.models.model import write_model
from src_core.space.intensity import LEVELS, IntensityRule

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.networks.warped import WarpedNetwork

GOALS = tuple((i + 1) / len(LEVELS) for i in range(len(LEVELS)))


def write_small_model(
    network: WarpedNetwork, iterations: int, path: Path, name: str = "tissue4"
) -> Path:
    """Write a network for a protocol that takes so many iterations of 256 points."""
    card = Card(
        name=path.stem,
        description="for tests",
        architecture=network.settings,
        protocol=protocol(name),
        rule=IntensityRule(GOALS),
        fit=FitSettings(iterations, points=256),
        training={},
        scores={},
        licence="none",
    )
    write_model(network, card, path)
    return path
