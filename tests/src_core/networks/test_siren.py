"""The `siren` family."""

from __future__ import annotations

import torch

from src_core.fit import Fit, FitSettings
from src_core.networks.siren import SirenNetwork, SirenSettings

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
