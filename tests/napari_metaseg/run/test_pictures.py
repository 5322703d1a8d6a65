"""What is decoded of each iteration, and the best picture that can be made of it."""

from __future__ import annotations

import threading
from itertools import permutations

import numpy as np
import pytest

from napari_metaseg.run.pictures import Pictures
from napari_metaseg.run.region import COARSE, FINER, WHOLE, Region, thin_axis
from tests.helpers.blank_regions import regions_of

SHAPE = (20, 24, 17)
EMPTY = np.array(-1, np.int32)
EVERYTHING = tuple(slice(0, size) for size in SHAPE)


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    """A ball with a hollow."""
    position = np.indices(SHAPE).T - (np.array(SHAPE) - 1) / 2
    distance = np.linalg.norm(position, axis=-1).T
    return (distance < 8) & (distance > 2.5)


@pytest.fixture
def pictures(mask) -> Pictures:
    return Pictures(regions_of(mask))


@pytest.fixture(scope="module")
def truth(mask) -> np.ndarray:
    """The number of every brain point, EMPTY outside."""
    volume = np.full(SHAPE, EMPTY)
    volume[mask] = np.arange(mask.sum())
    return volume


def put(pictures: Pictures, region: Region, iteration: int = 0, more: int = 0) -> None:
    """As if every point's value were its number, and some more."""
    values = pictures.numbers(region) + np.int32(more)
    pictures.put(iteration, "q", region, values)


def planes() -> list[tuple[int, int]]:
    return [(axis, index) for axis, size in enumerate(SHAPE) for index in range(size)]


def test_nothing_is_known_before_something_is_decoded(pictures) -> None:
    assert pictures.plane(0, "q", 1, 12) == (None, False)
    assert pictures.volume(0, "q") == (None, False)
    assert pictures.value(0, "q", 0) is None
    block, sharp = pictures.block(0, "q", EVERYTHING, EMPTY)
    assert (block == EMPTY).all()
    assert not sharp


def test_what_was_decoded_is_told_without_what_only_stands_for_it(pictures) -> None:
    assert pictures.decoded(0, "q") is None
    for region in (COARSE, FINER, WHOLE):
        put(pictures, region)
        numbers, values = pictures.decoded(0, "q")
        np.testing.assert_array_equal(numbers, pictures.numbers(region))
        np.testing.assert_array_equal(values, numbers)


def test_sharp_planes_are_those_of_the_whole_volume(pictures, truth) -> None:
    for axis, index in planes():
        put(pictures, Region(axis, index))
        box = list(EVERYTHING)
        box[axis] = slice(index, index + 1)
        block, sharp = pictures.block(0, "q", box, EMPTY)
        np.testing.assert_array_equal(block, truth[tuple(box)])
        assert sharp


def test_a_whole_volume_is_the_volume_and_each_plane_of_it(pictures, truth) -> None:
    put(pictures, WHOLE)
    block, sharp = pictures.block(0, "q", EVERYTHING, EMPTY)
    np.testing.assert_array_equal(block, truth)
    assert sharp
    for axis, index in planes():
        box = list(EVERYTHING)
        box[axis] = slice(index, index + 1)
        block, sharp = pictures.block(0, "q", box, EMPTY)
        np.testing.assert_array_equal(block, truth[tuple(box)])
        assert sharp


@pytest.mark.parametrize("region", [COARSE, FINER])
def test_a_coarse_volume_fills_the_brain_and_nothing_else_with_values_from_nearby(
    pictures, mask, region
) -> None:
    put(pictures, region)
    block, sharp = pictures.block(0, "q", EVERYTHING, EMPTY)
    assert not sharp
    np.testing.assert_array_equal(block != EMPTY, mask)
    sources = pictures.regions.indices[block[mask]]
    away = np.abs(sources - np.argwhere(mask)).max(1)
    assert away.max() < region.spacing
    np.testing.assert_array_equal(np.unique(block[mask]), np.sort(pictures.numbers(region)))


