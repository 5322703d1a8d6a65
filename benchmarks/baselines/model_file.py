"""Models of this project, as users get them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from typing_extensions import override

from benchmarks.baselines.method import Method
from src_core.models.model import load_model
from src_core.segment import segment

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from src_core.io.scan import Scan


class ModelFile(Method):
    """A trained model file or a bundled model.

    Parameters
    ----------
    name : str
        Of a bundled model, or a file.
    iterations : int, optional
        Exactly so many; by default as the model recommends. A model of the `warped` family that
        stops with its warp (100) is the ablation without a fit of the template network.
    minutes : float, optional
        That its training took, which the file does not tell.
    """

    def __init__(self, name: str, iterations: int | None = None, minutes: float | None = None):
        self.model = load_model(name)
        self.iterations = iterations
        self.minutes = minutes
        stopped = f", {iterations} iterations" if iterations is not None else ""
        self.title = f"{self.model.name} ({self.model.card.family}{stopped})"

    @property
    @override
    def size(self) -> int:
        return self.model.size

    @override
    def train(self, work: Path) -> float | None:
        return None if self.minutes is None else 60 * self.minutes

    @override
    def label(self, scan: Scan, brain: np.ndarray) -> np.ndarray:
        return segment(
            scan, model=self.model, mask=brain, iterations=self.iterations, device="cpu"
        ).labels
