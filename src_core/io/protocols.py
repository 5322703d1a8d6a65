"""The protocols of the package, and those that users bring as tables.

Four come with the package, as tables in ``bundled_protocols/``:

``tissue4``
    Four tissues. CSF (4) is the fluid of the ventricles; CSF of the sulci and around the brain is
    background, as are the meninges, so its volume cannot be compared with the whole CSF that other
    tools report. The cerebellar cortex counts as subcortical grey matter, the brain stem as white
    matter.
``fs32``
    32 structures under FreeSurfer's ids and names.
``nm134``
    The 134 labels of the MICCAI 2012 challenge on multi-atlas labelling, under Neuromorphometrics'
    ids: 98 parcels of the cortex and all of ``fs32``, with the vermis in three, the basal
    forebrain, the optic chiasm and CSF beside the brain stem. Ids of both overlap with other
    meanings.
``fs24-2d``
    The 24 structures of the coronal benchmark slices of neurite-OASIS, under that data set's ids.
    Manual labels without a separate choroid plexus can train 22 of them (all but 13 and 24).

The colours are our own; right structures are drawn lighter than left ones, and parcels of one lobe
have hues of one family. A table may have columns named after coarser protocols: the id there of
each structure, 0 for background.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import numpy as np

from src_core.errors import InputError
from src_core.io.labels import Protocol
from src_core.io.tables import read_structures, read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

_BUNDLED = Path(__file__).with_name("bundled_protocols")


def protocol(name: str) -> Protocol:
    """Return a protocol of the package by its name.

    Raises
    ------
    InputError
        If there is none of that name.
    """
    if name not in PROTOCOLS:
        raise InputError(f"unknown protocol {name!r}; known are {', '.join(PROTOCOLS)}")
    return PROTOCOLS[name]


def read_protocol(path: str | Path, name: str) -> Protocol:
    """Read a protocol from a table of structures.

    Parameters
    ----------
    path : str or Path
        As in `read_structures`. Structures without a colour get one.
    name : str
        Name of the protocol.

    Returns
    -------
    Protocol

    Raises
    ------
    InputError
        If the table cannot be read or holds no valid protocol.
    """
    structures = read_structures(path)
    if not structures:
        raise InputError(f"{path}: a protocol needs structures, and there is none")
    try:
        return Protocol(name, structures)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def classes_in(label_map: np.ndarray, wanted: Protocol) -> np.ndarray:
    """Turn label ids into class indices; structures of a finer protocol are merged.

    Parameters
    ----------
    label_map : ndarray of int
        Label ids of the protocol, or of a protocol of the package that it is known to merge.
    wanted : Protocol

    Returns
    -------
    ndarray of uint8
        Class indices of the wanted protocol, same shape.

    Raises
    ------
    InputError
        If an id is in none of them.
    """
    try:
        return wanted.to_classes(label_map)
    except InputError:
        found = np.unique(label_map)
        for (fine, coarse), merged in MERGED.items():
            if coarse == wanted.name and np.isin(found, PROTOCOLS[fine].ids).all():
                classes: np.ndarray = merged[PROTOCOLS[fine].to_classes(label_map)]
                return classes
        raise


def as_known(told: Protocol) -> Protocol:
    """The same protocol of the package, which knows its groups, if it is one."""
    known = PROTOCOLS.get(told.name)
    return known if known == told else told


def granularities(own: Protocol) -> dict[str, np.ndarray]:
    """All protocols that labels of one can be told in, the finest, its own, first.

    Parameters
    ----------
    own : Protocol

    Returns
    -------
    dict of ndarray, shape (K + 1,)
        Class there for each of its own classes, by the name of the protocol.
    """
    found = {own.name: np.arange(len(own.ids))}
    if own == PROTOCOLS.get(own.name):
        coarser = {name: merged for (fine, name), merged in MERGED.items() if fine == own.name}
        found |= dict(sorted(coarser.items(), key=lambda one: one[1].max(), reverse=True))
    return found


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {
        name: read_protocol(_BUNDLED / f"{name}.tsv", name)
        for name in ("tissue4", "fs32", "nm134", "fs24-2d")
    }
)
"""Those of the package, by name."""


MERGED: Mapping[tuple[str, str], np.ndarray] = MappingProxyType(
    {
        (fine, coarse): PROTOCOLS[coarse].to_classes(
            np.array([0, *(int(row[coarse]) for row in rows)])
        )
        for fine in PROTOCOLS
        for rows in (read_table(_BUNDLED / f"{fine}.tsv", ["index"]),)
        for coarse in PROTOCOLS
        if coarse in rows[0]
    }
)
"""Class in a coarser protocol for each class of a finer one, (K + 1,), by both names."""
