"""Ids of FreeSurfer's segmentations, and the classes that they are in a protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from src_core.datasets.mapping import IGNORED
from src_core.errors import InputError
from src_core.io.protocols import MERGED, protocol

if TYPE_CHECKING:
    from src_core.io.labels import Protocol

VERMIS = 172
"""Id given to cerebellar cortex that may be vermis."""
SUSPICIOUS = 999
"""Id given to cerebellar white matter that may be vermis."""

_COUNTS_AS = {
    **{31: 4, 63: 43, 136: 4, 137: 5, 163: 43, 164: 44},  # choroid plexus: its ventricle
    **{25: 2, 57: 41, 78: 2, 79: 41},  # lesions and hypointensities: white matter
}
_WITHOUT_SIDE = {
    **{77: "White-Matter", 80: "White-Matter", 72: "CSF"},
    **dict.fromkeys(range(251, 256), "White-Matter"),  # corpus callosum
}
_UNLABELLED = (0, 24, 30, 62, 85, 502, 506, 507, 508, 509, 511, 512, 514, 515, 516, 530)
_STRUCTURES = {structure.id: structure.name for structure in protocol("fs32").structures}
BRAIN = (*_STRUCTURES, *_COUNTS_AS, *_WITHOUT_SIDE, 30, 62, 85)
"""Ids of what belongs to the brain."""


def freesurfer_classes(target: Protocol) -> np.ndarray:
    """Class of each FreeSurfer id.

    Structures are found by their FreeSurfer names. Choroid plexus counts as ventricle,
    hypointensities and lesions as white matter; fluid outside the ventricles, vessels, the optic
    chiasm and the head are background. FreeSurfer's aseg has no vermis: what may belong to it is
    ignored, because a wrong border between vermis and hemisphere would be learned, while a gap
    costs nothing as long as other scans fill it.

    Parameters
    ----------
    target : Protocol
        ``tissue4``, or one whose structures bear FreeSurfer's names.

    Returns
    -------
    ndarray of uint8, shape (1000,)
        Class index; background where the protocol lacks a structure, `IGNORED` for unknown ids.

    Raises
    ------
    InputError
        The protocol holds none of FreeSurfer's structures.
    """
    numbers = {
        structure.name: number for number, structure in enumerate(target.structures, start=1)
    }
    merged = MERGED.get(("fs32", target.name))
    if merged is None and not numbers.keys() & set(_STRUCTURES.values()):
        raise InputError(
            f"protocol {target.name} has no structure with a FreeSurfer name; "
            "train it without synthetic scans"
        )
    table = np.full(1000, IGNORED, np.uint8)
    table[list(_UNLABELLED)] = 0
    for number, (label, name) in enumerate(_STRUCTURES.items(), start=1):
        table[label] = numbers.get(name, 0) if merged is None else merged[number]
    for label, other in _COUNTS_AS.items():
        table[label] = table[other]
    for label, name in _WITHOUT_SIDE.items():
        table[label] = numbers.get(name, IGNORED)
    if "Vermis" in numbers:
        table[VERMIS] = IGNORED
    return table
