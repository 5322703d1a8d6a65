"""What the labels of a scan are, as far as it matters for growing old."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from src_core.io.labels import Protocol


@dataclass(frozen=True, eq=False)
class Tissues:
    """What ages: tables of bool by label id.

    Attributes
    ----------
    ventricles, cortex, white_matter : ndarray of bool, shape (ids,)
    """

    ventricles: np.ndarray
    cortex: np.ndarray
    white_matter: np.ndarray

    @property
    def can_age(self) -> bool:
        """Whether enough is labelled to tell tissue from the fluid around it."""
        return bool(self.cortex.any() and self.white_matter.any())

    @classmethod
    def of(cls, protocol: Protocol, mapping: np.ndarray) -> Tissues:
        """What the names of a protocol tell.

        Parameters
        ----------
        protocol : Protocol
        mapping : ndarray of uint8, shape (ids,)
            Class by label id.
        """

        def table(belongs: Callable[[str], bool]) -> np.ndarray:
            found = np.zeros(256, bool)
            for number, structure in enumerate(protocol.structures, start=1):
                found[number] = belongs(structure.name)
            by_id: np.ndarray = found[mapping]
            return by_id

        return cls(table(_is_ventricle), table(_is_cortex), table(_is_white_matter))


def _is_ventricle(name: str) -> bool:
    # Not "Vent" alone, which the ventral diencephalon (VentralDC) holds too.
    whole = name == "CSF" or name.endswith("Vent")
    return whole or "Ventricle" in name or "Choroid-Plexus" in name


def _is_cortex(name: str) -> bool:
    return name == "Cortex" or "Cerebral-Cortex" in name


def _is_white_matter(name: str) -> bool:
    return "White-Matter" in name
