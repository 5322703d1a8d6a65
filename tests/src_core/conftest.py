"""A model for tests of everything around the network."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch

from src_core.intensity import LEVELS
from src_core.labels import protocol
from src_core.model import FORMAT, build_network, write_model


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Model file of a small random network for the protocol tissue4: quick, and knows nothing."""
    torch.manual_seed(0)
    tissues = protocol("tissue4")
    architecture = {
        "classes": len(tissues.ids),
        "width": 16,
        "depth": 2,
        "hidden": (16,),
        "spacings": (48.0,),
        "warp_iterations": 4,
    }
    network = build_network("warped", architecture)
    card = {
        "format": FORMAT,
        "name": "tiny",
        "description": "random weights",
        "family": "warped",
        "architecture": dataclasses.asdict(network.settings),
        "protocol": tissues.to_json(),
        "space": "MNI152, mm (RAS)",
        "intensity_goals": [(i + 1) / len(LEVELS) for i in range(len(LEVELS))],
        "fit": {"iterations": 6, "points": 256},
        "training": {},
        "scores": {},
        "licence": "none",
    }
    path = tmp_path_factory.mktemp("models") / "tiny.safetensors"
    write_model(network, card, path)
    return path
