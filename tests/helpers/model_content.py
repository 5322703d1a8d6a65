"""Model files taken apart, to be changed and put together again."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import torch
from safetensors import safe_open
from safetensors.torch import save_file

if TYPE_CHECKING:
    from pathlib import Path

Content = tuple[dict[str, Any], dict[str, torch.Tensor]]
"""Card as it stands in the file, and weights."""


def read_content(path: Path) -> Content:
    """Card and weights of a model file, unchecked."""
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        return json.loads(file.metadata()["card"]), weights


def write_content(content: Content, path: Path) -> Path:
    """Write a model file, unchecked."""
    card, weights = content
    save_file(weights, path, metadata={"card": json.dumps(card)})
    return path
