"""What the alignment and the warp tell besides labels: template positions and local volumes."""

from collections.abc import Callable
from typing import cast

import numpy as np
import torch
from torch import Tensor

from src_core.networks.base import CoordinateNetwork
from src_core.networks.warp import local_volume


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
    return _per_plane(network, affine, shape, lambda world: _warped(network, alignment, world))


def displacement_field(
    network: CoordinateNetwork, alignment: np.ndarray, affine: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """What must be added to a voxel's world position to get its template position.

    Returns
    -------
    ndarray, shape (I, J, K, 3), float32
        RAS mm; parameters as for `template_positions`.
    """
    return _per_plane(
        network, affine, shape, lambda world: _warped(network, alignment, world) - world
    )


def jacobian_determinant(
    network: CoordinateNetwork, alignment: np.ndarray, affine: np.ndarray, shape: tuple[int, ...]
) -> np.ndarray:
    """Template volume per scan volume at every voxel; below 0 where the warp folds.

    Returns
    -------
    ndarray, shape (I, J, K), float32
        Parameters as for `template_positions`.
    """

    def determinant(world: Tensor) -> Tensor:
        return local_volume(lambda position: _warped(network, alignment, position), world)

    return _per_plane(network, affine, shape, determinant)


@torch.no_grad()
def _per_plane(
    network: CoordinateNetwork,
    affine: np.ndarray,
    shape: tuple[int, ...],
    evaluate: Callable[[Tensor], Tensor],
) -> np.ndarray:
    """Values of a function of world mm (N, 3) at all voxels, one plane after the other."""
    device = next(network.parameters()).device
    to_world = torch.from_numpy(np.asarray(affine, np.float64))
    plane = torch.cartesian_prod(*(torch.arange(size, dtype=torch.float64) for size in shape[1:]))
    found: np.ndarray | None = None
    for number in range(shape[0]):
        index = torch.cat([torch.full((len(plane), 1), float(number)).double(), plane], 1)
        world = (index @ to_world[:3, :3].T + to_world[:3, 3]).float().to(device)
        values = evaluate(world).cpu().numpy()
        if found is None:
            found = np.empty((*shape, *values.shape[1:]), values.dtype)
        found[number] = values.reshape(found.shape[1:])
    return cast("np.ndarray", found)


def _warped(network: CoordinateNetwork, alignment: np.ndarray, world: Tensor) -> Tensor:
    matrix = torch.from_numpy(np.asarray(alignment)).float().to(world.device)
    return network.warp(world @ matrix[:3, :3].T + matrix[:3, 3])
