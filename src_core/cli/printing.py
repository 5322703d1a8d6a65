"""What the commands print: tables and trees on stdout, problems on stderr."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from src_core.cli.command import PROGRAM

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path


def print_problem(kind: Literal["warning", "error"], message: str) -> None:
    """Print one line on stderr that says which program it is from."""
    print(f"{PROGRAM}: {kind}: {message}", file=sys.stderr)


def print_written(paths: Iterable[Path]) -> None:
    """Print the names of the files that were written."""
    for path in paths:
        print(f"written: {path}")


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of cells: the first column to the left, numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for first, *others in rows:
        cells = [first.ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(others, widths[1:], strict=True)]
        print("  ".join(cells).rstrip())


def print_tree(values: Mapping[str, Any], indent: str = "") -> None:
    """Print names with their values; those of a mapping below its name, indented."""
    for key, value in values.items():
        title = f"{indent}{key.replace('_', ' ')}:"
        if isinstance(value, Mapping):
            print(title)
            print_tree(value, indent + "  ")
        else:
            print(title, ", ".join(map(str, value)) if isinstance(value, list) else value)


def cell(value: float | None, style: str) -> str:
    """A number for a table, such as with the style ".3f"; "-" if there is none."""
    return "-" if value is None else format(value, style)
