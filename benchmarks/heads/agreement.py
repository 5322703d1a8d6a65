"""How well labels agree with those of another tool, in the structures that both know."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from src_core.io.protocols import protocol as protocol_named
from src_core.results.measure import dice
from src_core.training.changes.freesurfer import VERMIS, freesurfer_classes

if TYPE_CHECKING:
    from src_core.io.labels import Protocol
    from src_core.results.segmentation import Segmentation

FS32 = "fs32"
"""The protocol of the references."""
CEREBELLAR_CORTEX = (8, 47)


def agreement_of(result: Segmentation, reference: np.ndarray) -> dict[str, float | None]:
    """Agreement of a result, told in the protocol of the reference if its model knows that.

    Parameters
    ----------
    result : Segmentation
    reference : ndarray of int, shape (I, J, K)
        As in `agreement`.
    """
    told = FS32 if FS32 in result.model.protocols else result.protocol.name
    return agreement(result.labels_in(told)[told], reference, protocol_named(told))


def agreement(
    labels: np.ndarray, reference: np.ndarray, protocol: Protocol
) -> dict[str, float | None]:
    """Dice of each structure but the vermis.

    Parameters
    ----------
    labels : ndarray of int, shape (I, J, K)
        Ids of the protocol.
    reference : ndarray of int, shape (I, J, K)
        Ids of fs32. Where it has no vermis, ours belongs to the nearer half of the cerebellum.
    protocol : Protocol
        fs32 or tissue4.

    Returns
    -------
    dict
        By the structure's name; None for one that is absent in both.
    """
    if protocol.name == "tissue4":
        reference = protocol.to_ids(freesurfer_classes(protocol)[reference])
    elif not (reference == VERMIS).any():
        labels = without_vermis(labels)
    ids = [structure.id for structure in protocol.structures if structure.id != VERMIS]
    scores = dice(labels, reference, ids)
    return {
        structure.name: None if np.isnan(scores[structure.id]) else float(scores[structure.id])
        for structure in protocol.structures
        if structure.id in scores
    }


def without_vermis(labels: np.ndarray) -> np.ndarray:
    """The same label map with each voxel of the vermis given to the nearer cerebellar cortex."""
    vermis, cortex = labels == VERMIS, np.isin(labels, CEREBELLAR_CORTEX)
    if not vermis.any() or not cortex.any():
        return labels
    nearest = ndimage.distance_transform_edt(~cortex, return_distances=False, return_indices=True)
    folded = labels.copy()
    folded[vermis] = labels[tuple(axis[vermis] for axis in nearest)]
    return folded


def mean(scores: dict[str, float | None]) -> float:
    """Over the structures that are there."""
    return float(np.mean([score for score in scores.values() if score is not None]))
