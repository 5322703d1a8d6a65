"""Train, score and compare the baselines.

Each command can be interrupted and run again: it goes on where it was.

    python -m benchmarks.baselines run unet3d DATA RESULTS --protocol fs32
    python -m benchmarks.baselines model brain3d-tissue DATA RESULTS
    python -m benchmarks.baselines table RESULTS docs/baselines.md
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from benchmarks.baselines.data import Task
from benchmarks.baselines.methods import METHODS, begin
from benchmarks.baselines.model_file import ModelFile
from benchmarks.baselines.score import score
from benchmarks.baselines.table import write_table
from src_core.errors import InputError

if TYPE_CHECKING:
    from benchmarks.baselines.method import Method


def _run(args: argparse.Namespace) -> None:
    cache = args.cache or args.results / "cache"
    task = Task.of(args.data, args.protocol, cache, args.learn.split(",") if args.learn else ())
    given = {name: getattr(args, name) for name in ("steps", "iterations", "outer_steps")}
    settings = {name: value for name, value in given.items() if value is not None}
    work = args.results / args.protocol / args.method / "training"
    method = begin(args.method, task, settings, work)
    _score(args, method, args.method, task, method.train(work))


def _model(args: argparse.Namespace) -> None:
    method = ModelFile(args.model, args.iterations, args.minutes)
    task = Task.of(args.data, method.model.protocol.name, args.results / "cache")
    suffix = "" if args.iterations is None else f"-{args.iterations}"
    name = f"{method.model.name}-{method.model.sha256[:8]}{suffix}"
    _score(args, method, name, task, method.train(args.results))


def _score(
    args: argparse.Namespace, method: Method, name: str, task: Task, seconds: float | None
) -> None:
    scans = [scan for split in ("test", "val") for scan in task.of_split(split)]
    if args.scans:
        scans = [scan for scan in scans if scan.name in args.scans.split(",")]
    score(method, name, task, scans, seconds, args.results / task.protocol.name / name)


def _table(args: argparse.Namespace) -> None:
    write_table(args.results, args.output)


def main() -> int:
    """Run one command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.baselines",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(required=True)
    run = commands.add_parser("run", help="train and score one method")
    run.add_argument("method", choices=METHODS)
    run.add_argument("--protocol", default="tissue4")
    run.add_argument("--steps", type=int, help="of the training")
    run.add_argument("--outer-steps", type=int, help="of Reptile")
    run.add_argument("--learn", help="training scans with commas; default: all")
    run.add_argument("--cache", type=Path, help="folder of examples; default: in the results")
    run.set_defaults(call=_run)
    model = commands.add_parser("model", help="score a model of this project")
    model.add_argument("model", help="bundled model or file")
    model.add_argument("--minutes", type=float, help="that its training took")
    model.set_defaults(call=_model)
    for command in (run, model):
        command.add_argument("data", type=Path, help="folder of labelled scans")
        command.add_argument("results", type=Path, help="folder")
        command.add_argument("--iterations", type=int, help="of each fit")
        command.add_argument("--scans", help="scored, with commas; default: test and val")
        command.add_argument("--threads", type=int)
    table = commands.add_parser("table", help="write the table of all methods")
    table.add_argument("results", type=Path, help="folder")
    table.add_argument("output", type=Path, nargs="?", default=Path("docs/baselines.md"))
    table.set_defaults(call=_table, threads=None)
    args = parser.parse_args()
    if args.threads:
        torch.set_num_threads(args.threads)
    try:
        args.call(args)
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
