"""What is written has the scan's geometry, opens elsewhere, and replaces nothing unasked."""

from __future__ import annotations

import csv
import errno
import json
import os
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nibabel as nib
import numpy as np
import pytest

from src_core.errors import InputError
from src_core.io import export
from src_core.io.labels import Protocol, Structure
from src_core.io.protocols import PROTOCOLS, protocol
from src_core.io.scan import Scan, read_on_grid, read_scan, scan_from_array

if TYPE_CHECKING:
    from collections.abc import Iterator

TISSUE4 = protocol("tissue4")


@pytest.fixture
def label_map(scan: Scan) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 5, scan.shape)


def write(label_map: np.ndarray, scan: Scan, path: Path, **options: Any) -> list[Path]:
    options = {"protocol": TISSUE4, "details": {"Sources": ["scan.nii"]}, **options}
    return export.write_labels(label_map, scan, path, **options)


def load(path: Path) -> Any:
    """An image of either format; nibabel promises less of what it returns."""
    return nib.load(path)


def raw_header(path: Path) -> nib.Nifti1Header:
    """The header as it is in the file; nibabel hides the slope of an image it has loaded."""
    return nib.Nifti1Header(path.read_bytes()[:348], check=False)


def test_label_map_is_a_clean_nifti(
    image: nib.Nifti1Image, label_map: np.ndarray, tmp_path: Path
) -> None:
    image.to_filename(source := tmp_path / "scan.nii")
    write(label_map, read_scan(source), path := tmp_path / "labels.nii")
    written, header = load(path), raw_header(path)
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), label_map)
    assert written.get_data_dtype() == np.uint8
    assert header["intent_code"] == 1002
    assert (header["scl_slope"], header["scl_inter"]) == (1, 0)
    assert header.get_xyzt_units()[0] == "mm"
    assert not written.header.extensions
    assert b"Jane" not in path.read_bytes()


@pytest.mark.parametrize("forms", [(2, 1), (3, 0), (0, 1), (4, 4)])
@pytest.mark.parametrize("ending", [".nii", ".nii.gz"])
def test_forms_and_codes_are_the_scans_to_the_bit(
    image: nib.Nifti1Image,
    affine: np.ndarray,
    label_map: np.ndarray,
    tmp_path: Path,
    forms: tuple[int, int],
    ending: str,
) -> None:
    sheared = affine.copy()
    sheared[1, 2] += 0.4
    image.set_sform(sheared, forms[0])
    image.set_qform(affine, forms[1])
    image.to_filename(source := tmp_path / "scan.nii")
    write(label_map, read_scan(source), path := tmp_path / f"labels{ending}")
    given, written = load(source), load(path)
    np.testing.assert_array_equal(written.affine, given.affine)
    for field in ("sform_code", "qform_code", "srow_y", "quatern_b", "qoffset_x", "pixdim"):
        np.testing.assert_array_equal(written.header[field], given.header[field], err_msg=field)


def test_unknown_forms_become_aligned(
    image: nib.Nifti1Image, label_map: np.ndarray, tmp_path: Path
) -> None:
    image.set_sform(None, 0)
    image.set_qform(None, 0)
    image.to_filename(source := tmp_path / "scan.nii")
    write(label_map, read_scan(source), path := tmp_path / "labels.nii")
    written = load(path)
    np.testing.assert_allclose(written.affine, load(source).affine, rtol=1e-6)
    assert written.header["sform_code"] == written.header["qform_code"] == 2


@pytest.mark.parametrize("stored_shape", [(20, 22, 24, 1), (20, 22), (20, 22, 1), (1, 22, 24)])
def test_stored_shape_is_kept(
    voxels: np.ndarray, affine: np.ndarray, tmp_path: Path, stored_shape: tuple[int, ...]
) -> None:
    part = voxels[tuple(slice(None) if n > 1 else slice(10, 11) for n in (*stored_shape, 1)[:3])]
    nib.Nifti1Image(part.reshape(stored_shape), affine).to_filename(source := tmp_path / "scan.nii")
    scan = read_scan(source)
    label_map = (scan.voxels > 300).astype(np.uint8)
    write(label_map, scan, path := tmp_path / "labels.nii.gz")
    written = load(path)
    assert written.shape == stored_shape
    np.testing.assert_array_equal(written.affine, load(source).affine)
    np.testing.assert_array_equal(read_on_grid(path, scan, "reference"), label_map)


def test_nifti2_stays_nifti2(
    voxels: np.ndarray, affine: np.ndarray, label_map: np.ndarray, tmp_path: Path
) -> None:
    nib.Nifti2Image(voxels, affine).to_filename(source := tmp_path / "scan.nii")
    write(label_map, read_scan(source), path := tmp_path / "labels.nii")
    written = load(path)
    assert isinstance(written, nib.Nifti2Image)
    np.testing.assert_array_equal(written.affine, load(source).affine)


