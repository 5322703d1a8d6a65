"""The steps of a fit."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from src_core.fitting.fit import Fit
from src_core.fitting.settings import FitSettings
from src_core.networks.settings import SirenSettings, WarpedSettings
from src_core.networks.siren import SirenNetwork
from src_core.networks.warped import WarpedNetwork

if TYPE_CHECKING:
    from src_core.networks.base import CoordinateNetwork

QUICK = FitSettings(iterations=12, points=600, look_every=4)


def new_network(family: str = "warped") -> CoordinateNetwork:
    torch.manual_seed(0)
    size = {"classes": 5, "width": 16, "depth": 2, "hidden": (8,)}
    if family == "siren":
        return SirenNetwork(SirenSettings(**size))
    return WarpedNetwork(WarpedSettings(**size, warp_iterations=6))


def fitted(points, settings: FitSettings, family: str = "warped") -> torch.Tensor:
    network = new_network(family)
    for _ in Fit(network, points, settings):
        pass
    return network.fitted_vector()


def test_every_step_is_told(points) -> None:
    fit = Fit(new_network(), points, QUICK)
    steps = list(fit)
    assert [step.iteration for step in steps] == list(range(1, 13))
    assert fit.iteration == 12
    assert fit.stop_reason == "iterations"
    for step in steps:
        assert math.isfinite(step.loss)
        assert math.isfinite(step.psnr)
        assert step.seconds > 0
    # The first look has nothing to compare with.
    assert [step.iteration for step in steps if not math.isnan(step.change)] == [8, 12]


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("family", ["warped", "siren"])
def test_a_seed_repeats_to_the_bit(points, family, threads) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        settings = FitSettings(iterations=3, points=5000, seed=3)
        assert torch.equal(fitted(points, settings, family), fitted(points, settings, family))
    finally:
        torch.set_num_threads(before)


def test_another_seed_takes_other_points(points) -> None:
    one, other = (fitted(points, FitSettings(iterations=3, points=600, seed=s)) for s in (0, 1))
    assert not torch.equal(one, other)


def test_a_fit_does_not_touch_the_global_random_numbers(points) -> None:
    network = new_network()
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    for _ in Fit(network, points, QUICK):
        pass
    assert torch.equal(torch.rand(1), expected)


def test_steps_that_ask_the_template_network_take_half_of_the_points(points, monkeypatch) -> None:
    network, error = new_network(), WarpedNetwork.error
    seen: Counter[int] = Counter()

    def counted(self, asked, iteration, stand_ins):
        seen[iteration] += len(asked)
        return error(self, asked, iteration, stand_ins)

    monkeypatch.setattr(WarpedNetwork, "error", counted)
    list(Fit(network, points, QUICK))
    assert seen == {n: 600 if n <= 6 else 300 for n in range(1, 13)}


def test_a_pause_changes_nothing(points) -> None:
    network = new_network()
    fit = Fit(network, points, QUICK)
    for _ in range(5):
        next(fit)
    # Whoever watches decodes in between.
    with torch.no_grad():
        network.logits(points.take(slice(0, 50)))
    assert [step.iteration for step in fit] == list(range(6, 13))
    assert torch.equal(network.fitted_vector(), fitted(points, QUICK))


def test_stop_ends_the_fit_and_keeps_what_it_has(points) -> None:
    network = new_network()
    fit = Fit(network, points, QUICK)
    for step in fit:
        if step.iteration == 5:
            fit.stop()
    assert (fit.iteration, fit.stop_reason) == (5, "stopped")
    assert list(fit) == []
    # The same as if only five had been asked for.
    five = FitSettings(iterations=5, points=600, look_every=4)
    assert torch.equal(network.fitted_vector(), fitted(points, five))


def test_the_reason_of_an_end_stays(points) -> None:
    fit = Fit(new_network(), points, FitSettings(iterations=1, points=100))
    list(fit)
    fit.stop()
    assert fit.stop_reason == "iterations"


def test_no_iterations_leave_the_start(points) -> None:
    fit = Fit(new_network(), points, FitSettings(iterations=0))
    assert list(fit) == []
    assert fit.stop_reason == "iterations"
    assert torch.equal(fit.network.fitted_vector(), new_network().fitted_vector())


def test_it_stops_when_the_labels_stand_still(points) -> None:
    settings = FitSettings(
        iterations=100, points=100, earliest_stop=20, tolerance=1.1, look_every=5
    )
    fit = Fit(new_network(), points, settings)
    steps = list(fit)
    assert fit.stop_reason == "labels stand still"
    assert len(steps) == 20


def test_it_goes_on_while_labels_change(points) -> None:
    settings = FitSettings(iterations=30, points=100, earliest_stop=5, tolerance=0.0, look_every=5)
    fit = Fit(new_network(), points, settings)
    assert len(list(fit)) == 30
    assert fit.stop_reason == "iterations"


def test_a_fixed_number_is_done_in_full(points) -> None:
    fit = Fit(new_network(), points, FitSettings(iterations=30, points=100, tolerance=1.1))
    assert len(list(fit)) == 30


def test_looking_at_the_labels_does_not_change_the_fit(points) -> None:
    never = FitSettings(iterations=12, points=600, look_every=0)
    assert torch.equal(fitted(points, never), fitted(points, QUICK))


def test_the_number_of_points_per_chunk_does_not_matter(points, monkeypatch) -> None:
    whole = fitted(points, FitSettings(iterations=3, points=900))
    monkeypatch.setattr("src_core.fitting.fit.CHUNK", 250)
    pieces = fitted(points, FitSettings(iterations=3, points=900))
    np.testing.assert_allclose(pieces, whole, atol=2e-3)


def test_a_brain_of_few_voxels_can_be_fitted(points) -> None:
    few = replace(points, indices=points.indices[:9], seen=points.seen[:9])
    steps = list(Fit(new_network(), few, QUICK))
    assert len(steps) == 12
    assert all(math.isfinite(step.loss) for step in steps)
