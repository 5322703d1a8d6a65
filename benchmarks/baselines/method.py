"""What every method can do."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from src_core.io.scan import Scan


class Method(ABC):
    """A way to label scans.

    Attributes
    ----------
    title : str
        For the table.
    """

    title: str

    @abstractmethod
    def train(self, work: Path) -> float | None:
        """Learn; run again, it goes on from its checkpoints in the folder, or does nothing more.

        Returns
        -------
        float or None
            Seconds of all runs together, without those of making examples; None: not known.
        """

    @property
    @abstractmethod
    def size(self) -> int:
        """Number of weights in the file that a user would need."""

    @abstractmethod
    def label(self, scan: Scan, brain: np.ndarray) -> np.ndarray:
        """Label ids on the scan's grid, shape (I, J, K).

        Parameters
        ----------
        scan : Scan
        brain : ndarray of bool, shape (I, J, K)
        """
