"""Time and memory of a whole segmentation, beside the paper's plain recipe.

Run ``python -m benchmarks.segment [SCAN]``; without a scan, the MNI152 sample (1 mm) is used. Each
segmentation runs in a fresh process, which tells its own peak memory. The plain recipe (sine
network of 5 x 256, full batch over every voxel of the volume, 100 steps) would take hours: one step
on a part of the voxels is measured before each segmentation and extrapolated.
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
from benchmarks.fit_step import PLAIN_POINTS, PlainFit
from src_core.io.scan import Scan, read_scan
from src_core.models.bundled import DEFAULT_MODEL
from src_core.segment import segment

PLAIN_STEPS = 100
STAGES = ("load", "align", "fit", "decode")


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


def measure(path: Path, model: str, threads: int) -> dict[str, Any]:
    """`measure_here` in a fresh process."""
    words = [str(path), "--child", "--model", model, "--threads", str(threads)]
    command = [sys.executable, "-m", "benchmarks.segment", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


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
    parser.add_argument("--model", default=DEFAULT_MODEL)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--child", action="store_true", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        print(json.dumps(measure_here(args.scan, args.model, args.threads)))
        return

    torch.set_num_threads(args.threads)
    with TemporaryDirectory() as folder:
        path = args.scan or write_sample(Path(folder))
        scan = read_scan(path)
        plain = PlainFit(PLAIN_POINTS)
        plain.step()
        rounds, recipe = [], []
        for _ in range(args.rounds):
            recipe.append(plain_seconds(scan, plain))
            rounds.append(measure(path, args.model, args.threads))
    _print_table(scan, args, rounds, recipe)


def _print_table(
    scan: Scan, args: argparse.Namespace, rounds: list[dict[str, Any]], recipe: list[float]
) -> None:
    reports = [r["report"] for r in rounds]
    size, voxel = scan.shape, scan.voxel_size.round(3).tolist()
    print(f"{size} voxels of {voxel} mm, {args.model}, {reports[0]['iterations']} iterations;")
    print(f"{args.threads} threads, {args.rounds} rounds, torch {torch.__version__}\n")
    rows: dict[str, list[float]] = {
        f"{stage}, s": [report["seconds"][stage] for report in reports] for stage in STAGES
    }
    totals = [sum(values) for values in zip(*rows.values(), strict=True)]
    rows["whole segmentation, s"] = totals
    rows["plain recipe (extrapolated), s"] = recipe
    rows["plain recipe / whole segmentation"] = [
        plain / own for plain, own in zip(recipe, totals, strict=True)
    ]
    rows["peak memory, MB"] = [r["peak"] for r in rounds]
    print("| | min | median |")
    print("|---|---:|---:|")
    for name, values in rows.items():
        digits = 1 if max(values) < 100 else 0
        print(f"| {name} | {min(values):.{digits}f} | {median(values):.{digits}f} |")


if __name__ == "__main__":
    main()
