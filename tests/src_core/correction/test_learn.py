"""What a network makes of strokes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from src_core.correction.learn import Lesson, learn
from src_core.correction.network import CorrectedNetwork
from src_core.fitting.decode import decode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from src_core.results.segmentation import Segmentation


def learned(network: CorrectedNetwork, result: Segmentation, lesson: Lesson) -> CorrectedNetwork:
    """The network after all steps."""

    def whole() -> Iterator[None]:
        nonlocal network
        network = yield from learn(network, result.points, lesson)

    for _ in whole():
        pass
    return network


def lesson_of(numbers: np.ndarray, painted: int, reach: float = 25.0, count: int = 5) -> Lesson:
    """Some points, all painted as one class."""
    classes = torch.full((len(numbers),), painted)
    return Lesson(torch.from_numpy(numbers), classes, torch.full((len(numbers),), reach), count)


def ball(result: Segmentation, around: np.ndarray, radius: float) -> np.ndarray:
    """Numbers of the points near a template position."""
    away = np.linalg.norm(result.points.positions().numpy() - around, axis=1)
    return np.flatnonzero(away < radius)


@pytest.fixture(scope="module")
def network(result: Segmentation) -> CorrectedNetwork:
    return CorrectedNetwork(result.network)


@pytest.fixture(scope="module")
def before(result: Segmentation) -> np.ndarray:
    return decode(result.network, result.points, "classes")


@pytest.fixture(scope="module")
def somewhere(result: Segmentation, before: np.ndarray) -> np.ndarray:
    """A position amid the white matter."""
    white = result.points.positions().numpy()[before == 3]
    near: np.ndarray = white[np.linalg.norm(white - [30.0, 0.0, 20.0], axis=1).argmin()]
    return near


def test_unlearned_it_gives_the_labels_of_the_fit(network, result, before) -> None:
    np.testing.assert_array_equal(decode(network, result.points, "classes"), before)


def test_what_lies_around_a_stroke_follows_and_the_rest_stays(
    network, result, before, somewhere
) -> None:
    numbers = ball(result, somewhere, 9.0)
    taught = learned(network, result, lesson_of(numbers, 1, reach=12.0))
    after = decode(taught, result.points, "classes")
    assert (after[numbers] == 1).mean() > 0.6
    changed = np.flatnonzero(after != before)
    assert len(changed) > len(numbers) / 2
    away = np.linalg.norm(result.points.positions().numpy()[changed] - somewhere, axis=1)
    assert away.max() < 50


def test_a_stroke_leaves_the_network_before_it_as_it_was(
    network, result, before, somewhere
) -> None:
    learned(network, result, lesson_of(ball(result, somewhere, 9.0), 1))
    np.testing.assert_array_equal(decode(network, result.points, "classes"), before)


def test_erased_is_background(network, result, before, somewhere) -> None:
    numbers = ball(result, somewhere, 9.0)
    taught = learned(network, result, lesson_of(numbers, 0))
    assert (decode(taught, result.points, "classes")[numbers] == 0).mean() > 0.8


def test_nothing_painted_changes_nothing(network, result) -> None:
    assert learned(network, result, lesson_of(np.zeros(0, int), 0)) is network
