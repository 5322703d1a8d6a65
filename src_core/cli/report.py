"""The command ``report``: the tables and the page of a cohort, made anew."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src_core.cli.batch import write_group
from src_core.cli.command import Command

if TYPE_CHECKING:
    import argparse


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("output", type=Path, metavar="OUTPUT", help="of the command batch or bids")
    parser.add_argument("--long", action="store_true", help="also a row for each structure")


def _run(args: argparse.Namespace) -> None:
    write_group(args.output, args.long)


COMMAND = Command("report", "make the tables and the page of a study anew", _add_arguments, _run)
