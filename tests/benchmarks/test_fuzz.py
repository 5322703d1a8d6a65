"""Damaged files: a short form of the fuzz, and that it sees what is wrong."""

from __future__ import annotations

import signal
import time
import warnings
from random import Random
from typing import TYPE_CHECKING

import pytest

from benchmarks.fuzz import __main__ as program
from benchmarks.fuzz.__main__ import fuzz
from benchmarks.fuzz.damage import damaged
from benchmarks.fuzz.targets import TARGETS, Original, Target
from src_core.errors import InputError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("name", TARGETS)
def test_damaged_files_are_read_or_refused_in_one_line(name: str) -> None:
    outcome = fuzz(TARGETS[name], 250, seed=7)
    assert not outcome.faults
    assert outcome.inputs == 250
    assert outcome.answers["refused"] > 0
    assert outcome.answers["read"] > 0


@pytest.mark.parametrize("name", TARGETS)
def test_what_is_not_damaged_is_read_by_one_reader_at_least(name: str, tmp_path: Path) -> None:
    for original in TARGETS[name].originals():
        (path := tmp_path / original.name).write_bytes(original.packed(original.content))
        read = 0
        for reader in TARGETS[name].readers:
            try:
                reader(path)
            except InputError:
                continue
            read += 1
        assert read or original.name == "torn.nii.gz", original.name


def test_the_same_seed_harms_in_the_same_way() -> None:
    content = b"name = 12\n" * 20
    first, again, other = (damaged(content, Random(seed), 10) for seed in (1, 1, 2))
    assert first == again
    assert len({content, first, other}) == 3


def refuse(path: Path) -> None:
    raise InputError("no")


def crash(path: Path) -> None:
    raise KeyError


def warn(path: Path) -> None:
    warnings.warn("odd", stacklevel=1)


def write_beside(path: Path) -> None:
    (path.parent / "beside").touch()


def write_over(path: Path) -> None:
    path.write_bytes(b"")


def say_much(path: Path) -> None:
    raise InputError("one\ntwo")


@pytest.mark.parametrize(
    ("reader", "said"),
    [
        (crash, "crash: KeyError in test_fuzz.py"),
        (warn, "warn: UserWarning in"),
        (write_beside, "write_beside: a file was written"),
        (write_over, "write_over: a file was written"),
        (say_much, "say_much: a message of several lines"),
    ],
)
def test_faults_are_counted_and_their_files_kept(reader, said: str, tmp_path: Path) -> None:
    target = Target(lambda: [Original("a.txt", b"some text", 4)], (refuse, reader))
    outcome = fuzz(target, 3, seed=0, kept=tmp_path)
    ((fault, count),) = outcome.faults.items()
    assert (said in fault, count) == (True, 3)
    assert outcome.answers["refused"] >= 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["1-a.txt", "1.txt"]


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="nothing can be broken off")
def test_what_does_not_end_is_broken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(program, "LONGEST", 0.05)

    def hang(path: Path) -> None:
        while True:
            try:
                time.sleep(0.01)
            except Exception:
                continue

    outcome = fuzz(Target(lambda: [Original("a.txt", b"text", 4)], (hang,)), 1, seed=0)
    (fault,) = outcome.faults
    assert fault.startswith("hang: TookTooLongError")
