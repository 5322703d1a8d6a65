"""Which class each id of a label map is."""

from __future__ import annotations

from pathlib import Path
from reprlib import repr as shortened
from typing import TYPE_CHECKING

import numpy as np

from src_core.errors import InputError
from src_core.io.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src_core.datasets.settings import DataSettings
    from src_core.io.labels import Protocol

IGNORED = 255
"""Class of voxels that take part in no loss and no score."""
UNKNOWN = 254
"""Class, in a mapping, of label ids that it does not list; no voxel may have it."""

_MAPPING_COLUMNS = {"tissue4": "tissue4", "fs32": "freesurfer_id", "fs24-2d": "neurite_seg24"}
_LARGEST_ID = 32767
_MOST_DIGITS = 20
"""Of a number that is read at all."""


def read_mapping(data: DataSettings, protocol: Protocol) -> np.ndarray:
    """Class of each label id of the label maps.

    Parameters
    ----------
    data : DataSettings
        Its `mapping` is a table, whose first column is the id in the label maps and one of
        whose columns is the id in the protocol, or such pairs. "ignore", or "ignored" in a column
        status, leaves an id out of losses and scores. An id of another protocol's column that this
        protocol lacks is background, and so is 0 unless it is listed. Without a mapping the label
        maps hold the protocol's own ids.
    protocol : Protocol

    Returns
    -------
    ndarray of uint8
        Class index by label id, `IGNORED` for what takes no part, `UNKNOWN` for what is not listed.

    Raises
    ------
    InputError
        If the table has no column for the protocol, or an entry is no id.
    """
    classes = {int(label): number for number, label in enumerate(protocol.ids)}
    if len(classes) > UNKNOWN:
        raise InputError(f"protocol {protocol.name}: at most {UNKNOWN - 1} structures are trained")
    by_id = {0: 0, **_listed_classes(data, protocol, classes)}
    mapping = np.full(max(by_id) + 1, UNKNOWN, np.uint8)
    mapping[list(by_id)] = list(by_id.values())
    return mapping


def to_classes(label_map: np.ndarray, mapping: np.ndarray, path: Path) -> np.ndarray:
    """Class of each voxel of a label map.

    Parameters
    ----------
    label_map : ndarray of integers
    mapping : ndarray of uint8
        Class by label id.
    path : Path
        Of the label map, for the error.

    Returns
    -------
    ndarray of uint8, of the same shape

    Raises
    ------
    InputError
        A label id is not in the mapping.
    """
    # Ids outside the mapping, negative ones too, fall on its last entry.
    ids = np.clip(label_map.astype(np.int64, copy=False), -1, len(mapping))
    classes = np.append(mapping, np.uint8(UNKNOWN))[ids]
    if (classes == UNKNOWN).any():
        unknown = np.unique(label_map[classes == UNKNOWN]).tolist()
        listed = ", ".join(map(str, unknown[:8])) + (", ..." if len(unknown) > 8 else "")
        raise InputError(
            f"{path}: label ids {listed} are not in the mapping; list them there, as 'ignore' if"
            " they shall take no part"
        )
    return classes


def _listed_classes(
    data: DataSettings, protocol: Protocol, classes: Mapping[int, int]
) -> dict[int, int]:
    """Class by label id, as the mapping lists them; `classes` are those of the protocol's ids."""
    table = _mapping_table(data)
    if data.mapping_column and not table:
        raise InputError(
            f"mapping_column: there is no table with the column {data.mapping_column!r}; name it in"
            " mapping"
        )
    if table:
        column, pairs = _pairs_of_table(table, data.mapping_column, protocol)
    elif isinstance(data.mapping, dict):
        column, pairs = protocol.name, [(key, str(value)) for key, value in data.mapping.items()]
    else:
        return dict(classes)
    where = table or "mapping"
    listed: dict[int, int] = {}
    for text, value in pairs:
        label = _whole(text, f"{where}: the label id")
        if label > _LARGEST_ID:
            raise InputError(f"{where}: the label id {label} is above {_LARGEST_ID}; renumber it")
        if label in listed:
            raise InputError(f"{where}: the label id {label} is listed twice; list it once")
        if value == "ignore":
            listed[label] = IGNORED
            continue
        goal = _whole(value, f"{where}: what label id {label} becomes ('ignore', or an id)")
        if goal not in classes and column == protocol.name:
            raise InputError(
                f"{where}: label id {label} becomes {goal}, which is no id of protocol"
                f" {protocol.name}"
            )
        listed[label] = classes.get(goal, 0)
    return listed


def _mapping_table(data: DataSettings) -> Path | None:
    if data.mapping is None:
        folder = data.path if data.path.is_dir() else data.path.parent
        table = folder / "label_mapping.csv"
        return table if table.is_file() else None
    return data.mapping if isinstance(data.mapping, Path) else None


def _pairs_of_table(
    table: Path, column: str | None, protocol: Protocol
) -> tuple[str, list[tuple[str, str]]]:
    """The column that leads to the protocol, and what it holds by label id."""
    rows = read_table(table, [column] if column else [])
    if not rows:
        raise InputError(f"{table}: has no rows; give the class of each label id")
    own = next(iter(rows[0]))
    if column is None:
        names = (protocol.name, _MAPPING_COLUMNS.get(protocol.name, protocol.name))
        column = next((name for name in names if name in rows[0]), None)
        if column is None:
            raise InputError(
                f"{table}: no column {names[-1]!r} for the protocol {protocol.name}; name one in"
                " mapping_column"
            )
    return column, [
        (row[own], "ignore" if row.get("status") == "ignored" else row[column]) for row in rows
    ]


def _whole(text: str, what: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= _MOST_DIGITS):
        raise InputError(f"{what} is {shortened(text)}, not a whole number from 0 on")
    return int(text)
