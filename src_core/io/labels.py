"""Label protocols: which structures a label map holds, under which ids, names and colours.

Three protocols come with the package:

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

The colours are our own. Other structures come from a table; see `read_protocol`.
"""

from __future__ import annotations

import colorsys
import csv
import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np

from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

Color = tuple[int, int, int]

_LARGEST_ID = np.iinfo(np.int16).max
_UNKNOWN = np.iinfo(np.uint8).max
_MOST_STRUCTURES = _UNKNOWN - 1


@dataclass(frozen=True)
class Structure:
    """One named structure of a protocol.

    Parameters
    ----------
    id : int
        Value of its voxels in a label map, 1 to 32767.
    name : str
        Name without tabs or line breaks.
    color : tuple of int
        Red, green, blue, each 0 to 255.
    abbreviation : str
        Short name, may be empty.
    bids_mapping : int, optional
        Id of the standard class of the BIDS imaging derivatives that the structure belongs to
        (1 GM, 2 WM, 3 CSF, 8 cortical GM, 9 subcortical GM, 10 brain stem, 11 cerebellum).

    Raises
    ------
    InputError
        If a value has the wrong type or is out of range.
    """

    id: int
    name: str
    color: Color
    abbreviation: str = ""
    bids_mapping: int | None = None

    def __post_init__(self) -> None:
        if not _is_int(self.id, 1, _LARGEST_ID):
            raise InputError(
                f"structure id {self.id!r} is not a whole number from 1 to {_LARGEST_ID}"
            )
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise InputError(f"structure {self.id} needs a name without line breaks or tabs")
        if not isinstance(self.abbreviation, str) or not self.abbreviation.isprintable():
            raise InputError(f"structure {self.id}: the abbreviation is not one line of text")
        if len(self.color) != 3 or not all(_is_int(value, 0, 255) for value in self.color):
            raise InputError(
                f"structure {self.id}: colour {self.color!r} is not three values 0 to 255"
            )
        if self.bids_mapping is not None and not _is_int(self.bids_mapping, 0, _LARGEST_ID):
            raise InputError(
                f"structure {self.id}: BIDS mapping {self.bids_mapping!r} is not an id"
            )


