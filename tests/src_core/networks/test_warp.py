"""The displacement grids."""

from __future__ import annotations

import pytest
import torch

from src_core.networks.warp import DisplacementGrids

BOX = ((-30.0, -40.0, -20.0), (30.0, 40.0, 40.0))


def random_grids() -> DisplacementGrids:
    torch.manual_seed(0)
    grids = DisplacementGrids(BOX, (20.0, 10.0))
    for grid in grids.parameters():
        torch.nn.init.normal_(grid)
    return grids


def positions_within(count: int = 200) -> torch.Tensor:
    low, high = torch.tensor(BOX[0]), torch.tensor(BOX[1])
    return low + torch.rand(count, 3, generator=torch.Generator().manual_seed(0)) * (high - low)


def test_nothing_moves_at_the_start() -> None:
    grids = DisplacementGrids(BOX, (20.0, 10.0))
    assert (grids(positions_within()) == 0).all()
    assert grids.roughness() == 0


def test_a_node_moves_by_its_own_vectors() -> None:
    grids = random_grids()
    place = torch.tensor([[-30.0 + 20, -40 + 40, -20 + 20]])
    coarse, fine = grids.grids
    torch.testing.assert_close(grids(place)[0], coarse[:, 1, 2, 1] + fine[:, 2, 4, 2])


def test_between_the_nodes_the_displacement_is_linear() -> None:
    grids = random_grids()
    along = torch.tensor([[-10.0, 0, 0], [-5.0, 0, 0], [0.0, 0, 0]])
    before, middle, after = grids(along)
    torch.testing.assert_close(middle, (before + after) / 2, rtol=1e-4, atol=1e-5)


def test_outside_the_box_the_displacement_of_its_border_goes_on() -> None:
    grids = random_grids()
    border = torch.tensor([[-30.0, 5, 5], [3, 40, 5], [3, 5, -20]])
    outside = torch.tensor([[-80.0, 5, 5], [3, 99, 5], [3, 5, -70]])
    torch.testing.assert_close(grids(outside), grids(border), rtol=1e-4, atol=1e-5)


def test_one_grid_says_what_all_of_them_say() -> None:
    grids = random_grids()
    total = grids.total()
    assert total is not None
    positions = 2 * positions_within()  # some of them outside
    torch.testing.assert_close(
        grids.look_up(total, positions), grids(positions), rtol=1e-4, atol=1e-4
    )

    def gradients(displacement: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return torch.autograd.grad(displacement.square().sum(), list(grids.parameters()))

    found = gradients(grids.look_up(total, positions)), gradients(grids(positions))
    for one, every in zip(*found, strict=True):
        torch.testing.assert_close(one, every, rtol=1e-3, atol=1e-3)


def test_grids_that_do_not_share_their_nodes_stay_apart() -> None:
    assert DisplacementGrids(BOX, (15.0, 10.0)).total() is None


@pytest.mark.parametrize("spacing", [10.0, 20.0])
def test_the_roughness_is_the_mean_squared_strain(spacing) -> None:
    grids = DisplacementGrids(BOX, (spacing,))
    (grid,) = grids.parameters()
    with torch.no_grad():
        x = torch.arange(grid.shape[1]) * spacing
        grid[0] = (0.1 * x)[:, None, None] + 5
    # One of three components stretches along one axis by a tenth; a shift costs nothing.
    assert grids.roughness().item() == pytest.approx(0.1**2 / 3, rel=1e-4)


def test_the_roughness_has_the_gradient_that_differences_tell() -> None:
    grids = DisplacementGrids(BOX, (10.0, 20.0)).double()
    with torch.no_grad():
        for grid in grids.parameters():
            grid.normal_(generator=torch.Generator().manual_seed(0))
    gradients = torch.autograd.grad(3 * grids.roughness(), list(grids.parameters()))
    for grid, gradient in zip(grids.parameters(), gradients, strict=True):
        for node in (0, grid.numel() // 2, grid.numel() - 1):
            there = grid.detach().view(-1)[node : node + 1]
            costs = []
            for step in (1e-4, -2e-4):
                there += step
                costs.append(3 * grids.roughness().item())
            there += 1e-4
            difference = (costs[0] - costs[1]) / 2e-4
            assert gradient.flatten()[node].item() == pytest.approx(difference, rel=1e-4)


def test_the_box_is_covered_to_its_corners() -> None:
    grids = DisplacementGrids(((0.0, 0.0, 0.0), (25.0, 20.0, 31.0)), (10.0,))
    (grid,) = grids.parameters()
    assert grid.shape == (3, 4, 3, 5)