def test_whatever_comes_first_the_sharpest_wins(mask) -> None:
    sharpness = [COARSE, FINER, Region(2, 8), WHOLE]
    regions = regions_of(mask)
    number = int(regions.plane(2, 8)[10])
    for order in permutations(range(4)):
        pictures, best = Pictures(regions), 0
        for rank in order:
            put(pictures, sharpness[rank], more=10_000 * rank)
            best = max(best, rank)
            values, sharp = pictures.plane(0, "q", 2, 8)
            assert values is not None
            assert (values // 10_000 == best).all()
            assert sharp == (best >= 2)
            assert pictures.value(0, "q", number) == values[10]


def test_a_sharp_plane_says_nothing_of_other_planes_or_of_the_volume(pictures) -> None:
    put(pictures, Region(2, 8))
    assert pictures.plane(0, "q", 2, 9) == (None, False)
    assert pictures.plane(0, "q", 1, 8) == (None, False)
    assert pictures.volume(0, "q") == (None, False)


def test_iterations_and_quantities_are_kept_apart(pictures) -> None:
    put(pictures, WHOLE, iteration=3)
    assert pictures.get(4, "q", WHOLE) is None
    assert pictures.get(3, "other", WHOLE) is None


def test_a_value_is_that_of_the_sharpest_plane_through_the_point(pictures, mask) -> None:
    number = int(np.flatnonzero((np.argwhere(mask) == (10, 5, 8)).all(1))[0])
    put(pictures, COARSE, more=10_000)
    assert pictures.value(0, "q", number) // 10_000 == 1
    put(pictures, Region(2, 8))
    assert pictures.value(0, "q", number) == number
    put(pictures, WHOLE, more=40_000)
    assert pictures.value(0, "q", number) == number + 40_000


@pytest.mark.parametrize(
    ("known", "asked", "enough"),
    [
        (WHOLE, COARSE, True),
        (WHOLE, Region(1, 5), True),
        (Region(1, 5), Region(1, 6), False),
        (Region(1, 5), Region(2, 5), False),
        (FINER, WHOLE, False),
        (COARSE, FINER, False),
    ],
)
def test_what_is_known_sharper_need_not_be_decoded_again(pictures, known, asked, enough) -> None:
    put(pictures, known)
    assert pictures.has(0, "q", asked) is enough
    assert pictures.has(0, "q", known)


@pytest.mark.parametrize("known", [COARSE, WHOLE])
@pytest.mark.parametrize(
    "box",
    [
        (slice(3, 15), slice(2, 9), slice(5, 14)),
        (slice(10, 11), slice(2, 20), slice(5, 14)),
        (slice(3, 15), slice(9, 10), slice(5, 6)),
        (slice(9, 10), slice(9, 10), slice(5, 6)),
        (slice(3, 3), slice(2, 9), slice(5, 14)),
        (slice(9, 10), slice(4, 4), slice(5, 14)),
    ],
)
def test_a_box_is_that_part_of_the_volume(pictures, known, box) -> None:
    put(pictures, known)
    volume, _ = pictures.block(0, "q", EVERYTHING, EMPTY)
    block, _ = pictures.block(0, "q", box, EMPTY)
    np.testing.assert_array_equal(block, volume[box])


def test_vectors_are_pictured_too(pictures, mask, truth) -> None:
    vectors = np.stack([np.arange(mask.sum())] * 2, 1).astype(np.float32)
    pictures.put(0, "v", WHOLE, vectors)
    empty = np.full(2, np.nan, np.float32)
    for box in (EVERYTHING, (slice(9, 10), *EVERYTHING[1:])):
        block, _ = pictures.block(0, "v", box, empty)
        expected = np.where(truth[box] == EMPTY, np.nan, truth[box])
        np.testing.assert_array_equal(block[..., 0], expected)
        assert block.dtype == np.float32


def test_outside_the_brain_a_plane_is_empty_and_sharp_once_decoded(pictures, mask) -> None:
    assert not mask[0].any()
    put(pictures, Region(0, 0))
    block, sharp = pictures.block(0, "q", (slice(0, 1), *EVERYTHING[1:]), EMPTY)
    assert (block == EMPTY).all()
    assert sharp


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_scan_of_one_slice_is_pictured_whole_and_in_lines(axis) -> None:
    shape = [9, 9, 9]
    shape[axis] = 1
    mask = np.zeros(shape, bool)
    mask[tuple(slice(0, 1) if size == 1 else slice(2, 7) for size in shape)] = True
    pictures = Pictures(regions_of(mask))
    everything = tuple(slice(0, size) for size in shape)
    put(pictures, COARSE)
    coarse, sharp = pictures.block(0, "q", everything, EMPTY)
    np.testing.assert_array_equal(coarse != EMPTY, mask)
    assert not sharp
    put(pictures, Region(axis, 0))
    block, sharp = pictures.block(0, "q", everything, EMPTY)
    assert sharp
    np.testing.assert_array_equal(block[mask], np.arange(25))
    assert thin_axis(everything, shape) == axis


def test_beyond_the_budget_the_least_recently_used_is_dropped(mask) -> None:
    regions = regions_of(mask)
    one = 4 * len(regions)
    pictures = Pictures(regions, budget=3 * one)
    for iteration in range(3):
        put(pictures, WHOLE, iteration)
    assert pictures.get(0, "q", WHOLE) is not None  # used, so 1 is the oldest now
    put(pictures, WHOLE, 3)
    known = [i for i in range(4) if pictures.get(i, "q", WHOLE) is not None]
    assert known == [0, 2, 3]


def test_what_is_replaced_does_not_count_twice(mask) -> None:
    regions = regions_of(mask)
    pictures = Pictures(regions, budget=2 * 4 * len(regions))
    put(pictures, WHOLE, 0)
    for _ in range(5):
        put(pictures, WHOLE, 1)
    assert pictures.get(0, "q", WHOLE) is not None


def test_even_without_room_the_newest_is_kept(mask) -> None:
    pictures = Pictures(regions_of(mask), budget=1)
    put(pictures, WHOLE, 0)
    put(pictures, WHOLE, 1)
    assert pictures.get(0, "q", WHOLE) is None
    assert pictures.get(1, "q", WHOLE) is not None


def test_all_of_the_newest_iteration_is_kept_whatever_it_takes(mask) -> None:
    pictures = Pictures(regions_of(mask), budget=1)
    names = ("labels", "reconstruction", "entropy")
    for name in names:
        pictures.put(7, name, WHOLE, np.zeros(len(pictures.regions), np.float32))
    assert all(pictures.get(7, name, WHOLE) is not None for name in names)


def test_pictures_may_be_read_while_others_are_put(mask) -> None:
    regions = regions_of(mask)
    pictures = Pictures(regions, budget=20 * len(regions))
    ended = threading.Event()
    errors = []

    def look() -> None:
        try:
            while not ended.is_set():
                for iteration in range(4):
                    values, _ = pictures.volume(iteration, "q")
                    if values is not None and (values // 100_000 != iteration).any():
                        errors.append(iteration)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=look) for _ in range(2)]
    for thread in threads:
        thread.start()
    for turn in range(100):
        for region in (COARSE, WHOLE):
            put(pictures, region, turn % 4, more=100_000 * (turn % 4))
    ended.set()
    for thread in threads:
        thread.join()
    assert errors == []
