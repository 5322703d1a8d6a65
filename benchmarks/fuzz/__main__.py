"""Damaged files for all that reads files of users: a line that says what to do, or a right answer.

Run ``python -m benchmarks.fuzz``. A fault is any exception but an `InputError`, a warning, an
answer that can't be right, a file written, or more than 5 seconds; files that lead to one are kept.
The same seed gives the same files. Ends with 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
import traceback
import warnings
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import torch

from benchmarks.fuzz.damage import damaged
from benchmarks.fuzz.targets import TARGETS, Target
from src_core.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

LONGEST = 5.0
"""Seconds that a file may take."""
_MEMORY = 4 * 2**30
"""Bytes of address space that reading may take beyond what there was at the beginning."""


class TookTooLongError(BaseException):
    """Reading did not end; no `Exception`, so that no reader catches it."""


@dataclass
class Outcome:
    """What came of many damaged files.

    Attributes
    ----------
    inputs : int
        Files damaged and read.
    answers : Counter
        How often a reader "refused" a file and "read" it.
    slowest : float
        Seconds that the slowest file took.
    faults : dict of int
        How often each fault was met.
    """

    inputs: int = 0
    answers: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)


def fuzz(target: Target, inputs: int, seed: int, kept: Path | None = None) -> Outcome:
    """Damage files and have them read.

    Parameters
    ----------
    target : Target
    inputs : int
        Number of damaged files.
    seed : int
    kept : Path, optional
        Folder for a file and a traceback of each fault.

    Returns
    -------
    Outcome
    """
    originals, outcome = target.originals(), Outcome()
    with TemporaryDirectory() as name, _inside(Path(name)) as folder, warnings.catch_warnings():
        warnings.simplefilter("error")
        for number in range(inputs):
            random = Random(f"{seed} {number}")
            original = originals[number % len(originals)]
            path = folder / original.name
            content = original.packed(damaged(original.content, random, original.head))
            path.write_bytes(content)
            for reader in target.readers:
                fault, trace = _read(reader, path, outcome)
                if not fault and _contents(folder) != {original.name: content}:
                    fault = "a file was written"
                if fault:
                    fault = f"{reader.__name__}: {fault}"
                    outcome.faults[fault] += 1
                    if kept is not None and outcome.faults[fault] == 1:
                        stem = f"{len(outcome.faults)}"
                        (kept / f"{stem}-{path.name}").write_bytes(content)
                        (kept / f"{stem}.txt").write_text(f"{fault}\n\n{trace}")
            for left in folder.iterdir():
                left.unlink()
            outcome.inputs += 1
    return outcome


def _read(reader: Callable[[Path], object], path: Path, outcome: Outcome) -> tuple[str, str]:
    """Have a file read; the fault, if it is one, and its traceback."""
    started = time.perf_counter()
    fault = trace = ""
    try:
        with _no_longer_than(LONGEST):
            reader(path)
        outcome.answers["read"] += 1
    except InputError as error:
        outcome.answers["refused"] += 1
        if "\n" in str(error):
            fault, trace = "a message of several lines", str(error)
    except (Exception, TookTooLongError) as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        fault = f"{type(error).__name__} in {Path(last.filename).name}, line {last.lineno}"
        trace = traceback.format_exc()
    seconds = time.perf_counter() - started
    outcome.slowest = max(outcome.slowest, seconds)
    if seconds > LONGEST and not fault:
        fault = "took too long"
    return fault, trace


@contextmanager
def _no_longer_than(seconds: float) -> Iterator[None]:
    """Break off what takes longer, where the system can do so."""
    if not hasattr(signal, "setitimer"):
        yield
        return

    def end(*_: object) -> None:
        raise TookTooLongError

    before = signal.signal(signal.SIGALRM, end)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


@contextmanager
def _inside(folder: Path) -> Iterator[Path]:
    """Work in a folder, so that files without one are seen there."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield folder
    finally:
        os.chdir(before)


def _contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def _limit_memory() -> None:
    """Make a file that asks for all of the memory a fault, where the system can do so."""
    if sys.platform == "linux":
        import resource

        pages = int(Path("/proc/self/statm").read_text().split()[0])
        limit = pages * resource.getpagesize() + _MEMORY
        resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> int:
    """Damage and read, and print a Markdown table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", nargs="*", choices=[[], *TARGETS], help="default: all")
    parser.add_argument("--inputs", type=int, default=20_000, help="files of each (20000)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--kept", type=Path, default=Path("faults"), help="files of faults")
    args = parser.parse_args()
    torch.set_num_threads(1)
    _limit_memory()
    print("| | inputs | refused | read | slowest, s | faults | s |")
    print("|---|---:|---:|---:|---:|---:|---:|")
    found: list[str] = []
    for name in args.target or TARGETS:
        kept = args.kept / name
        kept.mkdir(parents=True, exist_ok=True)
        started = time.perf_counter()
        outcome = fuzz(TARGETS[name], args.inputs, args.seed, kept.resolve())
        seconds = time.perf_counter() - started
        answers, faults = outcome.answers, outcome.faults
        print(
            f"| {name} | {outcome.inputs} | {answers['refused']} | {answers['read']} "
            f"| {outcome.slowest:.2f} | {sum(faults.values())} | {seconds:.0f} |",
            flush=True,
        )
        found += [f"{name}: {count} x {fault}" for fault, count in faults.items()]
    print("", *found, sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
