"""Arrays that decode what napari looks at, as napari uses them."""

from __future__ import annotations

from itertools import permutations, product
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from napari_metaseg.layers.live_array import LiveArray
from napari_metaseg.layers.orientation import Orientation, orientation_of
from napari_metaseg.layers.paint import Paint
from napari_metaseg.run.pictures import Pictures
from napari_metaseg.run.region import COARSE, WHOLE, Region
from src_core.errors import InputError
from tests.helpers.blank_regions import regions_of

SHAPE = (6, 8, 10)


def session_of(shape: tuple[int, ...]) -> Any:
    """Most of the voxels are brain; every value can be told from every other."""
    mask = np.random.default_rng(0).random(shape) < 0.8
    return SimpleNamespace(
        scan=SimpleNamespace(shape=shape),
        prepared=SimpleNamespace(mask=mask),
        pictures=Pictures(regions_of(mask)),
        readouts={"q": SimpleNamespace(empty=np.zeros((), np.int16))},
        shown=0,
    )


class Case:
    """A live array, what it should show, and how often it was read."""

    def __init__(self, shape: tuple[int, ...] = SHAPE, affine: np.ndarray | None = None):
        self.session = session_of(shape)
        self.orientation = orientation_of(np.eye(4) if affine is None else affine, shape)
        self.reads = 0
        self.array = LiveArray(self.session, "q", self.orientation, self.count_read)
        self.volume = np.zeros(shape, np.int16)
        self.volume[self.session.prepared.mask] = 1 + np.arange(self.count)

    def count_read(self) -> None:
        self.reads += 1

    @property
    def count(self) -> int:
        return len(self.session.pictures.regions)

    @property
    def displayed(self) -> np.ndarray:
        return self.orientation.to_display(self.volume)

    def decode(self, region: Region = WHOLE, iteration: int = 0, more: int = 0) -> None:
        pictures = self.session.pictures
        values = (1 + more + pictures.numbers(region)).astype(np.int16)
        pictures.put(iteration, "q", region, values)


@pytest.fixture
def case() -> Case:
    return Case()


def orientations() -> list[np.ndarray]:
    """All 48 ways in which voxel axes can lie along world axes."""
    affines = []
    for axes, signs in product(permutations(range(3)), product((-1, 1), repeat=3)):
        affine = np.eye(4)
        affine[:3, :3] = np.eye(3)[list(axes)] * signs
        affines.append(affine)
    return affines


def test_it_has_what_napari_asks_of_an_array(case) -> None:
    assert case.array.shape == case.displayed.shape
    assert case.array.ndim == 3
    assert case.array.size == case.volume.size
    assert case.array.dtype == np.int16
    assert len(case.array) == case.displayed.shape[0]


@pytest.mark.parametrize(
    "key",
    [
        4,
        -1,
        np.int64(3),
        (np.int32(2), slice(None), slice(None)),
        (slice(None), 3, slice(None)),
        (slice(None), slice(None), 5),
        (slice(None), slice(None), -2),
        (slice(2, 3), slice(None), slice(None)),
        (slice(2, 3), slice(1, 7), slice(None, 4)),
        (1, 2, 3),
        (..., 3),
        (3, ...),
        (..., 2, slice(1, 3)),
        (2, ..., 4),
        ...,
        (),
        slice(None),
        slice(-4, -1),
        slice(3, 100),
        slice(5, 2),
        (slice(None), slice(4, 4), 2),
    ],
)
def test_every_index_gives_what_a_numpy_array_gives(case, key) -> None:
    case.decode()
    part, expected = case.array[key], case.displayed[key]
    assert part.shape == expected.shape
    assert part.ndim == expected.ndim
    assert part.dtype == expected.dtype
    np.testing.assert_array_equal(np.asarray(part), expected)
    assert np.asarray(part, dtype=float).dtype == float


@pytest.mark.parametrize(
    "keys",
    [
        ((slice(None), slice(2, 7), slice(1, 5)), (3,)),
        ((slice(2, 9), slice(2, 7), slice(1, 5)), (3, slice(None), -1)),
        ((4,), (2,)),
        ((4,), (slice(2, 5), 3)),
        ((..., 3), (slice(1, 6),), (slice(1, 3), 2)),
        ((slice(3, 4),), (0,)),
        ((slice(3, 6),), (..., -1)),
    ],
)
def test_a_part_of_a_part_is_computed_once_it_is_needed(case, keys) -> None:
    part: Any = case.array
    expected = case.displayed
    for key in keys:
        part, expected = part[key], expected[key]
    assert case.reads == 0  # nothing was read so far
    case.decode()
    assert part.shape == expected.shape
    np.testing.assert_array_equal(np.asarray(part), expected)


@pytest.mark.parametrize("key", [10, -11, (0, 8), (0, 0, 0, 0), (0, 0, 0, ..., 0)])
def test_an_index_outside_is_refused(case, key) -> None:
    with pytest.raises(IndexError):
        _ = case.array[key]


def test_what_is_not_a_whole_run_is_refused(case) -> None:
    with pytest.raises(NotImplementedError):
        _ = case.array[::2]


def test_it_can_be_walked_through_plane_by_plane(case) -> None:
    case.decode()
    planes = [np.asarray(plane) for plane in case.array]
    np.testing.assert_array_equal(planes, case.displayed)


