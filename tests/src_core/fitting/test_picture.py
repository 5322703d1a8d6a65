"""The picture that stands in for the template network in a fit."""

from __future__ import annotations

import pytest
import torch

from src_core.fitting.fit import Fit
from src_core.fitting.picture import draw_template
from src_core.fitting.settings import FitSettings
from src_core.fitting.workers import Workers
from src_core.networks.settings import WarpedSettings
from src_core.networks.warped import WarpedNetwork


@pytest.fixture
def network() -> WarpedNetwork:
    """With a template as smooth as that of a brain: its waves are longer than 10 mm."""
    torch.manual_seed(0)
    return WarpedNetwork(
        WarpedSettings(classes=5, width=16, depth=3, omega=6.0, hidden=(8,), warp_iterations=20)
    )


@torch.no_grad()
def test_it_shows_what_the_network_knows_in_and_around_the_brain(network, points) -> None:
    picture = draw_template(network, points, Workers(torch.device("cpu")))
    positions = points.take(slice(None, None, 7)).positions
    for moved in (positions, positions + torch.tensor([4.0, -4.0, 4.0])):
        known = network.template_intensities(moved)
        error = (picture.at(moved) - known).square().mean().sqrt()
        assert error < 0.03 * known.std()
    assert (picture.at(torch.tensor([[-89.0, -125.0, 97.0]])) == 0).all()


def test_a_fit_leads_where_it_leads_without_it(network, points, monkeypatch) -> None:
    start, positions = network.fitted_vector(), points.take(slice(None)).positions

    def warped() -> torch.Tensor:
        network.load_fitted(start)
        for _ in Fit(network, points, FitSettings(iterations=20, points=4096, look_every=0)):
            pass
        return network.warp(positions).detach()

    with_picture = warped()
    monkeypatch.setattr(WarpedNetwork, "picture_lasts", 0)
    without = warped()
    moved = (without - positions).norm(dim=1).mean()
    assert moved > 1
    assert (with_picture - without).norm(dim=1).mean() < 0.1 * moved
