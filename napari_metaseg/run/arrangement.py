"""The rows of a table in groups, with both sides of a structure in one if that is asked for."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from src_core.io.labels import sides_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from napari_metaseg.run.status import StructureRow

TITLES = ("Group", "Labels", "Structure", "Volume (mL)", "Change (mL)", "Dice", "Asymmetry (%)")
"""Of the columns that are copied and saved."""


@dataclass(frozen=True)
class Entry:
    """A line of the table: a structure, both sides of one, or a group of such.

    Attributes
    ----------
    name : str
        Of both sides: what is the same in their names.
    rows : tuple of StructureRow
        All structures that it stands for; of both sides the left one first.
    members : tuple of Entry
        What a group holds; empty for all else.
    """

    name: str
    rows: tuple[StructureRow, ...]
    members: tuple[Entry, ...] = ()

    @cached_property
    def ids(self) -> tuple[int, ...]:
        """Label ids of all structures."""
        return tuple(row.id for row in self.rows)

    @cached_property
    def largest(self) -> StructureRow:
        """The structure with the largest volume."""
        return max(self.rows, key=lambda row: row.volume)

    @cached_property
    def volume(self) -> float:
        """Sum of the volumes, mL."""
        return sum(row.volume for row in self.rows)

    @cached_property
    def change(self) -> float:
        """Sum of the changes that are known, mL; nan if none is."""
        known = _known(row.change for row in self.rows)
        return sum(known) if known else math.nan

    @cached_property
    def dice(self) -> float:
        """Mean over the structures that have one; nan if none has."""
        known = _known(row.dice for row in self.rows)
        return sum(known) / len(known) if known else math.nan

    @cached_property
    def sides(self) -> tuple[float, float]:
        """Volumes of the left and the right sides that are in one entry, mL."""
        if self.members:
            lefts, rights = zip(*(member.sides for member in self.members), strict=True)
            return sum(lefts), sum(rights)
        return (self.rows[0].volume, self.rows[1].volume) if len(self.rows) == 2 else (0.0, 0.0)

    @property
    def asymmetry(self) -> float:
        """Left minus right volume, in percent of their mean; nan where sides are not in one."""
        left, right = self.sides
        return 200 * (left - right) / (left + right) if left + right else math.nan

    def matches(self, search: str) -> bool:
        """Whether one of the structures has every word in its name or its group's."""
        words = _words(search)
        texts = (" ".join(_words(f"{row.group} {row.name}")) for row in self.rows)
        return any(all(word in text for word in words) for text in texts)


def arrange(rows: Iterable[StructureRow], *, paired: bool = False) -> tuple[Entry, ...]:
    """Put the rows of a table in groups.

    Parameters
    ----------
    rows : iterable of StructureRow
    paired : bool
        Whether both sides of a structure make one entry, if they are in one group.

    Returns
    -------
    tuple of Entry
        What has no group, then the groups, in the order of the rows.
    """
    by_group: dict[str, list[StructureRow]] = {}
    for row in rows:
        by_group.setdefault(row.group, []).append(row)
    without = _entries(by_group.pop("", []), paired)
    groups = (
        Entry(group, tuple(of_group), _entries(of_group, paired))
        for group, of_group in by_group.items()
    )
    return (*without, *groups)


def flat(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Every entry, each group before its members."""
    for entry in entries:
        yield entry
        yield from entry.members


def as_tsv(entries: Iterable[Entry]) -> str:
    """The entries as lines of tab-separated text, below titles.

    A group is called "total"; what is not known is left empty.
    """
    lines = [TITLES, *map(_cells, entries)]
    return "\n".join("\t".join(line) for line in lines)


def _entries(rows: list[StructureRow], paired: bool) -> tuple[Entry, ...]:
    by_name = {row.name: row for row in rows}
    in_pairs: dict[str, Entry] = {}
    if paired:
        for name, sides in sides_of(by_name).items():
            in_pairs |= dict.fromkeys(sides, Entry(name, tuple(by_name[side] for side in sides)))
    # a pair stands where its first side stood
    found = (in_pairs.get(row.name) or Entry(row.name, (row,)) for row in rows)
    return tuple({entry.ids: entry for entry in found}.values())


def _cells(entry: Entry) -> tuple[str, ...]:
    numbers = (entry.volume, entry.change, entry.dice)
    return (
        entry.rows[0].group,
        " ".join(map(str, entry.ids)),
        "total" if entry.members else entry.name,
        *(f"{number:.4f}" if math.isfinite(number) else "" for number in numbers),
        f"{entry.asymmetry:.2f}" if math.isfinite(entry.asymmetry) else "",
    )


def _known(numbers: Iterable[float]) -> list[float]:
    return [number for number in numbers if math.isfinite(number)]


def _words(text: str) -> list[str]:
    return text.casefold().replace("-", " ").replace("_", " ").split()
