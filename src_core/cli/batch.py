"""The command ``batch``: all scans of a cohort, and tables of what came out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from src_core.cli.arguments import add_options, number
from src_core.cli.command import Command
from src_core.cli.printing import print_problem, print_written
from src_core.errors import InputError
from src_core.options import options_of
from src_core.request import BRAIN_WORDS, PER_SCAN, Request

if TYPE_CHECKING:
    import argparse

    from src_core.cohort.batch import Batch

_MINUTES = 60


def _add_arguments(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add(
        "input",
        type=Path,
        nargs="+",
        metavar="INPUT",
        help="BIDS data set, folder, table (CSV or TSV: scan and, if wanted, mask, reference,"
        " subject, session, age, sex), or scans",
    )
    add("output", type=Path, metavar="OUTPUT", help="folder of BIDS derivatives, made if need be")
    add("--participant-label", nargs="+", default=[], metavar="LABEL", help="only these people")
    add("--session-label", nargs="+", default=[], metavar="LABEL", help="only these sessions")
    add("--pattern", metavar="GLOB", help="of the scans' names; in BIDS default: *_T1w.nii*")
    add("--long", action="store_true", help="volumes also with a row for each structure")
    add_work(parser)


def add_work(parser: argparse.ArgumentParser) -> None:
    """Declare how the scans are segmented and where: what ``batch`` and ``bids`` share."""
    add = parser.add_argument
    add(
        "--overwrite",
        action="store_true",
        help="replace labels that were made with other options or another version",
    )
    options = options_of(Request).values()
    add_options(parser, [one for one in options if one.name not in PER_SCAN])
    add(
        "--time-limit",
        type=number(float),
        default=60.0,
        metavar="MINUTES",
        help="after which a scan is tried once more elsewhere, then given up; 0: none;"
        " default: %(default)g",
    )
    add("--probabilities", action="store_true", help="also write them: 4D, one per class")
    add("--warp", action="store_true", help="also write the displacement field (ITK/ANTs)")
    add("--lut", choices=["freesurfer", "itksnap"], help="colour tables as well")
    where = parser.add_mutually_exclusive_group()
    parser.add_argument(
        "--workers",
        type=number(int, 1),
        metavar="N",
        help="processes of this machine, or jobs of --cluster; default: its cores, as far as its"
        " memory goes",
    )
    where.add_argument("--scheduler", metavar="ADDRESS", help="of a Dask scheduler that runs")
    where.add_argument("--scheduler-file", type=Path, metavar="FILE", help="that it wrote")
    where.add_argument(
        "--cluster",
        type=Path,
        metavar="FILE.yaml",
        help="settings of a queue (slurm, pbs, sge, lsf) for dask-jobqueue",
    )


def _run(args: argparse.Namespace) -> None:
    run_scans(batch_of(args, args.input))
    write_group(args.output, args.long)


def batch_of(args: argparse.Namespace, inputs: list[Path]) -> Batch:
    """What is asked for, of the arguments that `add_work` declares."""
    from src_core.cohort.batch import Batch
    from src_core.cohort.cluster import ClusterSettings
    from src_core.cohort.inputs import Filters
    from src_core.cohort.products import Products
    from src_core.preparation.alignment import read_transform

    if args.brain not in BRAIN_WORDS:
        raise InputError(
            f"{args.brain} cannot be the brain of all scans: give {', '.join(BRAIN_WORDS)}, or a"
            " table with the columns scan and mask"
        )
    given: dict[str, Any] = {
        name: getattr(args, name) for name in options_of(Request) if name not in PER_SCAN
    }
    if args.transform:
        given["transform"] = read_transform(args.transform)
    return Batch(
        inputs,
        args.output,
        Request("", **given),
        Filters(args.participant_label, args.session_label, args.pattern),
        ClusterSettings(args.workers, args.scheduler, args.scheduler_file, args.cluster),
        args.time_limit * _MINUTES,
        Products(args.probabilities, args.warp, args.lut),
        args.overwrite,
    )


def run_scans(batch: Batch) -> None:
    """Segment the scans with a progress bar; what failed is said as it does."""
    from tqdm import tqdm

    from src_core.cohort.batch import run_batch

    with tqdm(unit="scan", disable=None) as bar:

        def begin(to_do: int, done: int, client: Any) -> None:
            tqdm.write(f"{to_do} scans to do, {done} done before")
            if client is not None:
                tqdm.write(f"dashboard: {client.dashboard_link}")
            bar.reset(total=to_do)

        failed = 0
        for outcome in run_batch(batch, begin):
            if outcome.why:
                failed += 1
                print_problem("warning", f"{outcome.task.place.name} failed: {outcome.why}")
            bar.set_postfix_str(f"{failed} failed", refresh=False)
            bar.update()


def write_group(output: Path, long: bool) -> None:
    """Write the tables and the page of all scans of an output."""
    from src_core.cohort.records import read_records
    from src_core.cohort.report_page import write_page
    from src_core.cohort.tables import write_tables

    records, failures = read_records(output)
    written = write_tables(records, failures, output, long)
    written.append(write_page(records, failures, output))
    print(f"{len(records)} scans have labels, {len(failures)} failed")
    print_written(written)


COMMAND = Command("batch", "segment all scans of a study", _add_arguments, _run)