def test_all_of_it_is_refused_until_every_voxel_is_decoded(case) -> None:
    with pytest.raises(InputError, match="iteration 0 is not decoded at every voxel yet"):
        np.asarray(case.array)
    case.decode(COARSE)
    with pytest.raises(InputError, match="wait a few seconds"):
        np.asarray(case.array)
    case.decode()
    np.testing.assert_array_equal(np.asarray(case.array), case.displayed)
    assert np.asarray(case.array, dtype=np.float32).dtype == np.float32


@pytest.mark.parametrize("affine", orientations())
def test_in_every_orientation_it_shows_what_the_whole_map_shows(affine) -> None:
    case = Case(affine=affine)
    for axis, size in enumerate(SHAPE):
        for index in range(size):
            case.decode(Region(axis, index))
    expected = case.displayed
    for display in range(3):
        for index in (0, 1, expected.shape[display] - 1):
            key = (*[slice(None)] * display, index)
            np.testing.assert_array_equal(np.asarray(case.array[key]), expected[key])
    box = (slice(1, 4), slice(0, 5), slice(2, 6))
    case.decode()
    np.testing.assert_array_equal(np.asarray(case.array[box]), expected[box])
    np.testing.assert_array_equal(np.asarray(case.array), expected)


@pytest.mark.parametrize("affine", orientations()[::5])
def test_a_plane_is_sharp_as_soon_as_that_plane_is_decoded(affine) -> None:
    case = Case(affine=affine)
    to_voxel = case.orientation.voxel_of_index(SHAPE)
    for display in range(3):
        for index in (0, 2):
            key = (*[slice(None)] * display, index)
            picture = np.asarray(case.array[key])
            assert not picture.any()
            axis = case.orientation.axes[display]
            voxel = to_voxel @ [*(index if d == display else 1 for d in range(3)), 1]
            case.decode(Region(axis, int(voxel[axis])))
            np.testing.assert_array_equal(np.asarray(case.array[key]), case.displayed[key])


def test_it_tells_whenever_it_is_looked_at(case) -> None:
    case.decode(COARSE)
    part = case.array[:]
    assert case.reads == 0
    np.asarray(part)
    np.asarray(case.array[3])
    assert case.reads == 2


def test_it_shows_the_iteration_that_is_shown_now(case) -> None:
    case.decode(iteration=0)
    case.decode(iteration=7, more=1000)
    part = case.array[3]
    case.session.shown = 7
    inside = case.displayed[3] > 0
    assert (np.asarray(part)[inside] > 1000).all()
    case.session.shown = 0
    np.testing.assert_array_equal(np.asarray(part), case.displayed[3])


def test_what_is_read_may_be_changed_without_harm(case) -> None:
    case.decode()
    np.asarray(case.array[3])[:] = 99
    np.asarray(case.array)[:] = 99
    np.testing.assert_array_equal(np.asarray(case.array[3]), case.displayed[3])


@pytest.mark.parametrize("hidden", [0, 1, 2])
@pytest.mark.parametrize("affine", orientations()[::7])
def test_a_scan_of_one_slice_is_an_array_of_two_axes(affine, hidden) -> None:
    shape = list(SHAPE)
    shape[hidden] = 1
    case = Case(tuple(shape), affine)
    assert case.array.ndim == 2
    assert case.array.shape == case.displayed.shape
    np.asarray(case.array[...])
    region = Region(hidden, 0)
    case.decode(region)
    np.testing.assert_array_equal(np.asarray(case.array[...]), case.displayed)
    np.testing.assert_array_equal(np.asarray(case.array[2]), case.displayed[2])
    np.testing.assert_array_equal(np.asarray(case.array[:, 3]), case.displayed[:, 3])
    case.decode()
    np.testing.assert_array_equal(np.asarray(case.array), case.displayed)


def test_orientations_are_48() -> None:
    found: set[tuple[Any, ...]] = set()
    for affine in orientations():
        orientation: Orientation = orientation_of(affine, SHAPE)
        found.add((orientation.axes, orientation.flips))
    assert len(found) == 48


@pytest.fixture
def paintable(case) -> Case:
    case.decode()
    case.array.paint = Paint(case.array.shape, case.array.dtype)
    case.array.paint.wet = True
    return case


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ((slice(2, 3), slice(1, 4), slice(0, 2)), 9),
        ((2, slice(1, 4), slice(0, 2)), np.arange(6).reshape(3, 2)),
        ((1, 2, 3), 4),
        ((np.array([1, 1, 3]), np.array([2, 5, 2]), np.array([0, 4, 4])), np.array([4, 5, 6])),
        ((np.array([1, 1]), np.array([2, 5]), np.array([0, 4])), 3),
    ],
)
def test_it_is_painted_on_as_a_numpy_array_is(paintable, key, value) -> None:
    expected = np.array(paintable.displayed)
    expected[key] = value
    paintable.array[key] = value
    np.testing.assert_array_equal(np.asarray(paintable.array), expected)
    np.testing.assert_array_equal(np.asarray(paintable.array[key]), expected[key])
    places, labels = paintable.array.paint.take()
    np.testing.assert_array_equal(places, np.argwhere(expected != paintable.displayed))
    np.testing.assert_array_equal(labels, expected[tuple(places.T)])


def test_painting_reads_nothing_for_the_screen(paintable) -> None:
    paintable.array[2, 3, 4] = 9
    assert paintable.reads == 0


def test_without_wet_paint_nothing_can_be_painted(paintable) -> None:
    paintable.array.paint.wet = False
    with pytest.raises(TypeError, match="painted"):
        paintable.array[2, 3, 4] = 9
