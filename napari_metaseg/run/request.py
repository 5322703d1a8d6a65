"""What is to be segmented, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src_core.models.bundled import DEFAULT_MODEL

if TYPE_CHECKING:
    import numpy as np

    from src_core.io.scan import Scan


@dataclass(frozen=True, eq=False)
class Request:
    """What is to be segmented, and how.

    Attributes
    ----------
    scan : Scan
    model : str
        Name of a bundled model, or a model file.
    iterations : int or None
        Exactly so many; None: the model's own number, fewer when labels stand still.
    device : {"auto", "cpu", "cuda", "mps"}
    seed : int
    mask : ndarray or None
        Brain where above 0, shape (I, J, K).
    reference : ndarray or None
        Label ids to compare with, shape (I, J, K).
    history_bytes : int
        For the weights of past iterations.
    """

    scan: Scan
    model: str = DEFAULT_MODEL
    iterations: int | None = None
    device: str = "auto"
    seed: int = 0
    mask: np.ndarray | None = None
    reference: np.ndarray | None = None
    history_bytes: int = 128 * 2**20
