"""The `warped` family."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
import torch
from torch import Tensor

from src_core.fitting.fit import Fit
from src_core.fitting.settings import FitSettings
from src_core.networks.settings import WarpedSettings
from src_core.networks.warped import WarpedNetwork
from src_core.space.points import BrainPoints, Points
from src_core.space.seen import BLURS
from src_core.space.template import TemplateImage

SETTINGS = WarpedSettings(classes=5, width=16, depth=2, hidden=(8,), warp_iterations=40)


def new_network(settings: WarpedSettings = SETTINGS) -> WarpedNetwork:
    torch.manual_seed(0)
    return WarpedNetwork(settings)


def waves(positions: Tensor) -> Tensor:
    """A smooth displacement of up to 7 mm."""
    x, y, z = positions.unbind(-1)
    return 4 * torch.stack([torch.sin(y / 30), torch.cos(z / 25), torch.sin(x / 35)], -1)


def moved_picture(points: BrainPoints, brain) -> TemplateImage:
    """A template that shows at x + waves(x) what the scan shows at x."""
    values = torch.zeros(len(BLURS), *brain.scan.shape)
    values[:, torch.from_numpy(brain.mask)] = points.take(slice(None)).seen[:, : len(BLURS)].T
    origin = tuple(brain.scan.affine[:3, 3].tolist())
    picture = TemplateImage(values, origin, float(brain.scan.voxel_size[0]))
    there = picture.positions()
    here = there
    for _ in range(20):
        here = there - waves(here)
    return dataclasses.replace(picture, values=picture.at(here).T.reshape(values.shape))


def test_the_fit_recovers_a_known_smooth_displacement(brain, points) -> None:
    network = new_network().facing(moved_picture(points, brain))
    settings = FitSettings(iterations=60, points=2048, look_every=0)
    steps = list(Fit(network, points, settings))
    positions = points.take(slice(None)).positions
    with torch.no_grad():
        error = (network.warp(positions) - positions - waves(positions)).norm(dim=1)
    assert waves(positions).norm(dim=1).mean() > 4
    assert error.mean() < 1
    assert steps[-1].psnr > steps[0].psnr + 3


def test_the_warp_starts_at_rest(points) -> None:
    network = new_network()
    positions = points.take(slice(None)).positions
    assert torch.equal(network.warp(positions), positions)
    assert network.penalty() == 0


def test_what_is_per_scan_is_not_shared() -> None:
    network = new_network()
    shared = network.shared_state()
    assert {name.split(".")[0] for name in shared} == {"template", "head"}
    fitted = sum(parameter.numel() for parameter in network.fitted_parameters())
    head = sum(parameter.numel() for parameter in network.head.parameters())
    assert fitted == sum(parameter.numel() for parameter in network.parameters()) - head


def test_fitted_weights_can_be_put_back(points) -> None:
    network = new_network()
    start = network.fitted_vector()
    for _ in Fit(network, points, FitSettings(iterations=3, points=500)):
        pass
    fitted, taken = network.fitted_vector(), points.take(slice(0, 100))
    after = network.logits(taken)
    network.load_fitted(start)
    assert torch.equal(network.fitted_vector(), start)
    network.load_fitted(fitted)
    assert torch.equal(network.logits(taken), after)


def test_the_warp_moves_first_and_the_weights_follow() -> None:
    network = new_network()
    n_warp = len(list(network.displacement.parameters()))
    early, turn, late, latest = (network.rates(n) for n in (1, 40, 60, 400))
    assert len(early) == len(network.fitted_parameters())
    assert early[0] > turn[0] > latest[0] > 0
    assert early[-1] == turn[-1] == 0 < late[-1]
    assert len({*early[:n_warp]}) == 1


def test_coarse_blurs_come_first(points) -> None:
    network = new_network()
    taken = points.take(slice(0, 500))
    sharp = taken.seen.clone()
    sharp[:, 0] += 1
    changed = Points(taken.positions, sharp)

    def matters(iteration: int) -> bool:
        losses = [network.error(p, iteration).loss for p in (taken, changed)]
        return not torch.isclose(*losses)

    assert not matters(1)
    assert matters(40)


def test_the_reconstruction_is_in_the_scans_own_intensities(points) -> None:
    network = new_network()
    with torch.no_grad():
        network.appearance.offset += 0.1
        network.appearance.slopes += 0.3
        network.appearance.bias.normal_(std=0.1, generator=torch.Generator().manual_seed(0))
    taken = points.take(slice(0, 500))
    reconstructed = network.reconstruct(taken)
    seen = taken.seen.clone()
    seen[:, 0] = reconstructed
    # Seen like this the scan would agree with the template perfectly.
    error = network.error(Points(taken.positions, seen), 1)
    assert error.squared_error < 1e-8


@pytest.mark.parametrize("axis", range(3))
def test_the_whole_chain_has_the_right_gradient(points, axis) -> None:
    torch.manual_seed(0)
    network = new_network().double()
    with torch.no_grad():
        for parameter in (*network.displacement.parameters(), *network.appearance.parameters()):
            parameter.normal_(std=0.1)
    taken = points.take(slice(0, 50))
    double = Points(taken.positions.double(), taken.seen.double())
    grid = network.displacement.grids[0]
    network.error(double, 30).loss.backward()
    gradient = grid.grad
    assert gradient is not None
    place = (axis, *np.unravel_index(int(gradient[axis].abs().argmax()), grid.shape[1:]))
    step = 1e-5
    with torch.no_grad():
        grid[place] += step
        ahead = network.error(double, 30).loss
        grid[place] -= 2 * step
        behind = network.error(double, 30).loss
    assert gradient[place].item() == pytest.approx((ahead - behind).item() / (2 * step), rel=1e-3)


def test_the_head_reads_where_a_point_lies_before_and_after_the_warp(points) -> None:
    codes = {"aligned_wavelengths": (64.0,), "warped_wavelengths": (64.0, 16.0)}
    settings = dataclasses.replace(SETTINGS, reads_activations=False, **codes)
    network, taken = new_network(settings), points.take(slice(0, 100))
    with torch.no_grad():
        network.template.intensity.weight.zero_()  # so that the template looks alike everywhere
        logits = network.logits(taken)
        network.displacement.grids[0] += 5
        warped = network.logits(taken)
        back = network.logits(Points(taken.positions - 5, taken.seen))
    assert not torch.allclose(warped, logits, atol=1e-3)
    assert not torch.allclose(back, logits, atol=1e-3)


def test_a_wavelength_of_zero_is_refused() -> None:
    with pytest.raises(ValueError, match="wavelengths"):
        new_network(dataclasses.replace(SETTINGS, warped_wavelengths=(0.0,)))
