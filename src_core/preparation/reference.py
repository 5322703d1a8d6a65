"""A label map that labels are compared with, in any protocol that it can be told in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src_core.errors import InputError
from src_core.io.protocols import classes_in, protocol

if TYPE_CHECKING:
    import numpy as np

    from src_core.io.labels import Protocol
    from src_core.models.model import Model


@dataclass(frozen=True, eq=False)
class Reference:
    """A label map to compare with.

    Attributes
    ----------
    label_map : ndarray of int, shape (I, J, K)
        Label ids of the protocol.
    protocol : Protocol
        The finest of a model's that the label map can be told in.
    """

    label_map: np.ndarray
    protocol: Protocol

    @classmethod
    def of(cls, label_map: np.ndarray, model: Model) -> Reference:
        """Find the protocol in which a label map and the labels of a model can be compared.

        Parameters
        ----------
        label_map : ndarray of int, shape (I, J, K)
            Ids of one of the model's protocols, or of one that is merged to it.
        model : Model

        Raises
        ------
        InputError
            It can be told in none of the model's.
        """
        own = model.protocol
        coarser = model.protocols[model.protocols.index(own.name) + 1 :]
        for wanted in (own, *map(protocol, coarser)):
            told = _told(label_map, wanted)
            if told is not None:
                return cls(told, wanted)
        return cls(own.ids[classes_in(label_map, own)], own)  # says what is wrong

    def told_in(self, wanted: Protocol) -> np.ndarray | None:
        """The label map in another protocol; None if it is not merged to that."""
        return self.label_map if wanted == self.protocol else _told(self.label_map, wanted)


def _told(label_map: np.ndarray, wanted: Protocol) -> np.ndarray | None:
    try:
        told: np.ndarray = wanted.ids[classes_in(label_map, wanted)]
    except InputError:
        return None
    return told
