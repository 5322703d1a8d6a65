"""What is saved lies where it was seen, under known names, and replaces nothing unasked."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Image, Labels, Layer
from nibabel.affines import apply_affine, from_matvec
from scipy.spatial.transform import Rotation

from napari_metaseg.layers.geometry import scan_of
from napari_metaseg.layers.measure_tool import measure_labels
from napari_metaseg.layers.reader import read
from napari_metaseg.layers.scan_layers import labels_layer, scan_layer
from napari_metaseg.layers.writer import NotSavedError, write_image, write_labels
from src_core.io.protocols import protocol
from src_core.io.scan import Scan, read_scan

TISSUES = protocol("tissue4")
MM = ("mm", "mm", "mm")


def load(path: Path) -> Any:
    return nib.load(path)


def save(layer: Layer, path: Path) -> list[Path]:
    data, meta, kind = layer.as_layer_data_tuple()
    write = {"labels": write_labels, "image": write_image}[kind]
    return [Path(written) for written in write(str(path), data, meta)]


def position_of(path: Path, label: int) -> np.ndarray:
    """World mm of a label of one voxel."""
    image = load(path)
    ((*index,),) = np.argwhere(np.asanyarray(image.dataobj) == label)
    return apply_affine(image.affine, index)


@pytest.fixture
def labels(scan: Scan) -> Labels:
    """A result over an oblique scan."""
    _, keywords, _ = scan_layer(scan, "head")
    orientation = keywords["metadata"]["napari-metaseg"]["orientation"]
    label_map = (scan.voxels > 300).astype(np.uint8) * 3
    return Layer.create(
        *labels_layer(label_map, scan, orientation, TISSUES, "labels", {"iteration": 40})
    )


@pytest.fixture
def drawn() -> Labels:
    """Made by hand over an image of another reader, with label 7 in one voxel."""
    data = np.zeros((10, 12, 14), np.uint16)
    data[2, 7, 11] = 7
    return Labels(data, scale=(3, 2, 1), translate=(10, 20, 30), units=MM)


def test_a_painted_label_is_saved_and_listed(labels: Labels, scan: Scan, tmp_path: Path) -> None:
    labels.paint((4, 5, 6), 200)
    image, table, description = save(labels, tmp_path / "a_dseg.nii.gz")
    written = load(image)
    assert written.get_data_dtype() == np.uint8
    assert written.header["intent_code"] == 1002
    stored = np.asanyarray(written.dataobj)
    assert (stored == 200).any()
    np.testing.assert_array_equal(stored[stored != 200], ((scan.voxels > 300) * 3)[stored != 200])
    with table.open() as file:
        names = {row["index"]: row["name"] for row in csv.DictReader(file, delimiter="\t")}
    assert names == {
        "1": "Cortex",
        "2": "Subcortical-Gray-Matter",
        "3": "White-Matter",
        "4": "CSF",
        "200": "Label 200",
    }
    assert json.loads(description.read_text()) == {"iteration": 40}


def test_labels_made_by_hand_lie_where_they_were_drawn(drawn: Labels, tmp_path: Path) -> None:
    path, *_ = save(drawn, tmp_path / "lesion.nii.gz")
    np.testing.assert_allclose(position_of(path, 7), (41, 34, 16))
    assert nib.aff2axcodes(load(path).affine) == ("R", "A", "S")
    assert load(path).header["sform_code"] == 2


def test_axis_labels_decide_where_labels_lie(drawn: Labels, tmp_path: Path) -> None:
    drawn.axis_labels = ("P", "S", "L")
    path, *_ = save(drawn, tmp_path / "lesion.mgz")
    np.testing.assert_allclose(position_of(path, 7), (-41, -16, 34))


def test_a_turned_layer_is_saved_turned(drawn: Labels, tmp_path: Path) -> None:
    turn = Rotation.from_euler("x", 20, degrees=True).as_matrix()
    drawn.affine = from_matvec(turn, (1, 2, 3))
    path, *_ = save(drawn, tmp_path / "lesion.nii.gz")
    world = np.array(drawn.data_to_world((2, 7, 11)))[::-1]
    np.testing.assert_allclose(position_of(path, 7), world, atol=1e-5)


def test_names_come_from_the_features_table(drawn: Labels, tmp_path: Path) -> None:
    drawn.features = {"index": [7], "name": ["Lesion"]}
    _, table, _ = save(drawn, tmp_path / "lesion.nii")
    assert table.read_text().splitlines()[1].startswith("7\tLesion\t")


def test_empty_labels_can_be_saved(tmp_path: Path) -> None:
    image, table, _ = save(Labels(np.zeros((9, 10, 11), int)), tmp_path / "nothing.nii")
    assert not np.asanyarray(load(image).dataobj).any()
    assert len(table.read_text().splitlines()) == 1


def test_an_atlas_of_many_regions_can_be_saved(tmp_path: Path) -> None:
    data = np.arange(1000).reshape(10, 10, 10)
    image, table, _ = save(Labels(data), tmp_path / "atlas.nii")
    np.testing.assert_array_equal(np.asanyarray(load(image).dataobj), data.T)
    assert len(table.read_text().splitlines()) == 1000


def test_a_label_map_can_be_edited_and_saved_in_place(labels: Labels, tmp_path: Path) -> None:
    path, table, _ = save(labels, tmp_path / "a_dseg.nii.gz")
    (layer_data,) = read(path)
    again = Layer.create(*layer_data)
    again.paint((4, 5, 6), 2)
    edited = again.data.copy()
    names = table.read_text()
    save(again, path)
    (layer_data,) = read(path)
    np.testing.assert_array_equal(layer_data[0], edited)
    assert table.read_text() == names


def test_the_scan_itself_is_never_replaced(image: nib.Nifti1Image, tmp_path: Path) -> None:
    image.to_filename(path := tmp_path / "scan.nii")
    before = path.read_bytes()
    (layer_data,) = read(path)
    layer = Layer.create(*layer_data)
    scan, orientation = scan_of(layer)
    label_map = (scan.voxels > 0).astype(np.uint8)
    labels = Layer.create(*labels_layer(label_map, scan, orientation, TISSUES, "labels"))
    for unwelcome in (layer, labels):
        with pytest.raises(NotSavedError, match="is an input"):
            save(unwelcome, path)
    assert path.read_bytes() == before


def test_a_name_without_ending_becomes_nifti(drawn: Labels, tmp_path: Path) -> None:
    image, *_ = save(drawn, tmp_path / "Phantom v1.2 labels")
    assert image.name == "Phantom v1.2 labels.nii.gz"
    with pytest.raises(NotSavedError, match="exists"):  # napari could not ask about this name
        save(drawn, tmp_path / "Phantom v1.2 labels")


def test_tables_of_another_image_are_kept(drawn: Labels, tmp_path: Path) -> None:
    (sidecar := tmp_path / "sub-01_T1w.json").write_text("{}")
    with pytest.raises(NotSavedError, match="exists"):
        save(drawn, tmp_path / "sub-01_T1w.nii")
    assert sidecar.read_text() == "{}"


def test_a_map_is_saved_on_the_grid_of_the_scan(image: nib.Nifti1Image, tmp_path: Path) -> None:
    image.to_filename(source := tmp_path / "scan.nii")
    scan = read_scan(source)
    data, keywords, _ = scan_layer(scan, "head")
    residual = Image(data * 0.5, **keywords)
    (path,) = save(residual, tmp_path / "residual.nii.gz")
    np.testing.assert_array_equal(load(path).get_fdata(), scan.voxels * 0.5)
    np.testing.assert_array_equal(load(path).affine, load(source).affine)
    assert load(path).header["qform_code"] == 1


def test_of_a_multiscale_layer_the_finest_is_saved(tmp_path: Path) -> None:
    levels = [np.ones((16, 16, 16), np.uint8), np.ones((8, 8, 8), np.uint8)]
    path, *_ = save(Labels(levels, multiscale=True), tmp_path / "a.nii")
    assert load(path).shape == (16, 16, 16)


@pytest.mark.parametrize(
    "layer", [Labels(np.zeros((3, 9, 9, 9), int)), Image(np.zeros((9, 9, 9, 3)), rgb=True)]
)
def test_what_is_not_one_volume_is_refused(layer: Layer, tmp_path: Path) -> None:
    with pytest.raises(NotSavedError):
        save(layer, tmp_path / "a.nii")
    assert not any(tmp_path.iterdir())


class Undecoded:
    """Stands for volumes that are decoded plane by plane."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> np.ndarray:
        raise RuntimeError("keep an iteration first")


