"""What a network makes of strokes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from src_core.correction.learn import Lesson, learn_at_once
from src_core.correction.network import CorrectedNetwork
from src_core.correction.stroke import Stroke
from src_core.fitting.decode import decode
from src_core.segment import segment

if TYPE_CHECKING:
    from src_core.results.segmentation import Segmentation


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
    taught = learn_at_once(network, result.points, lesson_of(numbers, 1, reach=12.0))
    after = decode(taught, result.points, "classes")
    assert (after[numbers] == 1).mean() > 0.8
    changed = after != before
    assert changed.sum() > len(numbers) / 2
    away = np.linalg.norm(result.points.positions().numpy() - somewhere, axis=1)
    # Borders move four times as far.
    assert changed[away > 4 * 12].mean() < 0.01


def test_a_stroke_leaves_the_network_before_it_as_it_was(
    network, result, before, somewhere
) -> None:
    learn_at_once(network, result.points, lesson_of(ball(result, somewhere, 9.0), 1))
    np.testing.assert_array_equal(decode(network, result.points, "classes"), before)


def test_the_border_that_a_stroke_is_about_moves_farther_away_and_no_other(
    network, result, before, somewhere
) -> None:
    numbers = ball(result, somewhere, 9.0)
    numbers = numbers[before[numbers] == 3]
    taught = learn_at_once(network, result.points, lesson_of(numbers, 1, reach=10.0))
    away = np.linalg.norm(result.points.positions().numpy() - somewhere, axis=1)
    ring = np.flatnonzero((away > 45) & (away < 60))
    after = decode(taught, result.points, "classes", torch.from_numpy(ring))
    changed = after != before[ring]
    assert 0 < changed.mean() < 0.05
    # Where three borders meet, another class may lie hardly behind.
    assert (before[ring][changed] == 3).mean() > 0.95
    assert set(after[changed]) == {1}


def test_one_voxel_moves_a_long_border_less_than_many(network, result, before, somewhere) -> None:
    numbers = ball(result, somewhere, 9.0)
    numbers = numbers[before[numbers] == 3]
    far = np.linalg.norm(result.points.positions().numpy() - somewhere, axis=1) > 30
    followed = [
        (decode(learn_at_once(network, result.points, lesson), result.points, "classes") != before)
        for lesson in (lesson_of(numbers[:1], 1), lesson_of(numbers, 1))
    ]
    assert followed[0][far].sum() < followed[1][far].sum() / 2


def test_erased_is_background(network, result, before, somewhere) -> None:
    numbers = ball(result, somewhere, 9.0)
    taught = learn_at_once(network, result.points, lesson_of(numbers, 0))
    assert (before[numbers] == 0).sum() == 0
    assert (decode(taught, result.points, "classes")[numbers] == 0).mean() > 0.8


def test_nothing_painted_changes_nothing(network, result, before) -> None:
    taught = learn_at_once(network, result.points, lesson_of(np.zeros(0, int), 0))
    np.testing.assert_array_equal(decode(taught, result.points, "classes"), before)


def test_an_added_structure_that_was_painted_nowhere_in_the_brain_is_improbable(
    network, result, before
) -> None:
    taught = learn_at_once(network, result.points, lesson_of(np.zeros(0, int), 0, count=6))
    probabilities = decode(taught, result.points, "probabilities")
    assert probabilities.shape[1] == 6
    np.testing.assert_array_equal(probabilities[:, 5], 0)
    np.testing.assert_array_equal(decode(taught, result.points, "classes"), before)


def test_what_was_painted_outside_the_brain_is_not_learned(result) -> None:
    voxels = np.array([[0, 0, 0], *result.points.indices[[7, 3]].tolist()])
    lesson = Lesson.of(Stroke(voxels, np.array([1, 2, 3])), result.points, result.protocol)
    assert dict(zip(lesson.numbers.tolist(), lesson.classes.tolist(), strict=True)) == {7: 2, 3: 3}


def test_strokes_in_a_coarser_protocol_change_the_finer_labels_too(structures_model, brain) -> None:
    fit = segment(brain.scan, model=structures_model, labels="tissue4", iterations=0, align=False)
    network = CorrectedNetwork(fit.network)
    where = ball(fit, fit.points.positions().numpy().mean(0), 12.0)
    first = decode(fit.network, fit.points, "classes")[where]
    taught = learn_at_once(network, fit.points, lesson_of(where, 4))
    changed = decode(taught, fit.points, "classes")[where]
    assert (changed == 4).sum() > (first == 4).sum()
    ventricles = fit.model.sums()[:, 4].numpy() == 1
    finer = decode(taught.told(None), fit.points, "classes")[where]
    assert ventricles[finer].sum() > 0


@pytest.fixture(scope="module")
def sphere(result: Segmentation) -> np.ndarray:
    """Whether a point lies in a ball that is unlike any class."""
    positions = result.points.positions().numpy()
    inside: np.ndarray = np.linalg.norm(positions - positions.mean(0), axis=1) < 20
    return inside


@pytest.fixture(scope="module")
def sections(result: Segmentation, sphere: np.ndarray) -> np.ndarray:
    """Numbers of the points of two of its sections."""
    planes = result.points.indices[:, 2].numpy()
    within = planes[sphere]
    painted = np.isin(planes, np.quantile(within, (0.3, 0.7), method="nearest"))
    return np.flatnonzero(sphere & painted)


def test_two_sections_of_an_added_structure_tell_the_rest(
    network, result, sphere, sections
) -> None:
    taught = learn_at_once(network, result.points, lesson_of(sections, 5, count=6))
    found = decode(taught, result.points, "classes") == 5
    assert 2 * (found & sphere).sum() / (found.sum() + sphere.sum()) > 0.7


def test_what_was_painted_back_is_no_part_of_an_added_structure(
    network, result, sphere, sections
) -> None:
    first = learn_at_once(network, result.points, lesson_of(sections, 5, count=6))
    wrong = np.flatnonzero((decode(first, result.points, "classes") == 5) & ~sphere)
    numbers = torch.from_numpy(np.concatenate([sections, wrong]))
    classes = torch.full((len(numbers),), 5)
    classes[len(sections) :] = 3
    lesson = Lesson(numbers, classes, torch.full((len(numbers),), 15.0), 6)
    after = decode(learn_at_once(network, result.points, lesson), result.points, "classes")
    assert (after[wrong] == 5).mean() < 0.3
    assert (after[sections] == 5).mean() > 0.8


def test_added_structures_leave_the_labels_elsewhere(network, result, before, sphere, sections):
    taught = learn_at_once(network, result.points, lesson_of(sections, 6, count=7))
    after = decode(taught, result.points, "classes")
    assert not (after == 5).any()
    np.testing.assert_array_equal(after[after != 6], before[after != 6])
