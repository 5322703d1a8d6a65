"""Asking a network about voxels."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from src_core.decode import decode
from src_core.networks.siren import SirenNetwork, SirenSettings
from src_core.networks.warped import WarpedNetwork, WarpedSettings

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
