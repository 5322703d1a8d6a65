"""The command ``bids``: a cohort by the conventions of BIDS Apps."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from src_core.cli.batch import add_work, batch_of, run_scans, write_group
from src_core.cli.command import Command
from src_core.errors import InputError

if TYPE_CHECKING:
    import argparse


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("input", type=Path, metavar="INPUT", help="BIDS data set")
    add("output", type=Path, metavar="OUTPUT", help="folder of BIDS derivatives, made if need be")
    add(
        "level",
        choices=["participant", "group"],
        help="participant: segment the scans; group: write the tables and the page of all of them",
    )
    for what, prefix in (("participant", "sub-"), ("session", "ses-")):
        add(
            f"--{what}-label",
            f"--{what}_label",
            nargs="+",
            default=[],
            metavar="LABEL",
            help=f"only these, with or without {prefix}",
        )
    add("--pattern", metavar="GLOB", help="of the scans' names; default: *_T1w.nii*")
    add(
        "--skip-bids-validation",
        "--skip_bids_validator",
        action="store_true",
        help="accepted and without effect: what is read is checked in any case",
    )
    add_work(parser)


def _run(args: argparse.Namespace) -> None:
    if not args.input.is_dir():
        raise InputError(f"{args.input} is no folder; give the root of a BIDS data set")
    if args.level == "participant":
        run_scans(batch_of(args, [args.input]))
    else:
        write_group(args.output, long=True)


COMMAND = Command("bids", "the same, as a BIDS App", _add_arguments, _run)
