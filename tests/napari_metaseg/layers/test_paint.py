"""Labels painted over what is decoded."""

from __future__ import annotations

import numpy as np
import pytest

from napari_metaseg.layers.paint import Paint

SHAPE = (4, 5, 6)
BOX = (slice(1, 3), slice(0, 4), slice(2, 3))


@pytest.fixture
def beneath() -> np.ndarray:
    return np.arange(120, dtype=np.uint8).reshape(SHAPE)


@pytest.fixture
def paint() -> Paint:
    return Paint(SHAPE, np.dtype(np.uint8))


def dab(paint: Paint, beneath: np.ndarray, place: tuple[int, int, int], label: int) -> None:
    box = tuple(slice(index, index + 1) for index in place)
    before = paint.over(box, beneath[box])
    paint.add(box, before, np.full_like(before, label))


def test_only_what_differs_is_painted(paint, beneath) -> None:
    after = beneath[BOX].copy()
    after[0, 1, 0] = after[1, 3, 0] = 200
    paint.add(BOX, beneath[BOX], after)
    np.testing.assert_array_equal(paint.over(BOX, beneath[BOX]), after)
    places, labels = paint.take()
    assert places.tolist() == [[1, 1, 2], [2, 3, 2]]
    assert labels.tolist() == [200, 200]


def test_what_is_taken_up_lies_there_until_something_else_is_laid(paint, beneath) -> None:
    dab(paint, beneath, (1, 2, 3), 200)
    assert paint.is_new
    paint.take()
    assert not paint.is_new
    everywhere = (slice(None),) * 3
    assert paint.over(everywhere, beneath)[1, 2, 3] == 200
    paint.lay([(np.array([[0, 0, 0]]), np.array([7]))])
    shown = paint.over(everywhere, beneath)
    assert shown[1, 2, 3] == beneath[1, 2, 3]
    assert shown[0, 0, 0] == 7
    paint.lay([])
    np.testing.assert_array_equal(paint.over(everywhere, beneath), beneath)


def test_a_voxel_is_taken_up_once_with_its_last_label(paint, beneath) -> None:
    dab(paint, beneath, (1, 2, 3), 200)
    dab(paint, beneath, (1, 2, 3), 201)
    places, labels = paint.take()
    assert (places.tolist(), labels.tolist()) == ([[1, 2, 3]], [201])
    assert paint.take()[0].shape == (0, 3)


def test_of_what_is_laid_the_later_counts_and_what_is_being_painted_stays(paint, beneath) -> None:
    dab(paint, beneath, (3, 3, 3), 200)
    two = np.array([[0, 0, 1], [3, 3, 3]])
    paint.lay([(two, np.array([5, 5])), (two[:1], np.array([6]))])
    shown = paint.over((slice(None),) * 3, beneath)
    assert shown[0, 0, 1] == 6
    assert shown[3, 3, 3] == 200
    assert paint.take()[1].tolist() == [200]
