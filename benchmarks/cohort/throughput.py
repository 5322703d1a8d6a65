"""Scans an hour: a batch against the command `segment`, one scan after another.

python -m benchmarks.cohort.throughput SCAN SCAN [...] [--workers 1 2] [--model NAME]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory


def seconds_of(*words: object) -> float:
    """How long a command takes."""
    began = time.perf_counter()
    program = [sys.executable, "-m", "napari_metaseg", *map(str, words)]
    subprocess.run(program, check=True, capture_output=True)
    return time.perf_counter() - began


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", type=Path, nargs="+")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", default="brain3d-tissue")
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        folder, options = Path(name), ("--model", args.model)
        rows = {"segment, one thread": 0.0}
        for number, scan in enumerate(args.scans):
            out = folder / f"{number}_dseg.nii.gz"
            words = ("segment", scan, "-o", out, "--threads", 1, *options)
            rows["segment, one thread"] += seconds_of(*words)
        for workers in args.workers:
            words = ("batch", *args.scans, folder / f"out{workers}", "--workers", workers)
            rows[f"batch, {workers} workers"] = seconds_of(*words, *options)
    for what, seconds in rows.items():
        print(f"| {what} | {seconds:.0f} | {3600 * len(args.scans) / seconds:.0f} |")


if __name__ == "__main__":
    main()
