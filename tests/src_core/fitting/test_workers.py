"""Pieces are shared among threads, and nobody can tell from the results."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import torch

from src_core.fitting.fit import Fit
from src_core.fitting.settings import FitSettings
from src_core.fitting.workers import Workers
from src_core.networks.settings import WarpedSettings
from src_core.networks.warped import WarpedNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src_core.space.points import BrainPoints

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 3])
def threads(request: pytest.FixtureRequest) -> Iterator[int]:
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_order(threads: int) -> None:
    assert list(Workers(CPU).map(lambda number: number**2, range(20))) == [
        number**2 for number in range(20)
    ]


def test_errors_reach_the_caller(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        list(Workers(CPU).map(lambda number: 1 / number, [2, 1, 0]))


def test_each_worker_has_one_core_and_the_caller_keeps_its_own(threads: int) -> None:
    seen = list(Workers(CPU).map(lambda _: torch.get_num_threads(), range(5)))
    assert seen == [1] * 5
    assert torch.get_num_threads() == threads


def test_a_thread_begun_later_has_all_cores(threads: int) -> None:
    workers = Workers(CPU)
    list(workers.map(str, range(5)))
    with ThreadPoolExecutor(1) as later:
        assert later.submit(torch.get_num_threads).result() == threads


def test_what_is_done_alone_has_one_core_and_shares_its_pieces(threads: int) -> None:
    workers = Workers(CPU)

    def work() -> tuple[int, list[str]]:
        return torch.get_num_threads(), list(workers.map(str, range(5)))

    assert workers.alone(work) == (1, list("01234"))
    assert torch.get_num_threads() == threads


def test_errors_of_what_is_done_alone_reach_the_caller(threads: int) -> None:
    with pytest.raises(ZeroDivisionError):
        Workers(CPU).alone(lambda: 1 / 0)


def test_no_thread_is_left() -> None:
    before = threading.active_count()
    workers = Workers(CPU)
    list(workers.map(str, range(5)))
    workers.alone(str)
    del workers
    for thread in threading.enumerate():
        if "ThreadPoolExecutor" in thread.name:
            thread.join(timeout=5)
    assert threading.active_count() <= before


def test_the_number_of_threads_changes_no_bit_of_a_fit(points: BrainPoints) -> None:
    before = torch.get_num_threads()
    fitted = []
    for count in (1, 2):
        torch.set_num_threads(count)
        torch.manual_seed(0)
        network = WarpedNetwork(WarpedSettings(5, width=16, depth=2, hidden=(8,)))
        for _ in Fit(network, points, FitSettings(iterations=3, points=6000)):
            pass
        fitted.append(network.fitted_vector())
    torch.set_num_threads(before)
    assert torch.equal(*fitted)
