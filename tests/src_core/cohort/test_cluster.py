"""Where the tasks are done."""

from __future__ import annotations

import importlib.util
import os
from typing import TYPE_CHECKING

import pytest

from src_core.cohort.cluster import ClusterSettings, connected, count_workers, require_dask
from tests.helpers.datasets import refused

if TYPE_CHECKING:
    from distributed import Client


@pytest.mark.parametrize(
    ("asked", "n_scans", "gigabytes", "cores", "expected"),
    [
        (None, 50, 64, 8, 8),
        (None, 3, 64, 8, 3),
        (None, 50, 8, 8, 4),
        (12, 50, 64, 8, 12),
        (12, 50, 10, 8, 5),
        (1, 50, 1, 8, 1),
    ],
)
def test_no_more_workers_than_scans_and_memory_allow(
    asked: int | None, n_scans: int, gigabytes: float, cores: int, expected: int
) -> None:
    assert count_workers(asked, n_scans, gigabytes * 1e9, cores) == expected


def test_each_graphics_card_gets_a_process_that_sees_no_other(two_workers: Client) -> None:
    seen = two_workers.run(os.getenv, "CUDA_VISIBLE_DEVICES")
    assert sorted(seen.values()) == ["0", "1"]


def test_a_scheduler_that_does_not_answer_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("src_core.cohort.cluster.SECONDS_TO_ANSWER", 0.5)
    with (
        refused("no scheduler answers at tcp://127.0.0.1:9"),
        connected(ClusterSettings(scheduler="tcp://127.0.0.1:9"), 1, "cpu"),
    ):
        pass


def test_without_the_extra_the_command_that_installs_it_is_named(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    monkeypatch.setattr("src_core.cohort.cluster.find_spec", lambda _: None)
    with refused('pip install "napari-metaseg[batch]"'):
        require_dask()
