"""Time and memory of a whole segmentation, beside the paper's plain recipe.

Run ``python -m benchmarks.segment [SCAN]``; without a scan, the MNI152 sample (1 mm) is used. Each
segmentation runs in a fresh process, which tells its own peak memory. With ``--against FOLDER``, a
checkout of another commit segments the same scan in turn with this one. The machine's rate of
single-precision matrix products (sgemm) is measured before each segmentation.

The plain recipe (sine network of 5 x 256, full batch over every voxel of the volume, 100 steps)
would take hours: one step on a part of the voxels is measured in each round and extrapolated.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

import torch

from benchmarks.common import write_sample
from benchmarks.fit_step import PLAIN_POINTS, PlainFit, matrix_product
from src_core.io.scan import Scan, read_scan
from src_core.segment import segment

PLAIN_STEPS = 100
STAGES = {
    "load": ("load",),
    "align and see": ("align", "see"),
    "fit": ("fit",),
    "decode": ("decode",),
}
"""Rows of the table and the stages they sum; earlier commits align and see in one stage."""


def measure_here(path: Path, model: str, threads: int) -> dict[str, Any]:
    """Segment once in this process: report, and peak memory in MB."""
    report = segment(path, model=model, threads=threads, device="cpu").report
    return {"report": report, "peak": peak_memory() / 1e6}


def peak_memory() -> int:
    """Most memory this process has held, bytes."""
    # On Linux getrusage counts the parent in: a new process inherits the peak of whoever starts it.
    status = Path("/proc/self/status")
    if status.exists():
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return 1024 * int(line.split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def measure(path: Path, model: str, threads: int, checkout: Path) -> dict[str, Any]:
    """`measure_here` of a checkout in a fresh process, and the seconds of the whole process."""
    words = [str(path.resolve()), "--child", "--model", model, "--threads", str(threads)]
    command = [sys.executable, "-m", "benchmarks.segment", *words]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    started = time.perf_counter()
    done = subprocess.run(
        command, stdout=subprocess.PIPE, text=True, check=True, cwd=checkout, env=environment
    )
    seconds = time.perf_counter() - started
    measured: dict[str, Any] = json.loads(done.stdout)
    return {**measured, "process": seconds}


def product_rate() -> float:
    """Rate of single-precision matrix products, GFLOP/s: the best of some."""
    product = matrix_product()
    for _ in range(20):
        product.time_once()
    return product.rate() / 1e9


def plain_seconds(scan: Scan, plain: PlainFit) -> float:
    """Seconds that the plain recipe would take for a scan, from one step on a part of it."""
    started = time.perf_counter()
    plain.step()
    step = time.perf_counter() - started
    return PLAIN_STEPS * step * scan.voxels.size / PLAIN_POINTS


def main() -> None:
    """Measure and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path, nargs="?")
    parser.add_argument("--model", default="brain3d-tissue")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--against", type=Path, help="checkout of another commit")
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure_here(args.scan, args.model, args.threads)))
        return

    torch.set_num_threads(args.threads)
    checkouts = {"this": Path(__file__).parents[1]}
    if args.against:
        checkouts["other"] = args.against.resolve()
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in checkouts}
    with TemporaryDirectory() as folder:
        path = args.scan or write_sample(Path(folder))
        scan = read_scan(path)
        plain = PlainFit(PLAIN_POINTS)
        plain.step()
        for _ in range(args.rounds):
            recipe = plain_seconds(scan, plain)
            for name, checkout in checkouts.items():
                rate = product_rate()
                measured = measure(path, args.model, args.threads, checkout)
                rounds[name].append({**measured, "rate": rate, "recipe": recipe})
    _print_table(scan, args, {name: _rows(measured) for name, measured in rounds.items()})


def _rows(rounds: list[dict[str, Any]]) -> dict[str, list[float]]:
    """What was measured of a checkout in each round, by its name in the table."""
    seconds = [one["report"]["seconds"] for one in rounds]
    rows = {
        f"{row}, s": [sum(of_round.get(stage, 0.0) for stage in stages) for of_round in seconds]
        for row, stages in STAGES.items()
    }
    totals = [sum(of_round) for of_round in zip(*rows.values(), strict=True)]
    recipe = [one["recipe"] for one in rounds]
    return {
        **rows,
        "whole segmentation, s": totals,
        "with start and end of the program, s": [one["process"] for one in rounds],
        "matrix product, GFLOP/s": [one["rate"] for one in rounds],
        "operations of that rate in that time, TFLOP": [
            one["process"] * one["rate"] / 1000 for one in rounds
        ],
        "plain recipe (extrapolated), s": recipe,
        "plain recipe / whole segmentation": [
            plain / own for plain, own in zip(recipe, totals, strict=True)
        ],
        "iterations": [one["report"]["iterations"] for one in rounds],
        "peak memory, MB": [one["peak"] for one in rounds],
    }


def _print_table(
    scan: Scan, args: argparse.Namespace, rows: dict[str, dict[str, list[float]]]
) -> None:
    size, voxel = scan.shape, scan.voxel_size.round(3).tolist()
    print(f"{size} voxels of {voxel} mm, {args.model};")
    print(f"{args.threads} threads, {args.rounds} rounds, torch {torch.__version__}\n")
    compared = len(rows) > 1
    heads = [f"{name}, {which}" for name in rows for which in ("min", "median")]
    print(f"| | {' | '.join(heads)} |" + (" this / other |" if compared else ""))
    print("|---" + "|---:" * (len(heads) + compared) + "|")
    for quantity in rows["this"]:
        columns = [own[quantity] for own in rows.values()]
        digits = 1 if max(map(max, columns)) < 100 else 0
        cells = [f"{pick(column):.{digits}f}" for column in columns for pick in (min, median)]
        if compared:
            this, other = columns
            cells.append(f"{median(a / b for a, b in zip(this, other, strict=True)):.2f}")
        print(f"| {quantity} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
