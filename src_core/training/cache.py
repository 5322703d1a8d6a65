"""Results of long work, kept in files."""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import torch

Made = TypeVar("Made")


def load_or_make(path: Path, make: Callable[[], Made]) -> Made:
    """What a file holds, made and put there whole if there is none."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_suffix(".part")
        torch.save(make(), part)
        part.replace(path)
    return torch.load(path, weights_only=False)
