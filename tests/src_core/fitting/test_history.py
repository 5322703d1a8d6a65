"""The weights of past iterations."""

from __future__ import annotations

import threading
from itertools import pairwise

import pytest
import torch

from src_core.errors import InputError
from src_core.fitting.history import History, nearest
from src_core.networks.settings import SirenSettings
from src_core.networks.siren import SirenNetwork


@pytest.fixture
def network() -> SirenNetwork:
    return SirenNetwork(SirenSettings(classes=2, width=4, depth=1, hidden=()))


def set_all(network: SirenNetwork, value: float) -> None:
    network.load_fitted(torch.full_like(network.fitted_vector(), value))


def recorded(network: SirenNetwork, last: int, places: int, keep: tuple[int, ...] = ()) -> History:
    """A history with room for some iterations, in which all weights are the iteration's number."""
    history = History(network, budget=places * 4 * len(network.fitted_vector()))
    for iteration in range(last + 1):
        set_all(network, iteration)
        history.record(iteration)
        if iteration in keep:
            assert history.hold(iteration, f"test {iteration}")
    return history


def test_within_the_budget_everything_is_kept(network) -> None:
    assert recorded(network, 9, places=10).iterations == list(range(10))


@pytest.mark.parametrize("last", [10, 37, 100, 255, 256, 257, 1000])
def test_beyond_it_the_first_the_last_and_an_even_choice_remain(network, last) -> None:
    stored = recorded(network, last, places=10).iterations
    assert len(stored) <= 10
    assert stored[0] == 0
    assert stored[-1] == last
    gaps = {after - before for before, after in pairwise(stored[:-1])}
    assert len(gaps) == 1
    assert len(stored) >= 5


def test_at_every_moment_the_budget_holds_and_the_newest_is_there(network) -> None:
    history = History(network, budget=7 * 4 * len(network.fitted_vector()))
    for iteration in range(200):
        history.record(iteration)
        assert len(history.iterations) <= 7
        assert history.iterations[0] == 0
        assert history.iterations[-1] == iteration


def test_what_was_asked_for_is_kept(network) -> None:
    history = recorded(network, 300, places=8, keep=(13, 101, 102))
    assert {0, 13, 101, 102, 300} <= set(history.iterations)
    assert len(history.iterations) <= 8


def test_even_a_tiny_budget_keeps_first_and_last(network) -> None:
    assert recorded(network, 50, places=0).iterations == [0, 50]


def test_keeping_more_than_fits_still_stores_the_newest(network) -> None:
    history = recorded(network, 40, places=4, keep=(3, 5, 7, 9, 11, 13))
    assert {0, 3, 5, 7, 9, 11, 13, 40} == set(history.iterations)


def test_a_stored_iteration_comes_back_for_a_while(network) -> None:
    history = recorded(network, 9, places=10)
    set_all(network, -1)
    with history.at(4) as then:
        assert (then.fitted_vector() == 4).all()
    assert (network.fitted_vector() == -1).all()


def test_the_network_is_given_back_after_an_error_too(network) -> None:
    history = recorded(network, 9, places=10)
    with pytest.raises(ZeroDivisionError), history.at(4):
        raise ZeroDivisionError
    assert (network.fitted_vector() == 9).all()


def test_a_stored_iteration_does_not_change_with_the_network(network) -> None:
    history = recorded(network, 0, places=10)
    set_all(network, 5)
    with history.at(0):
        assert (network.fitted_vector() == 0).all()


def test_what_is_not_stored_is_refused_and_the_nearest_named(network) -> None:
    history = recorded(network, 300, places=8)
    missing = history.iterations[2] + 1
    with pytest.raises(InputError, match=f"nearest is {missing - 1}"), history.at(missing):
        pass
    with pytest.raises(InputError, match="not stored"):
        history.load(missing, network)
    assert not history.hold(missing, "test")


def test_what_is_held_no_more_is_dropped_and_makes_no_room_scarce(network) -> None:
    history = History(network, budget=8 * 4 * len(network.fitted_vector()))
    for iteration in range(64):
        history.record(iteration)
        assert history.hold(iteration, "shown")
    # 62 was held while 63 was recorded.
    assert history.iterations == sorted({62, *recorded(network, 63, places=8).iterations})


def test_holding_another_for_one_purpose_lets_go_of_nothing_held_for_another(network) -> None:
    history = History(network, budget=8 * 4 * len(network.fitted_vector()))
    for iteration in range(100):
        history.record(iteration)
        if iteration in (33, 35):
            history.hold(iteration, "shown")
        if iteration == 37:
            history.hold(iteration, "wanted")
    assert {35, 37} <= set(history.iterations)
    assert 33 not in history.iterations


def test_a_network_of_the_same_kind_gets_the_weights_of_a_stored_iteration(network) -> None:
    history = recorded(network, 9, places=10)
    other = SirenNetwork(network.settings)
    history.load(4, other)
    assert (other.fitted_vector() == 4).all()
    assert (network.fitted_vector() == 9).all()


def test_one_thread_may_look_while_another_records(network) -> None:
    history = History(network, budget=50 * 4 * len(network.fitted_vector()))
    ended = threading.Event()

    def record() -> None:
        for iteration in range(500):
            history.record(iteration)
        ended.set()

    history.record(0)
    thread = threading.Thread(target=record)
    thread.start()
    looked = 0
    while not ended.is_set():
        newest = history.iterations[-1]
        if history.hold(newest, "shown"):
            assert newest in history.iterations
            looked += 1
    thread.join()
    assert looked


def test_the_nearest_iteration_is_found() -> None:
    assert nearest([0, 2, 10], 7) == 10
    assert nearest([0, 2, 10], 1) == 0
    assert nearest([5], 99) == 5
