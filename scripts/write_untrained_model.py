"""Write the model file ``untrained``: random weights, and a card that says what they are for."""

from __future__ import annotations

from pathlib import Path

import torch

from src_core.fitting.settings import FitSettings
from src_core.io.labels import Protocol
from src_core.models.card import Card
from src_core.models.model import build_network, write_model
from src_core.networks.settings import SirenSettings
from src_core.space.intensity import LEVELS, IntensityRule

OUTPUT = Path(__file__).parents[1] / "src_core" / "models" / "untrained.safetensors"

CARD = Card(
    name="untrained",
    description=(
        "For any scan, of a brain or not. Random weights are fitted to it, and labels are those"
        " that are painted: what was never painted is background."
    ),
    architecture=SirenSettings(
        classes=1,
        width=128,
        depth=4,
        scale=128.0,
        hidden=(),
        weight_rate=1e-3,
        box_low=(-450.0, -450.0, -450.0),
        box_high=(450.0, 450.0, 450.0),
    ),
    protocol=Protocol("painted", ()),
    rule=IntensityRule(LEVELS),
    fit=FitSettings(iterations=200),
    training={},
    scores={},
    licence="BSD-3-Clause. Nothing was trained.",
    space="the scan's mm (RAS), from its middle",
)


def main() -> None:
    """Write the file that comes with the package."""
    torch.manual_seed(0)
    write_model(build_network(CARD.architecture), CARD, OUTPUT, precision="float16")


if __name__ == "__main__":
    main()
