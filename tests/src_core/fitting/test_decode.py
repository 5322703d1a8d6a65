"""Asking a network about voxels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from src_core.fitting.decode import decode, decode_all
from src_core.fitting.workers import Workers
from src_core.networks.settings import SirenSettings, WarpedSettings
from src_core.networks.siren import SirenNetwork
from src_core.networks.warped import WarpedNetwork

QUANTITIES = ("classes", "probabilities", "entropy", "intensity", "features", "positions")


@pytest.fixture(params=["warped", "siren"])
def network(request):
    torch.manual_seed(0)
    if request.param == "siren":
        return SirenNetwork(SirenSettings(classes=5, width=16, depth=2, hidden=(8,)))
    network = WarpedNetwork(WarpedSettings(classes=5, width=16, depth=2, hidden=(8,)))
    with torch.no_grad():
        for grid in network.displacement.parameters():
            grid.normal_()
    return network


def test_every_quantity_has_one_row_per_voxel(network, points) -> None:
    n = len(points)
    shapes = {quantity: decode(network, points, quantity).shape for quantity in QUANTITIES}
    assert shapes == {
        "classes": (n,),
        "probabilities": (n, 5),
        "entropy": (n,),
        "intensity": (n,),
        "features": (n, 16),
        "positions": (n, 3),
    }


def test_probabilities_classes_and_entropy_belong_together(network, points) -> None:
    probabilities = decode(network, points, "probabilities")
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert probabilities.min() >= 0
    classes = decode(network, points, "classes")
    assert classes.dtype == np.uint8
    np.testing.assert_array_equal(classes, probabilities.argmax(1))
    expected = -(probabilities * np.log2(np.maximum(probabilities, 1e-30))).sum(1)
    np.testing.assert_allclose(decode(network, points, "entropy"), expected, atol=1e-4)


def test_no_knowledge_is_the_entropy_of_five_classes(network, points) -> None:
    for parameter in network.head.parameters():
        torch.nn.init.zeros_(parameter)
    np.testing.assert_allclose(decode(network, points, "entropy"), np.log2(5), rtol=1e-5)


@pytest.mark.parametrize("quantity", QUANTITIES)
def test_a_part_is_decoded_as_it_is_in_the_whole(network, points, quantity) -> None:
    which = torch.tensor([5000, 2, 2, 12345])
    part = decode(network, points, quantity, which)
    whole = decode(network, points, quantity)
    np.testing.assert_allclose(part, whole[which.numpy()], rtol=1e-4, atol=1e-4)


def test_nothing_asked_nothing_decoded(network, points) -> None:
    none = torch.zeros(0, dtype=torch.long)
    assert decode(network, points, "probabilities", none).shape == (0, 5)


def test_decoding_leaves_no_gradients_behind(network, points) -> None:
    decode(network, points, "classes")
    assert all(parameter.grad is None for parameter in network.parameters())


def test_without_a_warp_no_volume_changes(points) -> None:
    siren = SirenNetwork(SirenSettings(classes=5, width=16, depth=2, hidden=(8,)))
    start = WarpedNetwork(WarpedSettings(classes=5, width=16, depth=2, hidden=(8,)))
    for network in (siren, start):
        np.testing.assert_allclose(decode(network, points, "jacobian"), 1, atol=1e-4)


def test_the_jacobian_is_that_of_a_known_displacement(points, monkeypatch) -> None:
    network = SirenNetwork(SirenSettings(classes=5, width=16, depth=2, hidden=(8,)))

    def warp(positions: torch.Tensor) -> torch.Tensor:
        x, y, z = positions.unbind(1)
        return torch.stack([1.2 * x + 0.1 * y, y + 0.002 * y**2, 0.9 * z + 0.05 * x], 1)

    monkeypatch.setattr(network, "warp", warp)
    y = points.take(slice(None)).positions[:, 1].numpy()
    # The matrix of derivatives has no y but in the middle, and z hangs on x only.
    expected = 1.2 * (1 + 0.004 * y) * 0.9
    np.testing.assert_allclose(decode(network, points, "jacobian"), expected, rtol=1e-3)


def test_a_mirror_has_a_negative_jacobian(points, monkeypatch) -> None:
    network = SirenNetwork(SirenSettings(classes=5, width=16, depth=2, hidden=(8,)))
    monkeypatch.setattr(network, "warp", lambda positions: positions * torch.tensor([-1, 1, 1]))
    np.testing.assert_allclose(decode(network, points, "jacobian"), -1, rtol=1e-3)


def test_the_jacobian_of_a_warp_is_the_change_of_a_small_box_s_volume(points) -> None:
    torch.manual_seed(1)
    network = WarpedNetwork(WarpedSettings(classes=5, width=16, depth=2, hidden=(8,)))
    with torch.no_grad():
        for grid in network.displacement.parameters():
            grid.normal_(std=0.5)
    which = torch.arange(0, len(points), 997)
    centre = points.take(which).positions
    edges = 0.5 * torch.eye(3)
    with torch.no_grad():
        columns = [network.warp(centre + edge) - network.warp(centre - edge) for edge in edges]
    volume = torch.linalg.vecdot(columns[0], torch.linalg.cross(columns[1], columns[2])).numpy()
    found = decode(network, points, "jacobian", which)
    np.testing.assert_allclose(found, volume, atol=1e-4)
    assert found.std() > 0.01


def test_several_quantities_at_once_are_those_of_each_alone(network, points) -> None:
    reads = {name: lambda seen, name=name: getattr(seen, name) for name in QUANTITIES}
    which = torch.arange(0, len(points), 7)
    together = decode_all(network, points, reads, which, Workers(torch.device("cpu")))
    for name in QUANTITIES:
        alone = decode(network, points, name, which)
        np.testing.assert_allclose(together[name], alone, rtol=1e-4, atol=1e-4)
        assert together[name].dtype == alone.dtype


def test_numbers_may_be_small_integers(network, points) -> None:
    which = np.arange(0, len(points), 501)
    small = decode(network, points, "classes", torch.from_numpy(which.astype(np.int32)))
    np.testing.assert_array_equal(small, decode(network, points, "classes")[which])