def test_the_error_of_a_lazy_layer_reaches_the_user(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="keep an iteration first"):
        write_labels(str(tmp_path / "a.nii"), Undecoded(), {})


def test_napari_passes_on_why_a_layer_is_not_saved(
    make_napari_viewer_proxy, labels: Labels, tmp_path: Path
) -> None:
    """It would take a `ValueError` for a missing writer."""
    viewer = make_napari_viewer_proxy()
    viewer.add_layer(labels)
    viewer.add_image(np.zeros((3, 9, 9, 9)), name="film")
    path = str(tmp_path / "no-such-folder" / "a.nii.gz")
    for save_it in (labels.save, viewer.layers[:1].save):
        with pytest.raises(NotSavedError, match=r"folder .*no-such-folder does not exist"):
            save_it(path)
    with pytest.raises(NotSavedError, match=r"'film' of shape .* is not one volume"):
        viewer.layers["film"].save(str(tmp_path / "a.nii"))
    assert not any(tmp_path.iterdir())


def test_large_ids_open_measure_and_save_as_they_are(scan: Scan, tmp_path: Path) -> None:
    label_map = np.zeros(scan.shape, np.int32)
    label_map[4:8, 4:8, 4:8], label_map[9:11, 9:11, 9:11] = 2**31 - 1, 50_000_000
    path = tmp_path / "large_dseg.nii.gz"
    nib.Nifti1Image(label_map, scan.affine, dtype=np.int32).to_filename(path)
    (layer_data,) = read(path)
    layer = Layer.create(*layer_data)
    assert layer.colormap.map(2**31 - 1)[3] == layer.colormap.map(50_000_000)[3] == 1
    measure_labels(layer)
    assert "Label 50000000" in list(layer.features["name"])
    volumes = layer.features.set_index("index")["volume (mL)"]
    assert volumes[2**31 - 1] == pytest.approx(64 * scan.voxel_volume / 1000, abs=1e-3)
    image, table, _ = save(layer, tmp_path / "again.nii.gz")
    np.testing.assert_array_equal(np.asanyarray(load(image).dataobj), label_map)
    assert "2147483647\tLabel 2147483647" in table.read_text()


def test_ids_beyond_are_refused_by_name(drawn: Labels, tmp_path: Path) -> None:
    drawn.data = np.where(drawn.data == 7, 2**31, 0)
    with pytest.raises(NotSavedError, match="the label id 2147483648, beyond 2147483647"):
        save(drawn, tmp_path / "a.nii")
