"""The `siren` family."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from src_core.fitting.fit import Fit
from src_core.fitting.settings import FitSettings
from src_core.networks.settings import SirenSettings
from src_core.networks.siren import SirenNetwork

SETTINGS = SirenSettings(classes=5, width=32, depth=3, hidden=(16,), weight_rate=5e-4)


def new_network() -> SirenNetwork:
    torch.manual_seed(0)
    return SirenNetwork(SETTINGS)


def test_the_fit_learns_the_scan(points) -> None:
    steps = list(Fit(new_network(), points, FitSettings(iterations=60, points=2048)))
    assert steps[-1].psnr > steps[0].psnr + 5
    assert steps[-1].psnr > 13


def test_the_fit_leaves_the_head_as_it_is(points) -> None:
    network = new_network()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    for _ in Fit(network, points, FitSettings(iterations=2, points=200)):
        pass
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name]) == name.startswith("head")


def test_everything_belongs_into_the_model_file() -> None:
    network = new_network()
    assert network.shared_state().keys() == dict(network.named_parameters()).keys()


def test_it_does_not_warp(points) -> None:
    network = new_network()
    positions = points.take(slice(0, 10)).positions
    assert torch.equal(network.warp(positions), positions)
    assert network.penalty() is None


def test_only_the_position_matters(points) -> None:
    network = new_network()
    taken = points.take(slice(0, 10))
    blind = type(taken)(taken.positions, torch.zeros_like(taken.seen))
    assert torch.equal(network.logits(taken), network.logits(blind))
    assert network.logits(taken).shape == (10, 5)
    assert network.activations(taken.positions)[-1].shape == (10, 32)
    assert torch.equal(network.reconstruct(taken), network.template_intensity(taken.positions))


def with_rates(kind: str) -> SirenNetwork:
    torch.manual_seed(0)
    return SirenNetwork(dataclasses.replace(SETTINGS, learned_rates=kind))


def test_unless_learned_all_layers_have_the_step_size_of_the_settings() -> None:
    network = new_network()
    assert network.rates(1) == [SETTINGS.weight_rate] * len(network.fitted_parameters())
    assert with_rates("layer").rates(1) == pytest.approx(network.rates(1))


def test_each_layer_can_be_given_a_step_size() -> None:
    shares = tuple(1 / (layer + 1) for layer in range(SETTINGS.depth))
    network = SirenNetwork(dataclasses.replace(SETTINGS, layer_rates=shares))
    found = [rate / SETTINGS.weight_rate for rate in network.rates(1)]
    assert found == pytest.approx([*shares, *shares, 1, 1])
    with pytest.raises(ValueError, match="layer_rates"):
        SirenNetwork(dataclasses.replace(SETTINGS, layer_rates=(1.0,) * (SETTINGS.depth + 1)))


def test_a_fit_that_goes_on_and_on_comes_to_rest() -> None:
    network = new_network()
    settled = SETTINGS.settled
    assert network.rates(settled) == network.rates(1)
    assert network.rates(10 * settled)[0] == pytest.approx(0.01 * network.rates(1)[0])


def test_a_learned_step_size_of_nearly_zero_holds_its_layer_still(points) -> None:
    network = with_rates("layer")
    with torch.no_grad():
        network.log_rates[0].fill_(-200)
    before = [parameter.clone() for parameter in network.fitted_parameters()]
    for _ in Fit(network, points, FitSettings(iterations=2, points=200)):
        pass
    after = network.fitted_parameters()
    still = [torch.equal(a, b) for a, b in zip(before, after, strict=True)]
    assert still == [True] + [False] * (len(still) - 1)


def test_every_weight_can_have_a_step_size_of_its_own() -> None:
    network = with_rates("weight")
    with torch.no_grad():
        network.log_rates[0][0] = 1.0
    first, *others = network.rates(1)
    assert first.shape == network.fitted_parameters()[0].shape
    assert first[0, 0].item() == pytest.approx(SETTINGS.weight_rate * 2.718281828)
    assert first[1, 0].item() == pytest.approx(SETTINGS.weight_rate)
    assert len(others) == len(network.fitted_parameters()) - 1


def test_learned_step_sizes_belong_into_the_model_file() -> None:
    assert "log_rates.0" in with_rates("layer").shared_state()
    assert not any(name.startswith("log_rates") for name in new_network().shared_state())


def test_an_unknown_kind_of_step_sizes_is_refused() -> None:
    with pytest.raises(ValueError, match="learned_rates"):
        with_rates("some")
