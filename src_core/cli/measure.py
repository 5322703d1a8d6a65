"""The command ``measure``: overlaps and distances of two label maps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src_core.cli.arguments import add_overwrite
from src_core.cli.command import Command
from src_core.cli.printing import cell, print_table
from src_core.errors import InputError
from src_core.io.files import check_writable

if TYPE_CHECKING:
    import argparse

    from src_core.io.labels import Protocol

_COLUMNS = {
    "dice": ("Dice", ".3f"),
    "hd95_mm": ("HD95 (mm)", ".2f"),
    "assd_mm": ("ASSD (mm)", ".2f"),
    "volume_similarity": ("volume similarity", ".3f"),
}
"""Title and style of what is printed, by its key in the comparison."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_overwrite(parser)
    add = parser.add_argument
    add("labels", type=Path, metavar="LABELS")
    add("reference", type=Path, metavar="REFERENCE")
    add(
        "--protocol",
        metavar="NAME",
        help="default: found from the label ids; structures of a finer protocol are merged",
    )
    add("--json", type=Path, metavar="FILE", help="write the numbers as well")


def _run(args: argparse.Namespace) -> None:
    from src_core.io import export
    from src_core.io.protocols import classes_in
    from src_core.io.scan import read_on_grid, read_scan
    from src_core.results.measure import compare

    if args.json:
        check_writable([args.json], args.overwrite, [args.labels, args.reference])
    # A reference is never empty, an unlucky label map may be: the grid is the reference's.
    grid = read_scan(args.reference)
    labels = read_on_grid(args.labels, grid, "label map")
    reference = read_on_grid(args.reference, grid, "reference")
    protocol = _protocol(args.protocol, labels, reference)
    labels, reference = (protocol.ids[classes_in(one, protocol)] for one in (labels, reference))
    result = compare(labels, reference, grid.affine, protocol)
    if args.json:
        export.write_json(result, args.json, overwrite=args.overwrite)
    _print_comparison(result)


def _protocol(name: str | None, *label_maps: np.ndarray) -> Protocol:
    """The protocol of that name, the smallest with all labels, or else the finest that all tell."""
    from src_core.io.protocols import PROTOCOLS, protocol

    if name:
        return protocol(name)
    found = set().union(*(np.unique(label_map).tolist() for label_map in label_maps))
    by_size = sorted(PROTOCOLS.values(), key=lambda known: len(known.structures))
    for candidate in by_size:
        if found <= set(candidate.ids.tolist()):
            return candidate
    for candidate in reversed(by_size):
        if all(_tells(label_map, candidate) for label_map in label_maps):
            return candidate
    raise InputError(
        f"no protocol has all the label ids found; the known ones are {', '.join(PROTOCOLS)}: "
        "convert the ids, or name one with --protocol to see which it lacks"
    )


def _tells(label_map: np.ndarray, protocol: Protocol) -> bool:
    """Whether a label map can be told in a protocol."""
    from src_core.io.protocols import classes_in

    try:
        classes_in(label_map, protocol)
    except InputError:
        return False
    return True


def _print_comparison(result: dict[str, Any]) -> None:
    def cells(measures: dict[str, float | None]) -> list[str]:
        return [cell(measures[key], style) for key, (_, style) in _COLUMNS.items()]

    print(f"protocol {result['protocol']}")
    rows = [["structure", *(title for title, _ in _COLUMNS.values())]]
    rows += [[row["name"], *cells(row)] for row in result["structures"]]
    print_table([*rows, ["mean", *cells(result["mean"])]])
    print(
        f"generalised Dice with background (as in the MetaSeg paper): "
        f"{result['generalised_dice']:.3f}"
    )


COMMAND = Command("measure", "compare two label maps", _add_arguments, _run)
