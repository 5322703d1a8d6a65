"""A batch against `segment`, one scan after another: seconds, processor seconds, scans an hour.

python -m benchmarks.cohort.throughput SCAN SCAN [...] [--workers 1 2] [--model NAME]
"""

from __future__ import annotations

import argparse
import resource
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory


def seconds_of(*words: object) -> tuple[float, float]:
    """How long a command takes, and its processor time with that of its processes."""
    began, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
    program = [sys.executable, "-m", "napari_metaseg", *map(str, words)]
    subprocess.run(program, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return time.perf_counter() - began, cpu


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", type=Path, nargs="+")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--model", default="brain3d-tissue")
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        folder, options = Path(name), ("--model", args.model)
        alone = (0.0, 0.0)
        for number, scan in enumerate(args.scans):
            out = folder / f"{number}_dseg.nii.gz"
            words = ("segment", scan, "-o", out, "--threads", 1, *options)
            wall, cpu = seconds_of(*words)
            alone = alone[0] + wall, alone[1] + cpu
        rows = {"segment, one thread": alone}
        for workers in args.workers:
            words = ("batch", *args.scans, folder / f"out{workers}", "--workers", workers)
            rows[f"batch, {workers} workers"] = seconds_of(*words, *options)
    for what, (wall, cpu) in rows.items():
        print(f"| {what} | {wall:.0f} | {cpu:.0f} | {3600 * len(args.scans) / wall:.0f} |")


if __name__ == "__main__":
    main()
