"""Label protocols: which structures a label map holds, under which ids, names and colours."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

import numpy as np

from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Iterable

Color = tuple[int, int, int]

LARGEST_ID = np.iinfo(np.int32).max
"""Of a label in a file or a layer."""
_LARGEST_TRAINED = np.iinfo(np.int16).max
_UNKNOWN = np.iinfo(np.uint8).max
_MOST_STRUCTURES = _UNKNOWN - 1
_SIDE = re.compile(r"^(left|right)[-_ ]+", re.IGNORECASE)


@dataclass(frozen=True)
class Structure:
    """One named structure of a protocol.

    Parameters
    ----------
    id : int
        Value of its voxels in a label map, 1 to 2147483647.
    name : str
        Name without tabs or line breaks.
    color : tuple of int
        Red, green, blue, each 0 to 255.
    abbreviation : str
        Short name, may be empty.
    bids_mapping : int, optional
        Id of the standard class of the BIDS imaging derivatives that the structure belongs to
        (1 GM, 2 WM, 3 CSF, 8 cortical GM, 9 subcortical GM, 10 brain stem, 11 cerebellum).
    group : str
        What it is listed under, such as a lobe; may be empty. It does not tell structures apart.

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
    group: str = field(default="", compare=False)

    def __post_init__(self) -> None:
        check_structure_id(self.id)
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise InputError(f"structure {self.id} needs a name without line breaks or tabs")
        for what in ("abbreviation", "group"):
            text = getattr(self, what)
            if not isinstance(text, str) or not text.isprintable():
                raise InputError(f"structure {self.id}: the {what} is not one line of text")
        if len(self.color) != 3 or not all(_is_int(value, 0, 255) for value in self.color):
            raise InputError(
                f"structure {self.id}: colour {self.color!r} is not three values 0 to 255"
            )
        if self.bids_mapping is not None and not _is_int(self.bids_mapping, 0, LARGEST_ID):
            raise InputError(
                f"structure {self.id}: BIDS mapping {self.bids_mapping!r} is not an id"
            )


@dataclass(frozen=True)
class Protocol:
    """The structures that a label map may hold, in the order of the network's classes.

    Class 0 is background (id 0); class ``c`` is ``structures[c - 1]``. There may be none yet, where
    all that a label map will hold is painted.

    Raises
    ------
    InputError
        If two structures share an id or a name, there are more than 254, or an id is above 32767.
    """

    name: str
    structures: tuple[Structure, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip() or not self.name.isprintable():
            raise InputError("a protocol needs a name of one line")
        if len(self.structures) > _MOST_STRUCTURES:
            raise InputError(f"protocol {self.name} has more than {_MOST_STRUCTURES} structures")
        for what in ("id", "name"):
            values = [getattr(structure, what) for structure in self.structures]
            if len(set(values)) < len(values):
                raise InputError(f"protocol {self.name} has two structures with the same {what}")
        largest = max((structure.id for structure in self.structures), default=0)
        if largest > _LARGEST_TRAINED:
            raise InputError(
                f"protocol {self.name}: id {largest} is above {_LARGEST_TRAINED}; renumber it"
            )

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
        label_map: np.ndarray = self.ids.astype(np.uint8 if small else np.int16)[classes]
        return label_map

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
                    **({"group": structure.group} if structure.group else {}),
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
                entry,
                {"id", "name", "color"},
                {"abbreviation", "bids_mapping", "group"},
                "structure",
            )
            if not isinstance(entry["color"], list):
                raise InputError(
                    f"structure {entry['id']!r}: 'color' is not a list of three values"
                )
            structures.append(Structure(**{**entry, "color": tuple(entry["color"])}))
        return cls(fields["name"], tuple(structures))


def sides_of(names: Iterable[str]) -> dict[str, tuple[str, str]]:
    """Find the structures that have a left and a right side.

    Parameters
    ----------
    names : iterable of str
        Of structures, such as ``Left-Hippocampus``.

    Returns
    -------
    dict of str to (str, str)
        Name of the left and of the right one, by what is the same in both.
    """
    sides: dict[str, dict[str, str]] = {}
    for name in names:
        if side := _SIDE.match(name):
            sides.setdefault(name[side.end() :], {})[side[1].lower()] = name
    return {name: (both["left"], both["right"]) for name, both in sides.items() if len(both) == 2}


def check_structure_id(value: object) -> None:
    """Refuse what is no id of a structure.

    Raises
    ------
    InputError
        It is no whole number from 1 to 2147483647.
    """
    if not _is_int(value, 1, LARGEST_ID):
        raise InputError(
            f"structure id {shortened(value)} is not a whole number from 1 to {LARGEST_ID}"
        )


def check_ids(label_map: np.ndarray, what: str) -> None:
    """Refuse ids that no label map of ours can hold.

    Parameters
    ----------
    label_map : ndarray
        Whole numbers of any type.
    what : str
        What they are to the user, for the message.

    Raises
    ------
    InputError
        An id is too large, or too far below 0.
    """
    for label in (label_map.min(), label_map.max()) if label_map.size else ():
        if not -LARGEST_ID <= label <= LARGEST_ID:
            raise InputError(
                f"{what} has the label id {label:.0f}, beyond {LARGEST_ID}; renumber its labels"
            )


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
