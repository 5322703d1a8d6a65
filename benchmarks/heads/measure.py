"""One head in a process of its own, which tells its own seconds and peak memory."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.heads.agreement import agreement_of
from benchmarks.segment import peak_memory
from src_core.errors import InputError
from src_core.io.scan import read_on_grid
from src_core.segment import segment

if TYPE_CHECKING:
    from benchmarks.heads.listed import Head


def measure(head: Head, model: str, threads: int | None) -> dict[str, Any]:
    """Segment a head in a fresh process with default settings; see `measure_here`."""
    words = [str(head.scan), "--model", model]
    given = {"labels": head.labels, "mask": head.mask, "threads": threads}
    for name, value in given.items():
        if value is not None:
            words += [f"--{name}", str(value)]
    command = [sys.executable, "-m", "benchmarks.heads.measure", *words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    # Other programs may print on the way.
    measured: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return measured


def measure_here(
    scan: Path, model: str, mask: Path | None, labels: Path | None, threads: int | None
) -> dict[str, Any]:
    """Segment a head in this process.

    Returns
    -------
    dict
        The report; seconds and CPU seconds of the whole, peak memory (MB), volume of the brain
        (mL); with labels the Dice of each structure that they and the model know. Or, under
        ``refused``, why it was not segmented.
    """
    started, cpu_started = time.perf_counter(), time.process_time()
    try:
        result = segment(scan, model=model, mask=mask, threads=threads, device="cpu")
    except InputError as error:
        return {"refused": str(error).replace(str(scan), scan.name)}
    measured = {
        "report": result.report,
        "seconds": time.perf_counter() - started,
        "cpu_seconds": time.process_time() - cpu_started,
        "peak_memory": peak_memory() / 1e6,
        "brain": float(result.mask.sum()) * result.scan.voxel_volume / 1e3,
    }
    if labels is not None:
        reference = read_on_grid(labels, result.scan, "reference")
        measured["dice"] = agreement_of(result, reference)
    return measured


def main() -> None:
    """Measure and print JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("scan", type=Path)
    parser.add_argument("--model", required=True)
    parser.add_argument("--mask", type=Path)
    parser.add_argument("--labels", type=Path)
    parser.add_argument("--threads", type=int)
    print(json.dumps(measure_here(**vars(parser.parse_args()))))


if __name__ == "__main__":
    main()
