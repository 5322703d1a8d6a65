"""A layer is taken for the scan it is, and refused with advice if it is none."""

from __future__ import annotations

from typing import Any

import dask.array as da
import numpy as np
import pytest
from napari.components import ViewerModel
from napari.layers import Image, Labels, Layer, Points
from nibabel.affines import apply_affine, from_matvec
from scipy.spatial.transform import Rotation

from napari_metaseg.layers.geometry import geometry_of, labels_on_grid, scan_of
from napari_metaseg.layers.scan_layers import METADATA_KEY, labels_layer, scan_layer
from src_core.errors import InputError
from src_core.io.protocols import protocol
from src_core.io.scan import Scan

TISSUES = protocol("tissue4")
MM = ("mm", "mm", "mm")


@pytest.fixture
def layer(scan: Scan) -> Image:
    """An oblique scan as our layer."""
    return Layer.create(*scan_layer(scan, "head"))


def labels_of(scan: Scan, layer: Layer) -> Labels:
    label_map = (scan.voxels > 300).astype(np.int16) * 3
    return Layer.create(*labels_layer(label_map, scan, scan_of(layer)[1], TISSUES, "labels"))


def drawn_over(layer: Layer) -> Labels:
    """What the button "new labels layer" makes."""
    keywords = {
        name: getattr(layer, name)
        for name in ("scale", "translate", "rotate", "shear", "units", "axis_labels", "affine")
    }
    return Labels(np.zeros(layer.data.shape, np.uint8), name="drawn", **keywords)


def position_of_brightest(scan: Scan) -> np.ndarray:
    """In world mm."""
    return apply_affine(scan.affine, np.unravel_index(np.argmax(scan.voxels), scan.shape))


@pytest.fixture
def marked() -> np.ndarray:
    """(10, 12, 14), laid out as (S, A, R), with one brightest voxel."""
    array = np.random.default_rng(0).random((10, 12, 14))
    array[2, 7, 11] = 9
    return array


def test_a_scan_comes_back_from_its_layer(scan: Scan, layer: Image) -> None:
    assert scan_of(layer)[0] is scan
    assert np.shares_memory(layer.data, scan.voxels)


def test_a_duplicate_of_the_layer_is_the_same_scan(scan: Scan, layer: Image) -> None:
    data, meta, kind = layer.as_layer_data_tuple()
    assert scan_of(Layer.create(data.copy(), meta, kind))[0] is scan


def test_an_edited_layer_keeps_its_grid(scan: Scan, layer: Image) -> None:
    layer.data = layer.data * 2
    edited, orientation = scan_of(layer)
    np.testing.assert_array_equal(edited.voxels, scan.voxels * 2)
    np.testing.assert_array_equal(edited.affine, scan.affine)
    assert edited.header is scan.header
    np.testing.assert_array_equal(orientation.to_display(edited.voxels), layer.data)


def test_a_cropped_layer_stays_in_its_true_place(scan: Scan) -> None:
    scan.voxels[7, 11, 13] = 5000
    data, keywords, kind = scan_layer(scan, "head")
    cropped = Layer.create(data[2:-1, 4:, 1:-3], keywords, kind)
    cropped.translate = (2, 4, 1)  # before the affine, so in voxels
    part, _ = scan_of(cropped)
    np.testing.assert_allclose(position_of_brightest(part), position_of_brightest(scan))