@pytest.mark.parametrize("source_ending", [".nii", ".mgz"])
@pytest.mark.parametrize("ending", [".nii.gz", ".mgz"])
def test_mgh_on_either_side(
    image: nib.Nifti1Image,
    voxels: np.ndarray,
    affine: np.ndarray,
    label_map: np.ndarray,
    tmp_path: Path,
    source_ending: str,
    ending: str,
) -> None:
    source = tmp_path / f"scan{source_ending}"
    (image if source_ending == ".nii" else nib.MGHImage(voxels, affine)).to_filename(source)
    write(label_map, read_scan(source), path := tmp_path / f"labels{ending}")
    written = load(path)
    assert written.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), label_map)
    np.testing.assert_allclose(written.affine, load(source).affine, atol=1e-5)


def test_large_ids_are_int16(scan: Scan, label_map: np.ndarray, tmp_path: Path) -> None:
    write(label_map * 500, scan, path := tmp_path / "labels.nii")
    written = load(path)
    assert written.get_data_dtype() == np.int16
    np.testing.assert_array_equal(np.asanyarray(written.dataobj), label_map * 500)
    with pytest.raises(InputError, match="label id -1 is negative"):
        write(label_map.astype(int) - 1, scan, tmp_path / "other.nii")


@pytest.mark.parametrize("ending", [".nii.gz", ".mgz"])
def test_ids_up_to_2_to_the_31_are_int32_and_beyond_they_are_refused_by_name(
    scan: Scan, label_map: np.ndarray, tmp_path: Path, ending: str
) -> None:
    path = tmp_path / f"labels{ending}"
    large = np.where(label_map == label_map.max(), 2**31 - 1, label_map.astype(np.int64))
    write(large, scan, path)
    assert load(path).get_data_dtype().newbyteorder("=") == np.int32
    np.testing.assert_array_equal(read_on_grid(path, scan, "reference"), large)
    with pytest.raises(InputError, match="the label id 2147483648, beyond 2147483647"):
        write(large + 1, scan, tmp_path / f"other{ending}")
    assert not (tmp_path / f"other{ending}").exists()


def test_same_labels_give_the_same_bytes(scan: Scan, label_map: np.ndarray, tmp_path: Path) -> None:
    for name in "ab":
        write(label_map, scan, tmp_path / f"{name}.nii.gz")
    assert (tmp_path / "a.nii.gz").read_bytes() == (tmp_path / "b.nii.gz").read_bytes()


def test_tables_lie_beside_the_image(scan: Scan, label_map: np.ndarray, tmp_path: Path) -> None:
    written = write(label_map, scan, tmp_path / "sub-01_dseg.nii.gz")
    assert [path.name for path in written] == [
        "sub-01_dseg.nii.gz",
        "sub-01_dseg.tsv",
        "sub-01_dseg.json",
    ]
    assert sorted(tmp_path.iterdir()) == sorted(written)
    with written[1].open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    assert rows[0] == {
        "index": "1",
        "name": "Cortex",
        "abbreviation": "CTX",
        "color": "#{:02x}{:02x}{:02x}".format(*TISSUE4.structures[0].color),
        "mapping": "8",
    }
    assert [row["mapping"] for row in rows] == ["8", "9", "2", "3"]
    assert json.loads(written[2].read_text()) == {"Sources": ["scan.nii"]}


@pytest.mark.parametrize("count", [0, 1, 400])
def test_the_table_may_list_any_number_of_structures(
    scan: Scan, tmp_path: Path, count: int
) -> None:
    structures = [Structure(label, f"Label {label}", (1, 2, 3)) for label in range(1, count + 1)]
    label_map = np.zeros(scan.shape, np.uint8)
    _, table, _ = write(label_map, scan, tmp_path / "atlas.nii.gz", protocol=structures)
    assert len(table.read_text().splitlines()) == 1 + count


def test_table_says_where_a_value_is_missing(
    scan: Scan, label_map: np.ndarray, tmp_path: Path
) -> None:
    own = Protocol("own", (Structure(1, "Tumour", (255, 0, 0)),))
    _, table, _ = write(label_map > 2, scan, tmp_path / "labels.nii", protocol=own)
    assert table.read_text().splitlines()[1] == "1\tTumour\tn/a\t#ff0000\tn/a"


