"""What the alignment and the warp tell besides labels: template positions and local volumes."""

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from src_core.networks.base import CoordinateNetwork

_STEP = 0.5
"""Half the distance of the finite differences of the Jacobian, world mm."""


@torch.no_grad()
def template_positions(
    network: CoordinateNetwork, alignment: np.ndarray, affine: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Template mm of every voxel centre.

    Parameters
    ----------
    network : CoordinateNetwork
        Fitted.
    alignment : ndarray, shape (4, 4)
        World mm -> template mm.
    affine : ndarray, shape (4, 4)
        Voxel index -> world mm.
    shape : tuple of 3 int

    Returns
    -------
    ndarray, shape (I, J, K, 3), float32
    """
    positions = np.empty((*shape, 3), np.float32)
    for slab, world in _slabs(network, affine, shape):
        positions[slab] = _warped(network, alignment, world).cpu().numpy().reshape(*shape[1:], 3)
    return positions


@torch.no_grad()
def displacement_field(
    network: CoordinateNetwork, alignment: np.ndarray, affine: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """What must be added to a voxel's world position to get its template position.

    Returns
    -------
    ndarray, shape (I, J, K, 3), float32
        RAS mm; parameters as for `template_positions`.
    """
    field = np.empty((*shape, 3), np.float32)
    for slab, world in _slabs(network, affine, shape):
        moved = _warped(network, alignment, world) - world
        field[slab] = moved.cpu().numpy().reshape(*shape[1:], 3)
    return field


@torch.no_grad()
def jacobian_determinant(
    network: CoordinateNetwork, alignment: np.ndarray, affine: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Template volume per scan volume at every voxel; below 0 where the warp folds.

    Returns
    -------
    ndarray, shape (I, J, K), float32
        Parameters as for `template_positions`.
    """
    determinant = np.empty(shape, np.float32)
    for slab, world in _slabs(network, affine, shape):
        columns = []
        for axis in range(3):
            step = torch.zeros(3, device=world.device)
            step[axis] = _STEP
            ahead = _warped(network, alignment, world + step)
            columns.append((ahead - _warped(network, alignment, world - step)) / (2 * _STEP))
        local = torch.linalg.det(torch.stack(columns, -1))
        determinant[slab] = local.cpu().numpy().reshape(shape[1:])
    return determinant


def _slabs(
    network: CoordinateNetwork, affine: np.ndarray, shape: tuple[int, ...]
) -> Iterator[tuple[int, Tensor]]:
    """World mm of the voxels of one plane after the other, shape (J * K, 3)."""
    device = next(network.parameters()).device
    to_world = torch.from_numpy(np.asarray(affine, np.float64))
    plane = torch.cartesian_prod(*(torch.arange(size, dtype=torch.float64) for size in shape[1:]))
    for slab in range(shape[0]):
        index = torch.cat([torch.full((len(plane), 1), float(slab)).double(), plane], 1)
        yield slab, (index @ to_world[:3, :3].T + to_world[:3, 3]).float().to(device)


def _warped(network: CoordinateNetwork, alignment: np.ndarray, world: Tensor) -> Tensor:
    matrix = torch.from_numpy(np.asarray(alignment)).float().to(world.device)
    return network.warp(world @ matrix[:3, :3].T + matrix[:3, 3])
