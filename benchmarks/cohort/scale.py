"""A large study without its fits: what handing out its scans costs, and finding what is missing.

    python -m benchmarks.cohort.scale [--scans 10000] [--workers 20]

A scheduler runs as a program of its own, with workers that only sleep. Then the files of a study
of which all scans but one are done are made up, and looked through as the command does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import subprocess
import sys
import time
from contextlib import AsyncExitStack, ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import psutil

from src_core.cohort.inputs import Filters, find_scans
from src_core.cohort.places import Place
from src_core.cohort.plan import claim, plan, settings_of
from src_core.cohort.records import read_records
from src_core.cohort.report_page import write_page
from src_core.cohort.stamps import stamp_of
from src_core.cohort.tables import write_tables
from src_core.cohort.tasks import Outcome, ScanTask
from src_core.cohort.work import outcomes
from src_core.request import Request

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SLEEP = 0.2
REPORT: dict[str, Any] = {
    "psnr": 19.0,
    "alignment": {"method": "affine", "similarity": 0.96},
    "transform": [[1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]],
    "brain": {"volume": 1.4e6},
    "iterations": 130,
    "notes": [],
    "quality": {},
}


def sleep(task: ScanTask) -> Outcome:
    """What stands for a fit."""
    time.sleep(SLEEP)
    return Outcome(task)


async def work(scheduler_file: str, count: int) -> None:
    """Be many workers."""
    from distributed import Worker

    async with AsyncExitStack() as stack:
        for _ in range(count):
            worker = Worker(scheduler_file=scheduler_file, nthreads=1, dashboard=False)
            await stack.enter_async_context(worker)
        await asyncio.Event().wait()


def hand_out(tasks: Sequence[ScanTask], workers: int, folder: Path) -> dict[str, float]:
    """Have sleeping workers do all tasks, and measure what the scheduler needs for it."""
    from distributed import Client

    file = folder / "scheduler.json"
    scheduler_words = ["distributed.cli.dask_scheduler", "--scheduler-file", str(file)]
    scheduler_words += ["--host", "127.0.0.1", "--port", "0", "--no-dashboard"]
    with ExitStack() as stack:
        scheduler = stack.enter_context(started("-m", *scheduler_words))
        while not file.exists():
            time.sleep(0.1)
        code = "import asyncio; from benchmarks.cohort.scale import work; "
        stack.enter_context(started("-c", f"{code}asyncio.run(work({str(file)!r}, {workers}))"))
        client = stack.enter_context(Client(scheduler_file=str(file)))
        client.wait_for_workers(workers)
        process = psutil.Process(scheduler.pid)
        before, began = process.memory_info().rss, time.perf_counter()
        cpu, peak = cpu_seconds(process), before
        for count, _ in enumerate(outcomes(client, tasks, sleep)):
            if count % 500 == 0:
                peak = max(peak, process.memory_info().rss)
        seconds = time.perf_counter() - began
        peak = max(peak, process.memory_info().rss)
        return {
            "seconds": seconds,
            "seconds of sleep on each worker": len(tasks) * SLEEP / workers,
            "overhead of a task, ms": 1000 * (seconds / len(tasks) - SLEEP / workers),
            "scheduler, CPU ms of a task": 1000 * (cpu_seconds(process) - cpu) / len(tasks),
            "scheduler, MB before": before / 1e6,
            "scheduler, MB at most": peak / 1e6,
        }


@contextmanager
def started(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program that ends with the block."""
    program = subprocess.Popen([sys.executable, *words], stderr=subprocess.DEVNULL)
    try:
        yield program
    finally:
        program.kill()
        program.wait()


def cpu_seconds(process: psutil.Process) -> float:
    """Of a process so far."""
    times = process.cpu_times()
    return float(times.user + times.system)


def write_files(data_set: Path, output: Path, scans: int, request: Request) -> list[ScanTask]:
    """A data set and an output in which all scans but the last are done; its tasks."""
    settings = settings_of(request)
    claim(output, settings, overwrite=False)
    volumes = {f"Structure-{number}": 1e3 * number for number in range(32)}
    tasks = []
    for number in range(scans):
        name = f"sub-{number:05}_T1w"
        scan = data_set / f"sub-{number:05}" / "anat" / f"{name}.nii.gz"
        scan.parent.mkdir(parents=True)
        scan.write_bytes(b"scan %d" % number)
        place = Place(output, name, settings.protocol)
        tasks.append(ScanTask(replace(request, scan=scan), place, settings.checksum))
        if number + 1 < scans:
            stamps = {"scan": stamp_of(scan)}
            cohort = {"settings": settings.checksum, "inputs": stamps}
            report = REPORT | {"cohort": cohort, "volumes": volumes}
            place.report.parent.mkdir(parents=True)
            place.report.write_text(json.dumps(report))
            place.labels.touch()
            place.mask.touch()
    return tasks


def look_through(data_set: Path, output: Path, request: Request) -> dict[str, float]:
    """Seconds until it is known what is missing, and until tables and page are written."""
    began = time.perf_counter()
    scans = find_scans([data_set], Filters())
    to_do, done = plan(scans, request, settings_of(request), output, time_limit=0)
    found = time.perf_counter()
    assert (len(to_do), len(done)) == (1, len(scans) - 1)
    records, failures = read_records(output)
    write_tables(records, failures, output)
    write_page(records, failures, output)
    return {
        "until it is known what is missing, s": found - began,
        "tables and page, s": time.perf_counter() - found,
    }


def main() -> None:
    """Measure, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scans", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=20)
    args = parser.parse_args()
    with TemporaryDirectory() as name:
        folder, request = Path(name), Request("", threads=1)
        data_set, output = folder / "bids", folder / "out"
        tasks = write_files(data_set, output, args.scans, request)
        found = look_through(data_set, output, request)
        found |= hand_out(tasks, args.workers, folder)
    for what, value in found.items():
        print(f"| {what} | {value:.1f} |")


if __name__ == "__main__":
    main()