def test_probabilities(image: nib.Nifti1Image, tmp_path: Path) -> None:
    image.to_filename(source := tmp_path / "scan.nii")
    scan = read_scan(source)
    probabilities = np.random.default_rng(0).random((*scan.shape, 5), dtype=np.float32)
    paths = export.write_probabilities(
        np.moveaxis(probabilities, 3, 0),
        scan,
        tmp_path / "x_probseg.nii.gz",
        protocol=TISSUE4,
        details={"Model": "m"},
    )
    written = load(paths[0])
    np.testing.assert_array_equal(written.get_fdata(dtype=np.float32), probabilities)
    np.testing.assert_array_equal(written.affine, scan.affine)
    description = json.loads(paths[1].read_text())
    assert description["Model"] == "m"
    assert description["LabelMap"][:2] == ["Background", "Cortex"]


def test_probabilities_are_written_without_having_all_at_once(scan: Scan, tmp_path: Path) -> None:
    alive: list[weakref.ref[np.ndarray]] = []

    def volumes() -> Iterator[np.ndarray]:
        for number in range(5):
            assert sum(volume() is not None for volume in alive) <= 1
            volume = np.full(scan.shape, number / 10, np.float32)
            alive.append(weakref.ref(volume))
            yield volume

    path = tmp_path / "x.nii"
    export.write_probabilities(volumes(), scan, path, protocol=TISSUE4, details={})
    voxel = load(path).get_fdata()[2, 3, 4]
    np.testing.assert_array_equal(voxel, np.float32([0, 0.1, 0.2, 0.3, 0.4]))


def test_scalar_map(scan: Scan, tmp_path: Path) -> None:
    volume = np.random.default_rng(0).normal(size=scan.shape)
    export.write_scalar_map(volume, scan, path := tmp_path / "jacobian.nii.gz")
    written = load(path)
    assert written.get_data_dtype() == np.float32
    np.testing.assert_allclose(written.get_fdata(), volume, rtol=1e-6)


def test_displacement_field_is_an_itk_field(scan: Scan, tmp_path: Path) -> None:
    displacement = np.broadcast_to(np.array([1.0, 2.0, 3.0]), (*scan.shape, 3))
    export.write_displacement_field(displacement, scan, path := tmp_path / "warp.nii.gz")
    written = load(path)
    assert written.shape == (*scan.shape, 1, 3)
    assert written.header["intent_code"] == 1007
    np.testing.assert_array_equal(written.get_fdata()[3, 4, 5, 0], (-1, -2, 3))
    np.testing.assert_allclose(written.affine, scan.affine, atol=1e-6)


def test_volumes(scan: Scan, label_map: np.ndarray, tmp_path: Path) -> None:
    export.write_volumes_csv(label_map, scan, path := tmp_path / "v.csv", protocol=TISSUE4)
    with path.open() as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["index", "name", "n_voxels", "volume_mm3"]
    n_cortex = np.count_nonzero(label_map == 1)
    assert rows[0]["name"] == "Cortex"
    assert int(rows[0]["n_voxels"]) == n_cortex
    assert float(rows[0]["volume_mm3"]) == pytest.approx(n_cortex * 0.8 * 0.9 * 2, abs=1e-3)


def test_volumes_in_several_protocols(scan: Scan, label_map: np.ndarray, tmp_path: Path) -> None:
    fs32 = protocol("fs32")
    cortex = np.where(label_map == 1, 3, 0)
    path = tmp_path / "v.csv"
    export.write_volumes_csv(label_map, scan, path, protocol=TISSUE4, others=[(fs32, cortex)])
    with path.open() as file:
        rows = {(row["protocol"], row["index"]): row for row in csv.DictReader(file)}
    assert len(rows) == 4 + 32
    assert rows["fs32", "3"]["n_voxels"] == rows["tissue4", "1"]["n_voxels"] != "0"
    assert rows["fs32", "42"]["n_voxels"] == "0"


@pytest.mark.parametrize("name", PROTOCOLS)
def test_freesurfer_table_has_six_fields_a_line(name: str, tmp_path: Path) -> None:
    export.write_lookup_table(protocol(name), path := tmp_path / "lut.txt", "freesurfer")
    lines = [line.split() for line in path.read_text().splitlines() if line[0] != "#"]
    assert all(len(fields) == 6 for fields in lines)
    ids = [int(fields[0]) for fields in lines]
    np.testing.assert_array_equal(ids, protocol(name).ids)


def test_freesurfer_names_have_no_blanks(tmp_path: Path) -> None:
    own = Protocol("own", (Structure(1, "Tumour core", (255, 0, 0)),))
    export.write_lookup_table(own, path := tmp_path / "lut.txt", "freesurfer")
    assert path.read_text().splitlines()[-1] == "1 Tumour-core 255 0 0 0"


