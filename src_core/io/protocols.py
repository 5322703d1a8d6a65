"""The protocols of the package, and those that users bring as tables.

Three come with the package, as tables in ``bundled_protocols/``:

``tissue4``
    Four tissues. CSF (4) is the fluid of the ventricles; CSF of the sulci and around the brain is
    background, as are the meninges, so its volume cannot be compared with the whole CSF that other
    tools report. The cerebellar cortex counts as subcortical grey matter, the brain stem as white
    matter.
``fs32``
    32 structures under FreeSurfer's ids and names.
``fs24-2d``
    The 24 structures of the coronal benchmark slices of neurite-OASIS, under that data set's ids.
    Manual labels without a separate choroid plexus can train 22 of them (all but 13 and 24).

The colours are our own; right structures are drawn lighter than left ones.
"""

from __future__ import annotations

from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from src_core.errors import InputError
from src_core.io.labels import Protocol
from src_core.io.tables import read_structures

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
    try:
        return Protocol(name, structures)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {name: read_protocol(_BUNDLED / f"{name}.tsv", name) for name in ("tissue4", "fs32", "fs24-2d")}
)
"""Those of the package, by name."""
