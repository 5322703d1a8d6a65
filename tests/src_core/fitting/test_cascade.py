"""Students answer for the network where they are sure, and nobody can tell from the labels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from src_core.fitting.cascade import decode_classes
from src_core.fitting.decode import decode
from src_core.networks.settings import SirenSettings
from src_core.networks.siren import SirenNetwork

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from src_core.space.points import BrainPoints

MOST_CHANGED = 4e-4
"""Share of the voxels that may have another label than the network's own."""


class Known(SirenNetwork):
    """A network whose class scores are a function of the position, and that counts its points."""

    def __init__(self, scores: Callable[[Tensor], Tensor]):
        super().__init__(SirenSettings(classes=3, width=8, depth=1, hidden=()))
        self.scores = scores
        self.asked = 0

    def read_logits(self, activations, warped, points):
        self.asked += len(points)
        return self.scores(warped)


def shells(positions: Tensor) -> Tensor:
    """Three nested structures, sure but for where they meet."""
    radius = positions.norm(dim=1)
    return -(radius[:, None] - torch.tensor([10.0, 25.0, 40.0])).abs()


def speck(positions: Tensor) -> Tensor:
    """A large structure, and in it one of five hundred voxels."""
    inside = (positions - torch.tensor([11.0, -7.0, 5.0])).norm(dim=1) < 5
    return 12.0 * torch.stack([~inside, inside, torch.zeros_like(inside)], 1)


def grains(positions: Tensor) -> Tensor:
    """Classes that nothing tells from voxel to voxel."""
    return 5 * torch.sin(9e3 * positions)


@pytest.fixture(scope="module")
def block(points: BrainPoints) -> BrainPoints:
    """Enough voxels for two students."""
    size = 85
    indices = torch.cartesian_prod(*3 * [torch.arange(size, dtype=torch.int16)])
    to_template = torch.eye(4)
    to_template[:3, 3] = -size / 2
    seen = torch.zeros(len(indices), points.seen.shape[1], dtype=torch.float16)
    return replace(points, indices=indices, to_template=to_template, seen=seen)


def test_what_can_be_learnt_is_asked_of_the_network_at_few_voxels(block) -> None:
    network = Known(shells)
    found = decode_classes(network, block)
    assert network.asked < len(block) / 2
    assert found.dtype == np.uint8
    assert np.mean(found != decode(network, block, "classes")) < MOST_CHANGED


def test_a_small_structure_that_students_miss_is_found_whole(block) -> None:
    network = Known(speck)
    found = decode_classes(network, block)
    assert network.asked < len(block) / 2
    np.testing.assert_array_equal(found, decode(network, block, "classes"))


def test_what_cannot_be_learnt_is_asked_of_the_network(block) -> None:
    network = Known(grains)
    found = decode_classes(network, block)
    assert np.mean(found != decode(network, block, "classes")) < MOST_CHANGED


def test_the_number_of_threads_changes_no_label(block) -> None:
    before = torch.get_num_threads()
    try:
        found = []
        for threads in (1, 3):
            torch.set_num_threads(threads)
            found.append(decode_classes(Known(shells), block))
    finally:
        torch.set_num_threads(before)
    np.testing.assert_array_equal(*found)


def test_in_a_small_brain_every_label_is_the_network_s_own(points) -> None:
    network = Known(shells)
    found = decode_classes(network, points)
    np.testing.assert_array_equal(found, decode(network, points, "classes"))
