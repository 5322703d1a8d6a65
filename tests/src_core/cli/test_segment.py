"""The command `segment`: what it writes, and what it refuses before the fit."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import pytest

from src_core.io.export import write_scalar_map
from src_core.io.protocols import protocol
from src_core.io.sample import phantom
from src_core.io.scan import read_scan
from tests.helpers.command_line import error_line, run
from tests.helpers.dicom import MPEG2, PATIENT, write_series
from tests.helpers.extractors import whole_head


def segment(scan_file: Path, model: Path, *words: object) -> int:
    return run("segment", scan_file, "--model", model, "--no-align", *words)


def test_segment_writes_a_label_map_on_the_grid_of_the_scan_beside_it(
    scan_file: Path, tiny_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(scan_file, tiny_model) == 0
    folder = scan_file.parent
    written = nib.load(folder / "sub-01_seg-tissue4_dseg.nii.gz")
    original = nib.load(scan_file)
    assert written.shape == original.shape
    np.testing.assert_array_equal(written.affine, original.affine)
    assert sorted(path.name for path in folder.iterdir()) == [
        "sub-01_T1w.nii.gz",
        "sub-01_seg-tissue4_dseg.json",
        "sub-01_seg-tissue4_dseg.nii.gz",
        "sub-01_seg-tissue4_dseg.tsv",
    ]
    out, err = capsys.readouterr()
    assert "fitting" not in err  # the progress bar is for terminals
    for structure in protocol("tissue4").structures:
        assert structure.name in out
    assert "sub-01_seg-tissue4_dseg.nii.gz" in out


def test_segment_writes_everything_that_is_asked_for(
    files: dict[str, Path],
    scan_file: Path,
    tiny_model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    asked = {
        "--output": "labels.nii.gz",
        "--report": "report.json",
        "--probabilities": "probabilities.nii.gz",
        "--volumes": "volumes.csv",
        "--warp": "warp.nii.gz",
        "--progression": "progression.png",
    }
    words = [word for option, name in asked.items() for word in (option, tmp_path / name)]
    words += ["--lut", "itksnap", "--reference", files["labels"], "--iterations", 3, "--seed", 1]
    assert segment(scan_file, tiny_model, *words) == 0
    for name in (*asked.values(), "labels_itksnap.txt", "labels.tsv"):
        assert (tmp_path / name).stat().st_size > 0
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["iterations"] == 3
    assert report["seed"] == 1
    assert {"load", "align", "fit", "decode", "write"} <= report["seconds"].keys()
    assert report["dice"].keys() == report["volumes"].keys()
    assert f"{report['mean_dice']:.3f}" in capsys.readouterr().out


def test_segment_takes_the_transform_of_a_file(
    scan_file: Path, tiny_model: Path, tmp_path: Path
) -> None:
    shift = np.eye(4)
    shift[0, 3] = 5
    np.savetxt(tmp_path / "shift.txt", shift)
    report = tmp_path / "report.json"
    words = ["--transform", tmp_path / "shift.txt", "--report", report]
    assert run("segment", scan_file, "--model", tiny_model, *words) == 0
    found = json.loads(report.read_text())
    assert found["alignment"]["method"] == "given"
    np.testing.assert_array_equal(found["transform"], shift)


def test_segment_passes_warnings_on(
    files: dict[str, Path], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    image = nib.load(files["scan"])
    image.set_sform(None, code=0)
    image.set_qform(None, code=0)
    image.to_filename(tmp_path / "unknown.nii.gz")
    assert segment(tmp_path / "unknown.nii.gz", tiny_model) == 0
    warnings = capsys.readouterr().err.splitlines()
    assert any("side unknown" in line for line in warnings)
    assert all(line.startswith("napari-metaseg: warning: ") for line in warnings)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--report", "taken.txt"], "exists"),
        (["--volumes", "no-such-folder/volumes.csv"], "folder"),
        (["--report", "a.csv", "--volumes", "a.csv"], "two outputs"),
        (["--output", "sub-01_T1w.nii.gz", "--overwrite"], "is an input"),
        (["--output", "a.nii.gz", "--report", "a.json"], "two outputs"),
        (["--transform", "taken.txt"], "taken.txt"),
        (["--model", "no-such-model"], "no-such-model"),
        (["--mask", "no-such-mask.nii"], "no-such-mask.nii"),
    ],
)
def test_what_cannot_work_is_refused_and_nothing_is_written(
    words: list[str],
    said: str,
    scan_file: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(scan_file.parent)
    Path("taken.txt").write_text("mine")
    before = {path: path.read_bytes() for path in Path().iterdir()}
    monkeypatch.setattr("src_core.segment.Fit", None)  # the fit is never reached
    assert run("segment", scan_file.name, "--model", tiny_model, *words) == 2
    assert said in error_line(capsys)
    assert {path: path.read_bytes() for path in Path().iterdir()} == before


def test_a_scan_that_is_missing_is_what_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("segment", "no-such-folder/scan.nii.gz") == 2
    assert "scan.nii.gz does not exist" in error_line(capsys)


def test_an_interrupted_fit_leaves_nothing_behind(
    scan_file: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("src_core.fitting.fit.Fit.__next__", interrupt)
    assert segment(scan_file, tiny_model) == 130
    assert "interrupted" in error_line(capsys)
    assert list(scan_file.parent.iterdir()) == [scan_file]


def test_the_mask_and_the_brain_alone_are_written_on_the_grid_of_the_scan(
    scan_file: Path, tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mask_file, brain_file = tmp_path / "mask.nii.gz", tmp_path / "brain.nii.gz"
    words = ["--iterations", 1, "--save-mask", mask_file, "--brain-only", brain_file]
    assert segment(scan_file, tiny_model, *words) == 0
    original, mask, brain = map(nib.load, (scan_file, mask_file, brain_file))
    inside = np.asanyarray(mask.dataobj)
    assert mask.get_data_dtype() == np.uint8
    np.testing.assert_array_equal(mask.affine, original.affine)
    np.testing.assert_array_equal(inside, np.asanyarray(original.dataobj) > 0)
    np.testing.assert_allclose(brain.get_fdata(), original.get_fdata() * inside, rtol=1e-6)
    out = capsys.readouterr().out
    assert "brain: stripped" in out
    assert str(mask_file) in out


def test_a_mask_can_be_given_under_either_name_but_once(
    scan_file: Path, tiny_model: Path, files: dict[str, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--iterations", 0, "--overwrite"]
    for option in ("--mask", "--brain"):
        assert segment(scan_file, tiny_model, *words, option, files["labels"]) == 0
        assert "brain: given" in capsys.readouterr().out
    with pytest.raises(SystemExit, match="2"):
        segment(scan_file, tiny_model, "--mask", "a.nii", "--brain", "deepbet")
    assert "not allowed with" in error_line(capsys)


def test_a_head_needs_a_program_that_finds_its_brain_or_a_mask(
    files: dict[str, Path], tiny_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, file = whole_head(read_scan(files["scan"])), tmp_path / "head.nii.gz"
    write_scalar_map(head.voxels, head, file)
    assert segment(file, tiny_model) == 2
    assert 'pip install "napari-metaseg[strip]"' in error_line(capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["head.nii.gz"]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder of two series of DICOM files: one whole, one that lacks a slice."""
    scan, _ = phantom(voxel_size=6.0)
    voxels = np.rint(scan.voxels / scan.voxels.max() * 4000)
    write_series(tmp_path / "study" / "T1", voxels, scan.affine, number=3)
    write_series(tmp_path / "study" / "T2", voxels, scan.affine, number=4, lacking=[9])
    return tmp_path / "study"


