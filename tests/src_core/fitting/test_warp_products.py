"""Template positions, displacement field, Jacobian determinant."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from nibabel.affines import apply_affine, from_matvec
from scipy.spatial.transform import Rotation

from src_core.fitting.warp_products import (
    displacement_field,
    jacobian_determinant,
    template_positions,
)
from src_core.networks.settings import SirenSettings, WarpedSettings
from src_core.networks.siren import SirenNetwork
from src_core.networks.warped import WarpedNetwork

SHAPE = (9, 10, 11)
AFFINE = from_matvec(
    Rotation.from_euler("xyz", (5, 10, -20), degrees=True).as_matrix() @ np.diag((-4, 5, 6)),
    (20, -30, -25),
)
ALIGNMENT = from_matvec(Rotation.from_euler("z", 15, degrees=True).as_matrix() * 1.1, (3, -4, 9))
WORLD = apply_affine(AFFINE, np.moveaxis(np.indices(SHAPE), 0, -1))


def new_network() -> WarpedNetwork:
    torch.manual_seed(0)
    settings = WarpedSettings(classes=2, width=4, depth=1, hidden=())
    return WarpedNetwork(settings)


def stretched_network(strain: float) -> WarpedNetwork:
    """A warp that moves every position by its share of x, along x."""
    network = new_network()
    grid, spacing = network.displacement.grids[1], network.displacement.spacings[1]
    with torch.no_grad():
        x = network.displacement.origin[0] + spacing * torch.arange(grid.shape[1])
        grid[0] = strain * x[:, None, None]
    return network


def expected_positions(strain: float) -> np.ndarray:
    positions = apply_affine(ALIGNMENT, WORLD)
    positions[..., 0] *= 1 + strain
    return positions


@pytest.mark.parametrize("strain", [0.0, 0.2, -0.1])
def test_positions_are_those_of_alignment_and_warp(strain) -> None:
    found = template_positions(stretched_network(strain), ALIGNMENT, AFFINE, SHAPE)
    assert found.shape == (*SHAPE, 3)
    np.testing.assert_allclose(found, expected_positions(strain), atol=1e-2)


def test_the_displacement_leads_from_the_world_to_the_template() -> None:
    found = displacement_field(stretched_network(0.2), ALIGNMENT, AFFINE, SHAPE)
    np.testing.assert_allclose(WORLD + found, expected_positions(0.2), atol=1e-2)


@pytest.mark.parametrize("strain", [0.0, 0.2, -0.1, -1.5])
def test_the_jacobian_is_the_ratio_of_volumes(strain) -> None:
    found = jacobian_determinant(stretched_network(strain), ALIGNMENT, AFFINE, SHAPE)
    assert found.shape == SHAPE
    # Negative where the warp folds.
    np.testing.assert_allclose(found, 1.1**3 * (1 + strain), atol=5e-3)


def test_a_network_without_a_warp_has_the_alignment_only() -> None:
    siren = SirenNetwork(SirenSettings(classes=2, width=4, depth=1, hidden=()))
    found = template_positions(siren, ALIGNMENT, AFFINE, SHAPE)
    np.testing.assert_allclose(found, expected_positions(0), atol=1e-2)
    jacobian = jacobian_determinant(siren, ALIGNMENT, AFFINE, SHAPE)
    np.testing.assert_allclose(jacobian, 1.1**3, atol=5e-3)


def test_a_slice_has_them_too() -> None:
    field = displacement_field(new_network(), np.eye(4), AFFINE, (9, 1, 11))
    assert field.shape == (9, 1, 11, 3)
    np.testing.assert_allclose(field, 0, atol=1e-4)
