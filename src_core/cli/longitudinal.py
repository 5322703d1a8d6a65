"""The command ``longitudinal``: scans of one person, and how volumes changed between them."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from src_core.cli.arguments import add_options, add_overwrite
from src_core.cli.command import Command
from src_core.cli.printing import cell, print_problem, print_table, print_written
from src_core.errors import InputError
from src_core.io.files import check_exists, check_writable
from src_core.options import options_of
from src_core.request import BRAIN_WORDS, Request

if TYPE_CHECKING:
    import argparse

    from src_core.results.changes import Row
    from src_core.results.segmentation import Segmentation

_OPTIONS = ("model", "labels", "iterations", "device", "threads", "seed", "brain", "force")
"""Those of a request that are the same for all scans."""


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add_overwrite(parser)
    add = parser.add_argument
    add(
        "scans",
        type=Path,
        nargs="+",
        metavar="SCAN",
        help="two or more of one person, the earliest first",
    )
    add(
        "-o",
        "--output",
        type=Path,
        metavar="OUT.tsv",
        help="table of volumes; default: the first SCAN's stem + _changes.tsv",
    )
    options = options_of(Request)
    # A mask is of one scan: none can be given here.
    where = "where the brain is: auto (found if a scan shows its skull), stripped or deepbet; "
    options["brain"] = replace(
        options["brain"], choices=BRAIN_WORDS, short=where + "default: %(default)s", group=""
    )
    add_options(parser, [options[name] for name in _OPTIONS])


def _run(args: argparse.Namespace) -> None:
    from src_core.io.bids_names import label_map_beside
    from src_core.io.export import companion
    from src_core.models.model import load_model
    from src_core.results.changes import volume_rows, write_rows

    model = load_model(args.model)
    protocol = model.in_protocol(args.labels).protocol
    scans, outputs = args.scans, [label_map_beside(scan, protocol) for scan in args.scans]
    table = args.output or companion(scans[0], "_changes.tsv")
    _check(scans, [*outputs, table], args.overwrite)
    request = Request(scans[0], **{name: getattr(args, name) for name in _OPTIONS})
    model.card.require_structures()
    request = replace(request, model=model)
    label_maps, grids, written = [], [], [table]
    for scan, output in zip(scans, outputs, strict=True):
        result = _segment(replace(request, scan=scan))
        label_maps.append(result.labels)
        grids.append(result.scan)
        written += result.save(output, overwrite=args.overwrite)
    rows = volume_rows(label_maps, grids, result.protocol)
    write_rows(rows, table, overwrite=args.overwrite)
    _print_rows(rows)
    print_written(written)


def _check(scans: list[Path], outputs: list[Path], overwrite: bool) -> None:
    """Find out before the first fit whether all can be read and written."""
    from src_core.io.export import companion

    if len(scans) < 2:
        raise InputError("one scan shows no change; give two or more of one person")
    if len(set(outputs)) < len(outputs):
        raise InputError("two scans have one name for their labels; give each scan once")
    for scan in scans:
        check_exists(scan)
    beside = [companion(output, end) for output in outputs[:-1] for end in (".tsv", ".json")]
    check_writable([*outputs, *beside], overwrite, scans)


def _segment(request: Request) -> Segmentation:
    """Segment one of the scans; what is unusual about it is told with its name."""
    from tqdm import tqdm

    from src_core.segment import segment

    with tqdm(desc=str(request.scan), unit="step", leave=False, disable=None) as bar:
        result = segment(request, on_step=lambda _: bar.update())
    for note in result.report["notes"]:
        print_problem("warning", f"{request.scan}: {note}")
    return result


def _print_rows(rows: list[Row]) -> None:
    count = len(rows[0][2])
    head = [f"scan {number} (ml)" for number in range(1, count + 1)]
    head += [f"change {number} (%)" for number in range(2, count + 1)]
    lines = [["structure", *head]]
    for _, name, volumes, changes in rows:
        told = [f"{volume / 1000:.2f}" for volume in volumes]
        told += [cell(None if math.isnan(one) else one, "+.1f") for one in changes]
        lines.append([name, *told])
    print_table(lines)


COMMAND = Command(
    "longitudinal",
    "label scans of one person and tell how volumes changed",
    _add_arguments,
    _run,
)
