"""Files open as what they are, with what is known about them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest
from napari.layers import Labels, Layer

from napari_metaseg.layers import reader
from napari_metaseg.layers.geometry import scan_of
from napari_metaseg.layers.reader import get_reader, read
from napari_metaseg.layers.scan_layers import METADATA_KEY
from src_core.errors import InputError
from tests.napari_metaseg.conftest import status_at


@pytest.fixture
def messages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What the user is told."""
    shown: list[str] = []
    monkeypatch.setattr(reader, "show_info", shown.append)
    return shown


def save(values: np.ndarray, path: Path, intent: int = 0) -> Path:
    image = nib.Nifti1Image(values, np.diag([-1, 1, 2, 1]))
    image.header.set_intent(intent)
    image.to_filename(path)
    return path


def label_map(*ids: int) -> np.ndarray:
    values = np.zeros((10, 12, 14), np.int32)
    values.flat[: len(ids)] = ids
    return values


def opened(path: Path) -> Layer:
    (layer_data,) = read(path)
    return Layer.create(*layer_data)


@pytest.mark.parametrize(
    "name", ["a.nii", "a.NII.GZ", "a.mgz", "a.mgh", ["a.nii", "b.mgz"], Path("a.nii"), "a.DCM"]
)
def test_images_of_the_brain_are_accepted(name: Any) -> None:
    assert get_reader(name) is read


@pytest.mark.parametrize("name", ["a.tif", "a.gz", "nii", [], ["a.nii", "a.tif"]])
def test_other_files_are_left_to_others(name: Any) -> None:
    assert get_reader(name) is None


def test_a_folder_may_hold_dicom_files(tmp_path: Path) -> None:
    assert get_reader(str(tmp_path)) is read


def test_several_files_give_a_layer_each(image: nib.Nifti1Image, tmp_path: Path) -> None:
    paths = [str(tmp_path / "T1.nii"), str(tmp_path / "T2.nii.gz")]
    for path in paths:
        image.to_filename(path)
    assert [keywords["name"] for _, keywords, _ in read(paths)] == ["T1", "T2"]


def test_a_scan_is_shown_in_mm_with_named_axes(image: nib.Nifti1Image, tmp_path: Path) -> None:
    image.to_filename(path := tmp_path / "T1.nii")
    layer = opened(path)
    assert layer.axis_labels == ("S", "A", "R")
    assert [str(unit) for unit in layer.units] == ["millimeter"] * 3
    assert scan_of(layer)[0].path == path


@pytest.mark.parametrize(
    ("name", "intent", "kind"),
    [
        ("sub-01_dseg.nii.gz", 0, "labels"),
        ("sub-01_SEG.nii", 0, "labels"),
        ("sub-01_labels.nii", 0, "labels"),
        ("aseg.nii", 0, "labels"),
        ("anything.nii", 1002, "labels"),
        ("anything.nii", 0, "image"),
    ],
)
def test_label_maps_open_as_labels(tmp_path: Path, name: str, intent: int, kind: str) -> None:
    ((_, _, layer_type),) = read(save(label_map(1, 2), tmp_path / name, intent))
    assert layer_type == kind


def test_probabilities_called_seg_open_as_an_image(tmp_path: Path) -> None:
    values = np.linspace(0, 1, 10 * 12 * 14).reshape(10, 12, 14)
    ((_, _, layer_type),) = read(save(values.astype(np.float32), tmp_path / "csf_seg.nii"))
    assert layer_type == "image"


def test_large_ids_are_shown_as_they_are(tmp_path: Path) -> None:
    layer = opened(save(label_map(2**24 + 1, 40_000), tmp_path / "atlas_dseg.nii.gz"))
    assert set(np.unique(layer.data)) == {0, 40_000, 2**24 + 1}


def test_an_empty_label_map_opens(tmp_path: Path) -> None:
    assert not opened(save(label_map(), tmp_path / "lesion_dseg.nii")).data.any()


def test_the_table_beside_a_label_map_names_its_labels(tmp_path: Path) -> None:
    path = save(label_map(2, 5), tmp_path / "a_dseg.nii.gz")
    (tmp_path / "a_dseg.tsv").write_text("index\tname\tcolor\n5\tLesion\t#ff0000\n")
    (tmp_path / "a_dseg.json").write_text('{"Manual": true}')
    layer = opened(path)
    assert "Lesion" in status_at(layer, 5)
    np.testing.assert_array_equal(layer.get_color(5), (1, 0, 0, 1))
    assert layer.metadata[METADATA_KEY]["details"] == {"Manual": True}


def test_freesurfer_segmentations_are_named(tmp_path: Path) -> None:
    nib.MGHImage(label_map(17, 53), np.diag([-1, 1, 1, 1])).to_filename(
        path := tmp_path / "aseg.mgz"
    )
    layer = opened(path)
    assert isinstance(layer, Labels)
    assert "Left-Hippocampus" in set(layer.features["name"])


def test_a_bad_table_is_reported_and_the_labels_open(tmp_path: Path, messages: list[str]) -> None:
    path = save(label_map(2), tmp_path / "a_dseg.nii")
    (tmp_path / "a_dseg.tsv").write_text("no table")
    assert isinstance(opened(path), Labels)
    (message,) = messages
    assert "not a table of labels" in message


def test_what_is_odd_about_a_scan_is_said_once(
    image: nib.Nifti1Image, tmp_path: Path, messages: list[str]
) -> None:
    image.to_filename(tmp_path / "plain.nii")
    layer = opened(tmp_path / "plain.nii")
    assert messages == []
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    image.to_filename(tmp_path / "odd.nii")
    layer = opened(tmp_path / "odd.nii")
    (message,) = messages
    assert message.startswith("odd: side unknown")
    assert "side unknown" in layer.metadata[METADATA_KEY]["scan"].notes[0]


@pytest.mark.parametrize(
    ("shape", "dtype", "message"),
    [
        ((10, 12, 14, 3), np.float32, "holds 3 volumes"),
        ((10, 12, 14), [("R", "u1"), ("G", "u1"), ("B", "u1")], "holds colours"),
        ((10, 12, 3), np.float32, "too small"),
    ],
)
def test_what_cannot_be_used_says_why(
    tmp_path: Path, shape: tuple[int, ...], dtype: Any, message: str
) -> None:
    path = save(np.ones(shape, dtype), tmp_path / "image.nii.gz")
    with pytest.raises(InputError, match=message):
        read(path)
