"""Model files of small networks, for tests."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

from src_core.io.protocols import protocol
from src_core.models.model import FORMAT, write_model
from src_core.space.intensity import LEVELS

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.networks.warped import WarpedNetwork

GOALS = tuple((i + 1) / len(LEVELS) for i in range(len(LEVELS)))


def write_small_model(network: WarpedNetwork, iterations: int, path: Path) -> Path:
    """Write a network for the protocol tissue4 that takes so many iterations of 256 points."""
    card: dict[str, Any] = {
        "format": FORMAT,
        "name": path.stem,
        "description": "for tests",
        "family": "warped",
        "architecture": dataclasses.asdict(network.settings),
        "protocol": protocol("tissue4").to_json(),
        "space": "MNI152, mm (RAS)",
        "intensity_goals": list(GOALS),
        "fit": {"iterations": iterations, "points": 256},
        "training": {},
        "scores": {},
        "licence": "none",
    }
    write_model(network, card, path)
    return path