@pytest.mark.parametrize("labels", [("S", "A", "R"), ("I", "P", "L"), ("r", "a", "s"), None])
def test_an_array_lies_where_its_layer_says(
    marked: np.ndarray, labels: tuple[str, ...] | None
) -> None:
    layer = Image(marked, scale=(3, 2, 1), translate=(10, 20, 30), axis_labels=labels, units=MM)
    scan, orientation = scan_of(layer)
    shown = {"S": 16.0, "A": 34.0, "R": 41.0}
    if labels == ("I", "P", "L"):
        shown = {letter: -position for letter, position in shown.items()}
    if labels == ("r", "a", "s"):
        shown = {"S": 41.0, "A": 34.0, "R": 16.0}
    np.testing.assert_allclose(position_of_brightest(scan), [shown[letter] for letter in "RAS"])
    np.testing.assert_array_equal(orientation.to_display(scan.voxels), marked.astype(np.float32))
    np.testing.assert_array_equal(orientation.affine, from_matvec(np.diag([3, 2, 1]), (10, 20, 30)))
    assert any("does not say" in note for note in scan.notes) == (labels is None)


@pytest.mark.filterwarnings("ignore:Non-orthogonal slicing")
def test_all_parts_of_a_transform_count(marked: np.ndarray) -> None:
    turn = Rotation.from_euler("z", 30, degrees=True).as_matrix()
    layer = Image(
        marked,
        scale=(2, 1, 1),
        translate=(5, 0, 0),
        rotate=turn,
        shear=(0.1, 0, 0),
        affine=from_matvec(np.diag([1, -1, 1]), (0, 0, 7)),
        units=MM,
    )
    scan, orientation = scan_of(layer)
    np.testing.assert_allclose(
        position_of_brightest(scan), np.array(layer.data_to_world((2, 7, 11)))[::-1]
    )
    assert orientation.obliquity == pytest.approx(30, abs=5)


def test_other_units_of_length_become_mm(marked: np.ndarray) -> None:
    layer = Image(marked, scale=(1000, 1000, 1000), units=("um", "um", "um"))
    scan, orientation = scan_of(layer)
    np.testing.assert_allclose(scan.voxel_size, 1)
    assert orientation.unit == "micrometer"
    result = Layer.create(*labels_layer(scan.voxels > 5, scan, orientation, None, "labels"))
    np.testing.assert_array_equal(result.affine.affine_matrix, orientation.affine)
    assert result.units == layer.units


def test_pixels_are_taken_for_mm_and_it_is_said(marked: np.ndarray) -> None:
    scan, _ = scan_of(Image(marked))
    np.testing.assert_array_equal(scan.voxel_size, 1)
    assert any("no unit of length" in note for note in scan.notes)


@pytest.mark.parametrize(
    ("labels", "position"), [(None, [9, 6, 0]), (("S", "R"), [9, 0, 6]), (("A", "S"), [0, 6, 9])]
)
def test_a_flat_array_is_a_slice(labels: tuple[str, ...] | None, position: list[int]) -> None:
    array = np.random.default_rng(0).random((10, 12))
    array[6, 9] = 9
    scan, orientation = scan_of(Image(array, axis_labels=labels, units=("mm", "mm")))
    np.testing.assert_array_equal(position_of_brightest(scan), position)
    np.testing.assert_array_equal(orientation.to_display(scan.voxels), array.astype(np.float32))
    assert orientation.axis_labels == (labels or ("A", "R"))
    assert any("where the slice lies" in note for note in scan.notes)