@dataclass(frozen=True)
class Protocol:
    """The structures that a label map may hold, in the order of the network's classes.

    Class 0 is background (id 0); class ``c`` is ``structures[c - 1]``.

    Raises
    ------
    InputError
        If there is no structure, or two share an id or a name.
    """

    name: str
    structures: tuple[Structure, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise InputError("a protocol needs a name of one line")
        if not 1 <= len(self.structures) <= _MOST_STRUCTURES:
            raise InputError(f"protocol {self.name} needs 1 to {_MOST_STRUCTURES} structures")
        for field in ("id", "name"):
            values = [getattr(structure, field) for structure in self.structures]
            if len(set(values)) < len(values):
                raise InputError(f"protocol {self.name} has two structures with the same {field}")

    @cached_property
    def ids(self) -> np.ndarray:
        """Label id of every class, background first: (K + 1,) int16."""
        return np.array([0, *(structure.id for structure in self.structures)], dtype=np.int16)

    def to_classes(self, label_map: np.ndarray) -> np.ndarray:
        """Turn label ids into class indices.

        Parameters
        ----------
        label_map : ndarray of int
            Label ids, any shape.

        Returns
        -------
        ndarray of uint8
            Class indices 0 to K, same shape.

        Raises
        ------
        InputError
            If an id is not in the protocol.
        """
        label_map = np.asarray(label_map)
        largest = int(self.ids.max())
        class_of = np.full(largest + 2, _UNKNOWN, dtype=np.uint8)
        class_of[self.ids] = np.arange(len(self.ids))
        # ids outside the table, negative ones too, fall on its last entry, which is never known
        classes = class_of[np.clip(label_map.astype(np.int32, copy=False), -1, largest + 1)]
        if (classes == _UNKNOWN).any():
            unknown = np.setdiff1d(label_map, self.ids)
            listed = ", ".join(map(str, unknown[:8])) + (", ..." if unknown.size > 8 else "")
            raise InputError(
                f"label ids {listed} are not in protocol {self.name}; choose the protocol the label"
                " map was made with, or translate its ids"
            )
        return classes

    def to_ids(self, classes: np.ndarray) -> np.ndarray:
        """Turn class indices into label ids (uint8, or int16 when an id is above 255)."""
        small = self.ids.max() <= np.iinfo(np.uint8).max
        return self.ids.astype(np.uint8 if small else np.int16)[classes]

    def to_json(self) -> dict[str, Any]:
        """Return the protocol as plain values that JSON can hold."""
        return {
            "name": self.name,
            "structures": [
                {
                    "id": structure.id,
                    "name": structure.name,
                    "color": list(structure.color),
                    "abbreviation": structure.abbreviation,
                    "bids_mapping": structure.bids_mapping,
                }
                for structure in self.structures
            ],
        }

    @classmethod
    def from_json(cls, values: Any) -> Protocol:
        """Build a protocol from what `to_json` returned, checking every field.

        Raises
        ------
        InputError
            If a field is missing, unknown or wrong.
        """
        fields = _fields(values, {"name", "structures"}, set(), "protocol")
        if not isinstance(fields["structures"], list):
            raise InputError("protocol: 'structures' is not a list")
        structures = []
        for entry in fields["structures"]:
            entry = _fields(
                entry, {"id", "name", "color"}, {"abbreviation", "bids_mapping"}, "structure"
            )
            if not isinstance(entry["color"], list):
                raise InputError(
                    f"structure {entry['id']!r}: 'color' is not a list of three values"
                )
            structures.append(Structure(**{**entry, "color": tuple(entry["color"])}))
        return cls(fields["name"], tuple(structures))


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
        TSV or CSV with the columns id (or index) and name and, if wanted, color (``#rrggbb``),
        abbreviation and mapping (id of a standard class of BIDS), as in a ``_dseg.tsv`` of the BIDS
        imaging derivatives. A row with the id 0 is background. Structures without a
        colour get one.
    name : str
        Of the protocol.

    Returns
    -------
    Protocol

    Raises
    ------
    InputError
        If the table cannot be read or holds no valid protocol.
    """
    rows = read_table(path, ("name",))
    index = next((column for column in ("id", "index") if rows and column in rows[0]), None)
    if index is None:
        raise InputError(f"{path}: needs a column 'id' or 'index' and a row for each structure")
    try:
        structures = (_from_row(row, index, place) for place, row in enumerate(rows))
        return Protocol(name, tuple(structure for structure in structures if structure is not None))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def read_table(path: str | Path, columns: Iterable[str]) -> list[dict[str, str]]:
    """Read the rows of a table with a header; cells are stripped, empty rows left out.

    Parameters
    ----------
    path : str or Path
        Text in UTF-8, parted by tabs if its name ends in .tsv, by commas otherwise.
    columns : iterable of str
        Those that it must have.

    Returns
    -------
    list of dict
        Cell by column, one dict for each row.

    Raises
    ------
    InputError
        If the file is missing or no such table, or lacks a column.
    """
    path = Path(path)
    delimiter = "\t" if path.suffix.lower() == ".tsv" else ","
    try:
        with path.open(newline="", encoding="utf-8-sig") as file:
            lines = csv.reader(file, delimiter=delimiter)
            header = [cell.strip() for cell in next(lines, [])]
            numbered = [(lines.line_num, [cell.strip() for cell in line]) for line in lines]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a table in UTF-8 text ({error})") from error
    for column in columns:
        if column not in header:
            found = ", ".join(map(repr, header)) or "nothing"
            raise InputError(f"{path}: the column {column!r} is missing; its header has {found}")
    if len(set(header)) < len(header):
        raise InputError(f"{path}: two columns have the same name; rename or delete one")
    for number, cells in numbered:
        if any(cells[len(header) :]):
            raise InputError(
                f"{path}: line {number} has more cells than the header; quote text with commas"
            )
    return [
        dict(zip(header, [*cells, *[""] * len(header)], strict=False))
        for _, cells in numbered
        if any(cells)
    ]


def _from_row(row: Mapping[str, str], index: str, place: int) -> Structure | None:
    """Return the structure of a table's row, or nothing for background."""

    def cell(column: str) -> str:
        value = row.get(column, "")
        return "" if value.lower() == "n/a" else value

    id = _whole(cell(index), f"the {index} of {cell('name')!r}")
    if id == 0:
        return None
    mapping = cell("mapping")
    return Structure(
        id,
        cell("name"),
        _color(cell("color"), place),
        cell("abbreviation"),
        _whole(mapping, f"structure {id}: the BIDS mapping") if mapping else None,
    )


def _whole(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{what} is {text!r}, not a whole number") from None


def _color(text: str, place: int) -> Color:
    """Return the colour of ``#rrggbb``; without text, one for the place in the table."""
    if not text:
        # steps of the golden ratio never come back to a hue, however many there are
        hue, lightness = (place * 0.618034) % 1, (0.5, 0.7, 0.35)[place % 3]
        red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, 0.75))
    elif re.fullmatch("#[0-9a-fA-F]{6}", text):
        red, green, blue = bytes.fromhex(text[1:])
    else:
        raise InputError(f"colour {text!r} is not like #1a2b3c")
    return red, green, blue


def _is_int(value: object, lowest: int, highest: int) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _fields(values: Any, required: set[str], optional: set[str], what: str) -> dict[str, Any]:
    """Return `values` if it is a JSON object with the required and no unknown fields."""
    if not isinstance(values, dict):
        raise InputError(f"{what}: expected a JSON object")
    if missing := required - values.keys():
        raise InputError(f"{what}: {', '.join(sorted(missing))} missing")
    if unknown := values.keys() - required - optional:
        raise InputError(f"{what}: unknown field {', '.join(sorted(map(str, unknown)))}")
    return values


# BIDS ids of tissue classes, https://bids-specification.readthedocs.io/en/stable/derivatives/imaging.html
_WM, _CSF, _CORTICAL, _SUBCORTICAL, _BRAIN_STEM, _CEREBELLUM = 2, 3, 8, 9, 10, 11

# name: (abbreviation, colour, BIDS id); right structures are drawn lighter than left ones
_ANATOMY: dict[str, tuple[str, Color, int | None]] = {
    "Cerebral-White-Matter": ("CWM", (218, 232, 193), _WM),
    "Cerebral-Cortex": ("CTX", (238, 39, 81), _CORTICAL),
    "Lateral-Ventricle": ("LV", (28, 86, 238), _CSF),
    "Inf-Lat-Vent": ("ILV", (167, 21, 238), _CSF),
    "Cerebellum-White-Matter": ("CbWM", (209, 141, 167), _CEREBELLUM),
    "Cerebellum-Cortex": ("CbCTX", (151, 136, 16), _CEREBELLUM),
    "Thalamus": ("TH", (16, 113, 27), _SUBCORTICAL),
    "Caudate": ("CAU", (19, 201, 238), _SUBCORTICAL),
    "Putamen": ("PUT", (238, 29, 172), _SUBCORTICAL),
    "Pallidum": ("PAL", (89, 27, 120), _SUBCORTICAL),
    "3rd-Ventricle": ("3V", (142, 169, 238), _CSF),
    "4th-Ventricle": ("4V", (16, 77, 121), _CSF),
    "Brain-Stem": ("BS", (77, 121, 112), _BRAIN_STEM),
    "Hippocampus": ("HIP", (238, 230, 16), _SUBCORTICAL),
    "Amygdala": ("AMY", (16, 229, 187), _SUBCORTICAL),
    "Accumbens-area": ("ACC", (238, 116, 16), _SUBCORTICAL),
    "VentralDC": ("VDC", (123, 67, 26), None),
    "Choroid-Plexus": ("CP", (16, 238, 97), None),
    "Vermis": ("VER", (120, 187, 16), _CEREBELLUM),
}


def _structure(id: int, name: str) -> Structure:
    """Return a structure by its FreeSurfer name, such as Left-Thalamus or Brain-Stem."""
    side, _, rest = name.partition("-")
    if side not in ("Left", "Right"):
        abbreviation, color, bids = _ANATOMY[name]
        return Structure(id, name, color, abbreviation, bids)
    abbreviation, (red, green, blue), bids = _ANATOMY[rest]
    if side == "Right":
        red, green, blue = (value + (255 - value) // 5 for value in (red, green, blue))
    return Structure(id, name, (red, green, blue), f"{side[0]}-{abbreviation}", bids)


def _structures(names: Iterable[tuple[int, str]]) -> tuple[Structure, ...]:
    return tuple(_structure(id, name) for id, name in names)


_TISSUE4 = Protocol(
    "tissue4",
    (
        Structure(1, "Cortex", (238, 39, 81), "CTX", _CORTICAL),
        Structure(2, "Subcortical-Gray-Matter", (242, 178, 48), "SGM", _SUBCORTICAL),
        Structure(3, "White-Matter", (218, 232, 193), "WM", _WM),
        Structure(4, "CSF", (28, 86, 238), "CSF", _CSF),
    ),
)

_FS32 = Protocol(
    "fs32",
    _structures(
        (
            (2, "Left-Cerebral-White-Matter"),
            (3, "Left-Cerebral-Cortex"),
            (4, "Left-Lateral-Ventricle"),
            (5, "Left-Inf-Lat-Vent"),
            (7, "Left-Cerebellum-White-Matter"),
            (8, "Left-Cerebellum-Cortex"),
            (10, "Left-Thalamus"),
            (11, "Left-Caudate"),
            (12, "Left-Putamen"),
            (13, "Left-Pallidum"),
            (14, "3rd-Ventricle"),
            (15, "4th-Ventricle"),
            (16, "Brain-Stem"),
            (17, "Left-Hippocampus"),
            (18, "Left-Amygdala"),
            (26, "Left-Accumbens-area"),
            (28, "Left-VentralDC"),
            (41, "Right-Cerebral-White-Matter"),
            (42, "Right-Cerebral-Cortex"),
            (43, "Right-Lateral-Ventricle"),
            (44, "Right-Inf-Lat-Vent"),
            (46, "Right-Cerebellum-White-Matter"),
            (47, "Right-Cerebellum-Cortex"),
            (49, "Right-Thalamus"),
            (50, "Right-Caudate"),
            (51, "Right-Putamen"),
            (52, "Right-Pallidum"),
            (53, "Right-Hippocampus"),
            (54, "Right-Amygdala"),
            (58, "Right-Accumbens-area"),
            (60, "Right-VentralDC"),
            (172, "Vermis"),
        )
    ),
)

_FS24_2D = Protocol(
    "fs24-2d",
    _structures(
        (
            (1, "Left-Cerebral-White-Matter"),
            (2, "Left-Cerebral-Cortex"),
            (3, "Left-Lateral-Ventricle"),
            (4, "Left-Inf-Lat-Vent"),
            (5, "Left-Thalamus"),
            (6, "Left-Caudate"),
            (7, "Left-Putamen"),
            (8, "Left-Pallidum"),
            (9, "3rd-Ventricle"),
            (10, "Brain-Stem"),
            (11, "Left-Hippocampus"),
            (12, "Left-VentralDC"),
            (13, "Left-Choroid-Plexus"),
            (14, "Right-Cerebral-White-Matter"),
            (15, "Right-Cerebral-Cortex"),
            (16, "Right-Lateral-Ventricle"),
            (17, "Right-Inf-Lat-Vent"),
            (18, "Right-Thalamus"),
            (19, "Right-Caudate"),
            (20, "Right-Putamen"),
            (21, "Right-Pallidum"),
            (22, "Right-Hippocampus"),
            (23, "Right-VentralDC"),
            (24, "Right-Choroid-Plexus"),
        )
    ),
)

PROTOCOLS: Mapping[str, Protocol] = MappingProxyType(
    {protocol.name: protocol for protocol in (_TISSUE4, _FS32, _FS24_2D)}
)