@pytest.mark.parametrize("named", ["T1", "T1/IM0001.dcm", "."])
def test_segment_writes_labels_beside_a_folder_of_dicom_files(
    named: str, study: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(study / "T1" if named == "." else study)
    assert segment(Path(named), tiny_model, "--iterations", 2) == 0
    written = nib.load(study / "T1_dseg.nii.gz")
    scan = read_scan(study / "T1")
    assert written.shape == scan.shape
    np.testing.assert_allclose(written.affine, scan.affine, atol=1e-6)
    for name in ("T1_dseg.nii.gz", "T1_dseg.json", "T1_dseg.tsv"):
        assert PATIENT.encode() not in (study / name).read_bytes()
    assert all(file.suffix == ".dcm" for file in (study / "T1").iterdir())


def test_segment_takes_the_series_with_the_number(study: Path, tiny_model: Path) -> None:
    assert segment(study, tiny_model, "--iterations", 2, "--series", 3) == 0
    assert (study.parent / "study_dseg.nii.gz").exists()


@pytest.mark.parametrize(
    ("named", "words", "said"),
    [
        (".", [], 'holds 2 series: 3 "T1 MPRAGE" ('),
        (".", ["--series", 7], "there is no series 7"),
        (".", ["--series", 4], "between instances 9 and 11"),
        ("T2", [], "lacks 1 or more slices"),
        ("packed", [], "transfer syntax is MPEG2"),
        ("nifti", [], "holds no DICOM files; give a file, such as "),
        ("empty", [], "holds no DICOM images"),
        ("nifti/a.nii.gz", ["--series", 3], "has no series 3"),
    ],
)
def test_segment_refuses_dicom_files_in_one_line(
    named: str,
    words: list[object],
    said: str,
    study: Path,
    scan_file: Path,
    tiny_model: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write_series(study.parent / "packed", np.ones((8, 8, 8)), np.eye(4), syntax=MPEG2)
    for folder in ("nifti", "empty"):
        (study.parent / folder).mkdir()
    scan_file.rename(study.parent / "nifti" / "a.nii.gz")
    scan = study / named if (study / named).exists() else study.parent / named
    before = sorted(study.parent.rglob("*"))
    assert segment(scan, tiny_model, *words) == 2
    assert said in error_line(capsys)
    assert sorted(study.parent.rglob("*")) == before


@pytest.mark.parametrize("package", ["dcm2niix", "pydicom"])
def test_segment_names_the_command_that_installs_what_reads_dicom_files(
    package: str,
    study: Path,
    tiny_model: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setitem(sys.modules, package, None)
    assert segment(study / "T1", tiny_model) == 2
    assert error_line(capsys).endswith('run pip install "napari-metaseg[dicom]"')


def test_labels_and_volumes_in_other_protocols(
    scan_file: Path, structures_model: Path, tmp_path: Path
) -> None:
    table = tmp_path / "volumes.csv"
    labels = tmp_path / "labels.nii.gz"
    words = ("--labels", "tissue4", "--volumes", table, "--output", labels)
    assert segment(scan_file, structures_model, *words) == 0
    assert set(np.unique(nib.load(labels).dataobj)) <= {0, 1, 2, 3, 4}
    with table.open() as file:
        rows = list(csv.DictReader(file))
    named = [row["protocol"] for row in rows]
    assert named == ["tissue4"] * 4 + ["fs32"] * 32
    counted = np.count_nonzero(np.asarray(nib.load(labels).dataobj) == 3)
    assert int(rows[2]["n_voxels"]) == counted


def test_of_many_structures_the_groups_are_printed(
    scan_file: Path, parcels_model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "volumes.csv"
    assert segment(scan_file, parcels_model, "--volumes", table) == 0
    printed = capsys.readouterr().out
    with table.open() as file:
        rows = [row for row in csv.DictReader(file) if row["protocol"] == "nm134"]
    frontal = {s.name for s in protocol("nm134").structures if s.group == "frontal"}
    total = sum(float(row["volume_mm3"]) for row in rows if row["name"] in frontal) / 1000
    (line,) = (line for line in printed.splitlines() if line.startswith("frontal"))
    assert line.split()[-1] == f"{total:.2f}"
    assert len(printed.splitlines()) < 25
    assert "of 134 structures; --volumes FILE.csv writes that of each" in printed


def test_labels_that_a_model_does_not_have(
    scan_file: Path, structures_model: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert segment(scan_file, structures_model, "--labels", "nm134") == 2
    assert "no labels of 'nm134'; it has fs32, tissue4" in capsys.readouterr().err
