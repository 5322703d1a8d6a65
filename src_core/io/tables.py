"""Tables with a header, and those of structures, such as ``_dseg.tsv`` of BIDS derivatives."""

from __future__ import annotations

import colorsys
import csv
import io
import re
from pathlib import Path
from reprlib import repr as shortened
from typing import TYPE_CHECKING, Any

from src_core.errors import InputError
from src_core.io.labels import Structure, check_structure_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from src_core.io.labels import Color


def read_table(
    path: str | Path, columns: Iterable[str], *, strict: bool = True
) -> list[dict[str, str]]:
    """Read the rows of a table with a header; cells are stripped.

    Parameters
    ----------
    path : str or Path
        Text in UTF-8, parted by tabs if its name ends in .tsv, by commas otherwise.
    columns : iterable of str
        Those that it must have.
    strict : bool
        Whether two columns of one name, and rows with more cells than the header, are refused;
        rows of empty cells are left out. Otherwise the last of two columns counts, surplus cells
        are passed over, and rows are left out only where a line holds nothing.

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
            header = [cell.strip() if strict else cell for cell in next(lines, [])]
            numbered = [(lines.line_num, [cell.strip() for cell in line]) for line in lines]
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}") from error
    except (csv.Error, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a table in UTF-8 text ({error})") from error
    for column in columns:
        if column not in header:
            found = ", ".join(map(repr, header)) or "nothing"
            raise InputError(f"{path}: the column {column!r} is missing; its header has {found}")
    if strict:
        _refuse_surplus(path, header, numbered)
    return [
        dict(zip(header, [*cells, *[""] * len(header)], strict=False))
        for _, cells in numbered
        if (any(cells) if strict else cells)
    ]


def read_structures(
    path: str | Path,
    *,
    strict: bool = True,
    default_color: Callable[[int, int], Color] | None = None,
) -> tuple[Structure, ...]:
    """Read the structures of a table; a row with the id 0 is background and left out.

    Parameters
    ----------
    path : str or Path
        TSV or CSV with the columns id (or index) and name and, if wanted, color (``#rrggbb``),
        abbreviation, mapping (id of a standard class of BIDS) and group.
    strict : bool
        As in `read_table`; otherwise the ids are in the column index, structures without a name
        are called by number, and colours may lack their ``#``.
    default_color : callable, optional
        Colour of a structure that has none, by its row, from 0, and its id.

    Returns
    -------
    tuple of Structure

    Raises
    ------
    InputError
        If the table cannot be read or a row is no structure.
    """
    rows = read_table(path, ("name",) if strict else ("index", "name"), strict=strict)
    columns = ("id", "index") if strict else ("index",)
    index = next((column for column in columns if rows and column in rows[0]), None)
    if index is None and strict:
        raise InputError(f"{path}: needs a column 'id' or 'index' and a row for each structure")
    structures = []
    try:
        for number, row in enumerate(rows):
            label = _whole(row[index or "index"], f"the {index} of {_cell(row, 'name')!r}")
            if label:
                check_structure_id(label)  # there are colours for ids only
                color = _color(_cell(row, "color"), strict)
                color = color or (default_color or color_of_row)(number, label)
                structures.append(_structure(row, label, color, strict))
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    return tuple(structures)


def tabbed(rows: Iterable[Sequence[Any]]) -> str:
    """Rows as text parted by tabs: numbers with six digits, ``n/a`` for None."""
    text = io.StringIO()
    writer = csv.writer(text, delimiter="\t", lineterminator="\n")
    writer.writerows([[_told(value) for value in row] for row in rows])
    return text.getvalue()


def _told(value: Any) -> str:
    if value is None:
        return "n/a"
    return f"{value:.6g}" if isinstance(value, float) else " ".join(str(value).split())


def _refuse_surplus(path: Path, header: list[str], numbered: list[tuple[int, list[str]]]) -> None:
    named = [cell for cell in header if cell]  # spreadsheets write empty columns, too
    if len(set(named)) < len(named):
        raise InputError(f"{path}: two columns have the same name; rename or delete one")
    for number, cells in numbered:
        if any(cells[len(header) :]):
            raise InputError(
                f"{path}: line {number} has more cells than the header; quote text with commas"
            )


def _cell(row: Mapping[str, str], column: str) -> str:
    value = row.get(column, "")
    return "" if value.lower() == "n/a" else value


def _structure(row: Mapping[str, str], label: int, color: Color, strict: bool) -> Structure:
    name, mapping = _cell(row, "name"), _cell(row, "mapping")
    return Structure(
        label,
        name if name or strict else f"Label {label}",
        color,
        _cell(row, "abbreviation"),
        _whole(mapping, f"structure {label}: the BIDS mapping") if mapping else None,
        _cell(row, "group"),
    )


def _whole(text: str, what: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{what} is {shortened(text)}, not a whole number") from None


def _color(text: str, strict: bool) -> Color | None:
    """Return the colour of ``#rrggbb``; None without text."""
    digits = text.lstrip("#")
    if not digits and not (strict and text):
        return None
    try:
        if strict and not re.fullmatch("#[0-9a-fA-F]{6}", text):
            raise ValueError
        red, green, blue = bytes.fromhex(digits)
    except ValueError:
        raise InputError(f"colour {text!r} is not like #1a2b3c") from None
    return red, green, blue


def color_of_row(number: int, _label: int) -> Color:
    """Colour of a structure that has none, by its number in a table."""
    # Steps of the golden ratio never come back to a hue, however many there are.
    hue, lightness = (number * 0.618034) % 1, (0.5, 0.7, 0.35)[number % 3]
    red, green, blue = (round(255 * part) for part in colorsys.hls_to_rgb(hue, lightness, 0.75))
    return red, green, blue