def test_itksnap_table(tmp_path: Path) -> None:
    export.write_lookup_table(protocol("fs32"), path := tmp_path / "labels.txt", "itksnap")
    lines = path.read_text().splitlines()
    assert lines[1] == '0 0 0 0 0 0 0 "Clear Label"'
    assert lines[-1].startswith("172 ")
    assert lines[-1].endswith(' 1 1 1 "Vermis"')


def test_json_holds_what_numpy_gives(tmp_path: Path) -> None:
    values = {"a": np.float32(1.5), "b": np.arange(2), "c": float("nan"), "d": Path("x"), "e": (1,)}
    export.write_json(values, path := tmp_path / "report.json")
    assert json.loads(path.read_text()) == {"a": 1.5, "b": [0, 1], "c": None, "d": "x", "e": [1]}


def test_existing_file_is_not_overwritten_unasked(
    scan: Scan, label_map: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "labels.tsv").write_text("precious")
    with pytest.raises(InputError, match=r"labels\.tsv exists.*replaced"):
        write(label_map, scan, tmp_path / "labels.nii")
    assert [path.name for path in tmp_path.iterdir()] == ["labels.tsv"]
    write(label_map, scan, tmp_path / "labels.nii", overwrite=True)
    assert (tmp_path / "labels.tsv").read_text() != "precious"


def test_scan_itself_is_never_overwritten(
    image: nib.Nifti1Image, label_map: np.ndarray, tmp_path: Path
) -> None:
    image.to_filename(source := tmp_path / "scan.nii")
    before = source.read_bytes()
    with pytest.raises(InputError, match="is an input"):
        write(label_map, read_scan(source), source, overwrite=True)
    assert source.read_bytes() == before


@pytest.mark.parametrize("name", ["labels.png", "labels", "labels.nii.bz2"])
def test_unknown_ending_is_refused(
    scan: Scan, label_map: np.ndarray, tmp_path: Path, name: str
) -> None:
    with pytest.raises(InputError, match=r"must end in \.nii\.gz"):
        write(label_map, scan, tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_missing_folder_is_named(scan: Scan, label_map: np.ndarray, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not exist"):
        write(label_map, scan, tmp_path / "results" / "labels.nii")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write")
def test_read_only_folder_is_named(scan: Scan, label_map: np.ndarray, tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    try:
        with pytest.raises(InputError, match="read-only"):
            write(label_map, scan, tmp_path / "labels.nii")
    finally:
        tmp_path.chmod(0o700)


@pytest.mark.parametrize(
    ("code", "message"), [(errno.ENOSPC, "disk .* is full"), (errno.EIO, "cannot write")]
)
def test_failed_write_leaves_nothing_behind(
    scan: Scan,
    label_map: np.ndarray,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    code: int,
    message: str,
) -> None:
    (tmp_path / "labels.nii").write_text("precious")
    write_text = Path.write_text

    def fail_on_json(self: Path, text: str, **options: Any) -> int:
        if self.suffix == ".json":
            raise OSError(code, os.strerror(code))
        return write_text(self, text, **options)

    monkeypatch.setattr(Path, "write_text", fail_on_json)
    with pytest.raises(InputError, match=message) as caught:
        write(label_map, scan, tmp_path / "labels.nii", overwrite=True)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["labels.nii"]
    assert (tmp_path / "labels.nii").read_text() == "precious"


def test_interrupted_write_leaves_nothing_behind(
    scan: Scan, label_map: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "link", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write(label_map, scan, tmp_path / "labels.nii.gz")
    assert not list(tmp_path.iterdir())


def test_written_files_have_the_permissions_of_any_new_file(
    scan: Scan, label_map: np.ndarray, tmp_path: Path
) -> None:
    (tmp_path / "other").touch()
    written = write(label_map, scan, tmp_path / "labels.nii")
    expected = (tmp_path / "other").stat().st_mode
    assert {path.stat().st_mode for path in written} == {expected}


@pytest.mark.parametrize(
    ("name", "stem"),
    [("sub-1_T1w.nii.gz", "sub-1_T1w"), ("a.b.nii", "a.b"), ("t1.mgz", "t1"), ("T1.NII.GZ", "T1")],
)
def test_stem_of_an_image(name: str, stem: str) -> None:
    assert export.image_stem(Path("folder") / name) == stem
    assert export.companion(Path("folder") / name, ".json") == Path("folder") / f"{stem}.json"


def test_field_of_another_grid_is_a_mistake(scan: Scan) -> None:
    other = scan_from_array(scan.voxels[1:], scan.affine)
    with pytest.raises(ValueError, match="shape"):
        export.write_scalar_map(other.voxels, scan, "unused.nii")
