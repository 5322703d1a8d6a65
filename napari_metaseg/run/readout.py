"""What can be read off the fitted network at every voxel, to be shown of every iteration."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from src_core.fitting.decode import PointValues
    from src_core.io.labels import Protocol
    from src_core.models.model import Model
    from src_core.preparation.prepare import Preparation

LABELS, RECONSTRUCTION, POSITIONS = "labels", "reconstruction", "positions"


@dataclass(frozen=True, eq=False)
class Readout:
    """Something that can be shown of every iteration.

    Attributes
    ----------
    name : str
    read : callable
        Reads it off `PointValues`: a tensor (n,) or (n, columns).
    finish : callable
        Turns decoded values and the numbers of their brain points into what is shown.
    empty : ndarray, shape () or (columns,)
        What stands outside the brain; gives the dtype.
    protocol : Protocol or None
        Of label ids; None: it is something else.
    """

    name: str
    read: Callable[[PointValues], Tensor]
    finish: Callable[[np.ndarray, np.ndarray], np.ndarray]
    empty: np.ndarray
    protocol: Protocol | None = None


def labels_of(model: Model) -> Readout:
    """Labels in the protocol of a model, read off the network of its finest one."""
    protocol, sums = model.protocol, model.sums()
    return Readout(
        LABELS if model.coarser is None else f"{LABELS} in {protocol.name}",
        lambda seen: seen.merged(sums).classes,
        lambda classes, _: protocol.to_ids(classes),
        protocol.to_ids(np.zeros((), np.uint8)),
        protocol,
    )


def grown(labels: Readout, protocol: Protocol) -> Readout:
    """Labels as they were read, in a protocol that has more structures."""
    return replace(
        labels,
        finish=lambda classes, _: protocol.to_ids(classes),
        empty=protocol.to_ids(np.zeros((), np.uint8)),
        protocol=protocol,
    )


def standard_readouts(prepared: Preparation) -> tuple[Readout, ...]:
    """Reconstruction and template positions, which are decoded of every scan beside the labels."""
    return (
        Readout(
            RECONSTRUCTION,
            lambda seen: seen.intensity,
            prepared.points.restore,
            np.zeros((), np.float32),
        ),
        Readout(
            POSITIONS,
            lambda seen: seen.positions,
            as_decoded,
            np.full(3, np.nan, np.float32),
        ),
    )


def as_decoded(values: np.ndarray, _numbers: np.ndarray) -> np.ndarray:
    """Values of brain points as the network gives them, to be shown as they are."""
    return values