UNUSABLE: dict[str, tuple[Any, str]] = {
    "points": (Points(np.zeros((1, 3))), "type Points"),
    "labels": (Labels(np.zeros((9, 9, 9), int)), "type Labels; choose one of type Image"),
    "colour": (Image(np.zeros((9, 9, 9, 3), np.uint8), rgb=True), "colour"),
    "series": (Image(np.zeros((2, 9, 9, 9))), "Split Stack"),
    "dask": (Image(da.zeros((9, 9, 9))), "not in memory"),
    "multiscale": (
        Image([np.zeros((16, 16, 16)), np.zeros((8, 8, 8))], multiscale=True),
        "multiscale",
    ),
    "small": (Image(np.random.default_rng(0).random((9, 9, 3)), rgb=False), "too small"),
    "empty": (Image(np.zeros((9, 9, 9)), name="void"), "layer 'void' is empty"),
    "units": (Image(np.zeros((9, 9, 9)), units=("um", "mm", "mm")), "several units"),
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_a_layer_that_is_no_scan_is_refused(kind: str) -> None:
    layer, message = UNUSABLE[kind]
    with pytest.raises(InputError, match=message):
        scan_of(layer)


def test_labels_on_the_scan_are_accepted(scan: Scan, layer: Image) -> None:
    on_grid = labels_on_grid(labels_of(scan, layer), layer, "reference")
    assert on_grid.dtype == np.int32
    np.testing.assert_array_equal(on_grid, (scan.voxels > 300) * 3)


def test_labels_drawn_over_the_scan_are_accepted(scan: Scan, layer: Image) -> None:
    drawn = drawn_over(layer)
    drawn.data[2, 3, 4] = 7
    on_grid = labels_on_grid(drawn, layer, "mask")
    expected = scan_of(layer)[1].to_scan(drawn.data)
    np.testing.assert_array_equal(on_grid, expected)


def test_labels_drawn_over_an_array_are_accepted(marked: np.ndarray) -> None:
    layer = Image(marked, scale=(3, 2, 1), translate=(10, 20, 30))
    drawn = drawn_over(layer)
    drawn.data[marked > 5] = 7
    scan, _ = scan_of(layer)
    np.testing.assert_array_equal(labels_on_grid(drawn, layer, "mask"), (scan.voxels > 5) * 7)


def test_labels_of_another_shape_are_refused(layer: Image) -> None:
    other = Labels(np.zeros((9, 9, 9), int), name="small")
    with pytest.raises(InputError, match=r"mask 'small' has shape \(9, 9, 9\)"):
        labels_on_grid(other, layer, "mask")


def test_a_slice_of_labels_is_refused_for_a_volume(layer: Image) -> None:
    flat = Labels(np.zeros((9, 9), int), name="flat")
    with pytest.raises(InputError, match=r"mask 'flat' has shape \(9, 9\)"):
        labels_on_grid(flat, layer, "mask")


def test_labels_in_another_place_are_refused(layer: Image) -> None:
    drawn = drawn_over(layer)
    drawn.translate = (0, 1.5, 0)  # voxels of 0.9 mm
    with pytest.raises(InputError, match=r"lies up to 1.35 mm off .* nearest-neighbour"):
        labels_on_grid(drawn, layer, "mask")


def test_labels_of_a_differently_tilted_scan_are_refused(scan: Scan, layer: Image) -> None:
    """On the screen both are straight."""
    centre = (np.array(scan.shape) - 1) / 2
    turn = Rotation.from_euler("x", 5, degrees=True).as_matrix() @ scan.affine[:3, :3]
    tilted = from_matvec(turn, apply_affine(scan.affine, centre) - turn @ centre)
    other = Layer.create(*scan_layer(Scan(scan.voxels, tilted, scan.header), "tilted"))
    np.testing.assert_allclose(other.affine.affine_matrix, layer.affine.affine_matrix)
    labels = labels_of(scan_of(other)[0], other)
    with pytest.raises(InputError, match="off the scan's voxels"):
        labels_on_grid(labels, layer, "reference")


def test_an_image_is_no_mask(layer: Image) -> None:
    with pytest.raises(InputError, match="choose one of type Labels"):
        labels_on_grid(layer, layer, "mask")


def test_broken_metadata_is_no_reason_to_fail(marked: np.ndarray) -> None:
    layer = Image(marked, metadata={METADATA_KEY: {"scan": None}}, units=MM)
    assert scan_of(layer)[0].shape == marked.shape[::-1]


def test_labels_drawn_over_an_oblique_scan_belong_to_it(
    scan: Scan, layer: Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    viewer = ViewerModel()
    viewer.add_layer(layer)
    monkeypatch.setattr("napari_metaseg.layers.geometry.current_viewer", lambda: viewer)
    assert geometry_of(drawn_over(layer))[0] is scan
