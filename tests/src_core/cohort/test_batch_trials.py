"""Batches whose processes are killed, stopped or starved, as programs of their own.

They take minutes: ``make test-slow``.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from tests.helpers.study import write_phantoms

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="signals and tmpfs of Linux"),
]
ROOT = Path(__file__).parents[3]
N = 6
LONG = 600
"""Iterations that take some seconds."""
Start = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture(scope="module")
def scans(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scans")
    write_phantoms(folder, N)
    return folder


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Start a program whose group of processes ends with the test."""
    with ExitStack() as stack:

        def start(*words: object, **more: str) -> subprocess.Popen[bytes]:
            environment = os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | more
            log = stack.enter_context((tmp_path / "programs.log").open("ab"))
            program = subprocess.Popen(
                [sys.executable, "-m", *map(str, words)],
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
            stack.callback(end, program)
            return program

        yield start


def end(program: subprocess.Popen[bytes]) -> None:
    if program.poll() is None:
        os.killpg(program.pid, signal.SIGCONT)
        os.killpg(program.pid, signal.SIGKILL)
    program.wait()


def scheduler(start: Start, folder: Path, **settings: str) -> tuple[subprocess.Popen[bytes], Path]:
    """A scheduler, and the file that it writes."""
    file = folder / f"scheduler-{time.monotonic_ns()}.json"
    words = ("--scheduler-file", file, "--host", "127.0.0.1", "--port", 0, "--no-dashboard")
    found = start("distributed.cli.dask_scheduler", *words, **settings)
    until(file.exists)
    return found, file


def worker(start: Start, file: Path, *words: object, **settings: str) -> subprocess.Popen[bytes]:
    words = ("--scheduler-file", file, "--nthreads", 1, "--no-dashboard", *words)
    return start("distributed.cli.dask_worker", *words, **settings)


def batch(
    start: Start, scans: Path, output: Path, model: Path, *words: object, iterations: int = LONG
) -> subprocess.Popen[bytes]:
    options = ("--model", model, "--no-align", "--iterations", iterations)
    return start("napari_metaseg", "batch", scans, output, *options, *words)


def until(condition: Callable[[], Any], seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "gave up waiting"
        time.sleep(0.05)


def logs(output: Path) -> dict[str, str]:
    return {file.stem: file.read_text() for file in (output / "logs").glob("*.log")}


def in_the_middle(output: Path) -> list[tuple[str, int]]:
    """Scans that are being fitted, with the processes that do it."""
    found = []
    for name, log in logs(output).items():
        lines = log.splitlines()
        if "step" in lines[-1] and not log.endswith("done\n"):
            began = [line for line in lines if "begins" in line][-1]
            found.append((name, int(began.rpartition(" ")[2])))
    return found


def labels(output: Path) -> dict[str, np.ndarray]:
    files = sorted(output.glob("sub-*/anat/*_dseg.nii.gz"))
    return {file.name: np.asanyarray(nib.load(file).dataobj) for file in files}


@pytest.fixture(scope="module")
def expected(scans: Path, tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """What one process gives."""
    from src_core.segment import segment

    return [
        segment(file, model=tiny_model, align=False, iterations=LONG, threads=1).labels
        for file in sorted(scans.iterdir())
    ]


def check(output: Path, expected: list[np.ndarray]) -> None:
    """All are there, equal to the bit, and each was written once."""
    found = labels(output)
    assert len(found) == N
    for one, other in zip(found.values(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert [log.count(" done\n") for log in logs(output).values()] == [1] * N
    assert (output / "volumes.tsv").read_text().count("\n") == N + 1
    assert (output / "failed.tsv").read_text().count("\n") == 1


def test_one_worker_is_killed_and_one_stops_for_a_while(
    start: Start, scans: Path, tiny_model: Path, expected: Any, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    _, file = scheduler(start, tmp_path, DASK_DISTRIBUTED__SCHEDULER__WORKER_TTL="6s")
    workers = [worker(start, file, "--no-nanny") for _ in range(2)]
    running = batch(start, scans, output, tiny_model, "--scheduler-file", file)
    until(lambda: len(in_the_middle(output)) == 2)
    os.killpg(workers[0].pid, signal.SIGKILL)
    worker(start, file)
    os.killpg(workers[1].pid, signal.SIGSTOP)
    time.sleep(15)
    os.killpg(workers[1].pid, signal.SIGCONT)
    assert running.wait(300) == 0
    check(output, expected)
    assert sum(log.count("begins") for log in logs(output).values()) > N


def test_the_scheduler_is_killed_and_the_command_given_again(
    start: Start, scans: Path, tiny_model: Path, expected: Any, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    killed, file = scheduler(start, tmp_path)
    worker(start, file)
    running = batch(start, scans, output, tiny_model, "--scheduler-file", file)
    until(lambda: labels(output))
    until(lambda: in_the_middle(output))
    os.killpg(killed.pid, signal.SIGKILL)
    assert running.wait(120) == 2
    assert "the scheduler is gone" in (tmp_path / "programs.log").read_text()
    _, file = scheduler(start, tmp_path)
    worker(start, file)
    assert batch(start, scans, output, tiny_model, "--scheduler-file", file).wait(300) == 0
    check(output, expected)


def test_a_scan_that_needs_more_memory_than_its_worker_has_fails_alone(
    start: Start, scans: Path, tiny_model: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "scans"
    folder.mkdir()
    for file in sorted(scans.iterdir())[:2]:
        (folder / file.name).symlink_to(file)
    large = np.zeros((1100, 1100, 1100), np.uint8)  # 5 GB once they are numbers
    large[500:600, 500:600, 500:600] = 9
    nib.save(nib.Nifti1Image(large, np.diag([0.2, 0.2, 0.2, 1])), folder / "large.nii.gz")
    output = tmp_path / "out"
    _, file = scheduler(start, tmp_path)
    for _ in range(2):
        worker(start, file, "--memory-limit", "2GB")
    words = ("--scheduler-file", file)
    running = batch(start, folder, output, tiny_model, *words, iterations=3)
    assert running.wait(400) == 0
    assert len(labels(output)) == 2
    (row,) = (output / "failed.tsv").read_text().splitlines()[1:]
    assert "sub-large" in row
    assert "out of memory" in row


def test_two_batches_into_one_output(
    start: Start, scans: Path, tiny_model: Path, expected: Any, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    both = [batch(start, scans, output, tiny_model, "--workers", 1) for _ in range(2)]
    assert [one.wait(400) for one in both] == [0, 0]
    found = labels(output)
    assert len(found) == N
    for one, other in zip(found.values(), expected, strict=True):
        np.testing.assert_array_equal(one, other)
    assert not [file for file in output.rglob(".*") if file.name != ".bidsignore"]
    for file in output.rglob("*.json"):
        json.loads(file.read_text())


def test_ctrl_c_ends_all_processes_and_leaves_nothing_half_written(
    start: Start, scans: Path, tiny_model: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    running = batch(start, scans, output, tiny_model, "--workers", 1)
    until(lambda: in_the_middle(output))
    ((_, worker_process),) = in_the_middle(output)
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    assert running.wait(60) == 130
    until(lambda: not Path(f"/proc/{worker_process}").exists(), 30)
    said = (tmp_path / "programs.log").read_text()
    assert said.endswith("napari-metaseg: error: interrupted\n")
    assert "Traceback" not in said
    assert not [file for file in output.rglob(".*") if file.name != ".bidsignore"]


@pytest.mark.skipif(os.getuid() != 0, reason="a small disk is mounted by root")
def test_a_disk_that_fills(start: Start, scans: Path, tiny_model: Path, tmp_path: Path) -> None:
    disk, output = tmp_path / "disk", tmp_path / "disk" / "out"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=200k", "tmpfs", disk], check=False
    )
    if mounted.returncode:
        pytest.skip("nothing can be mounted")
    try:
        running = batch(start, scans, output, tiny_model, "--workers", 1, iterations=3)
        assert running.wait(120) == 2
        said = (tmp_path / "programs.log").read_text()
        assert "is full" in said
        assert "Traceback" not in said
        assert not [file for file in output.rglob(".*.*") if file.name != ".bidsignore"]
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert batch(start, scans, output, tiny_model, "--workers", 1, iterations=3).wait(120) == 0
        assert len(labels(output)) == N
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


SBATCH = """#!/bin/sh
# A queue that starts each job at once, on this machine.
echo "$1" >> "$(dirname "$0")/jobs"
sh "$1" > /dev/null 2>&1 &
echo "Submitted batch job $!"
"""


def test_a_queue_starts_the_workers(
    start: Start, scans: Path, tiny_model: Path, tmp_path: Path
) -> None:
    programs = tmp_path / "bin"
    programs.mkdir()
    for name, text in {"sbatch": SBATCH, "scancel": "#!/bin/sh\nkill $1\n"}.items():
        (programs / name).write_text(text)
        (programs / name).chmod(0o755)
    settings = tmp_path / "queue.yaml"
    settings.write_text(
        'jobs: 2\nslurm: {cores: 1, memory: 2GB, walltime: "00:10:00", interface: lo}\n'
    )
    output = tmp_path / "out"
    options = ("--model", tiny_model, "--no-align", "--iterations", 3, "--cluster", settings)
    path = f"{programs}:{os.environ['PATH']}"
    running = start("napari_metaseg", "batch", scans, output, *options, PATH=path)
    assert running.wait(200) == 0
    assert len(labels(output)) == N
    assert (programs / "jobs").read_text().count("\n") == 2
