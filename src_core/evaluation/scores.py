"""Scores: the label map of one image, compared with its labels structure by structure."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from src_core.datasets.mapping import IGNORED
from src_core.results.measure import (
    compare,
    dice,
    generalised_dice,
    mean_defined,
    volume_similarity,
    volumes,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from src_core.evaluation.scans import LabelledImage
    from src_core.io.labels import Protocol

MEASURES = ("dice", "hd95_mm", "assd_mm", "volume_similarity")
"""Measures of a structure; undefined for some."""
LAST = "last"
"""The iteration at which a fit ended, whichever it was."""


@dataclass(frozen=True)
class StructureScore:
    """One structure in two label maps; None is what is undefined, infinite or not measured."""

    name: str
    dice: float | None
    hd95_mm: float | None
    assd_mm: float | None
    volume_similarity: float | None
    volume_mm3: float
    reference_volume_mm3: float


@dataclass(frozen=True)
class Score:
    """The labels of one image at one iteration.

    Attributes
    ----------
    scan, subject, split : str
    slice_mm : float or None
        As in `LabelledImage`.
    asked : str
        Iteration that was asked for, or "last".
    iteration : int
        The nearest one stored.
    seconds : float
        From the loaded scan to these labels: align, fit so far, decode.
    stop_reason : str
        Why the fit ended.
    psnr : float
        Of the reconstruction, dB.
    generalised_dice : float
        The paper's.
    structures : tuple of StructureScore
        Surface distances at the last iteration only.
    """

    scan: str
    subject: str
    split: str
    slice_mm: float | None
    asked: str
    iteration: int
    seconds: float
    stop_reason: str
    psnr: float
    generalised_dice: float
    structures: tuple[StructureScore, ...]

    def mean(self, measure: str, leave_out: Collection[str] = ()) -> float | None:
        """Mean of a measure over the structures for which it is defined."""
        values = [getattr(s, measure) for s in self.structures if s.name not in leave_out]
        return mean_defined(values)

    def to_json(self) -> dict[str, Any]:
        """Plain values that JSON can hold."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Score:
        """The score that `to_json` told."""
        structures = tuple(StructureScore(**row) for row in values["structures"])
        return cls(**{**values, "structures": structures})


def score_structures(
    labels: np.ndarray,
    image: LabelledImage,
    protocol: Protocol,
    mapping: np.ndarray,
    surfaces: bool = False,
) -> tuple[tuple[StructureScore, ...], float]:
    """Compare a label map with the classes of an image, where these take part.

    Parameters
    ----------
    labels : ndarray of int, shape (I, J, K)
        Label ids of the protocol.
    image : LabelledImage
    protocol : Protocol
    mapping : ndarray of uint8
        As in `evaluate`.
    surfaces : bool
        Measure surface distances, too, which takes seconds.

    Returns
    -------
    structures : tuple of StructureScore
    generalised_dice : float
    """
    ignored = image.classes == IGNORED
    labels = np.where(ignored, 0, labels)
    reference = protocol.to_ids(np.where(ignored, 0, image.classes))
    affine, ids = image.scan.affine, [structure.id for structure in protocol.structures]
    if surfaces:
        rows = compare(labels, reference, affine, protocol)["structures"]
    else:
        columns = {
            "dice": dice(labels, reference, ids),
            "volume_similarity": volume_similarity(labels, reference, ids),
            "volume_mm3": volumes(labels, affine, ids),
            "reference_volume_mm3": volumes(reference, affine, ids),
        }
        rows = [{name: column[label] for name, column in columns.items()} for label in ids]
    given = set(mapping.tolist())
    scores = [
        StructureScore(
            structure.name,
            volume_mm3=row["volume_mm3"],
            reference_volume_mm3=row["reference_volume_mm3"],
            **{name: _defined(row.get(name)) if number in given else None for name in MEASURES},
        )
        for number, (structure, row) in enumerate(zip(protocol.structures, rows, strict=True), 1)
    ]
    return tuple(scores), generalised_dice(labels, reference, ids)


def _defined(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value
