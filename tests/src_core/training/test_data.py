"""Reading a folder of scans with label maps."""

from __future__ import annotations

from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from src_core.errors import InputError
from src_core.labels import protocol
from src_core.training.data import IGNORED, Subject, read_example, read_mapping, read_subjects

TISSUES = protocol("tissue4")
TABLE = "scan,subject,split\na,p1,train\nb,p1,train\nc,p2,val\nd,p3,test\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "subjects.csv").write_text(TABLE)
    for name in "abcd":
        (tmp_path / f"{name}_T1w.nii.gz").touch()
        (tmp_path / f"{name}_labels.nii.gz").touch()
    return tmp_path


def test_the_scans_are_listed_with_their_split(folder: Path) -> None:
    subjects = read_subjects(folder)
    assert [(s.name, s.split) for s in subjects] == [
        ("a", "train"),
        ("b", "train"),
        ("c", "val"),
        ("d", "test"),
    ]
    assert subjects[0].scan == folder / "a_T1w.nii.gz"
    assert subjects[0].labels == folder / "a_labels.nii.gz"


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (TABLE.replace("b,p1,train", "b,p1,val"), "p1 stands in two splits"),
        (TABLE.replace("split", "part"), "column 'split' is missing"),
        (TABLE + "e,p4,train\n", "e_T1w.nii.gz"),
        (TABLE.replace("train", "val"), "no scan has the split 'train'"),
        ("scan,subject,split\n", "no scan has the split 'train'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(folder: Path, table: str, said: str) -> None:
    (folder / "subjects.csv").write_text(table)
    with pytest.raises(InputError, match=said):
        read_subjects(folder)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"subjects\.csv: no such file"):
        read_subjects(tmp_path)


def test_without_a_mapping_the_label_maps_hold_the_protocols_ids(tmp_path: Path) -> None:
    np.testing.assert_array_equal(read_mapping(tmp_path, TISSUES), range(5))
    thirty = protocol("fs32")
    mapping = read_mapping(tmp_path, thirty)
    np.testing.assert_array_equal(mapping[thirty.ids], range(len(thirty.ids)))
    assert (np.delete(mapping, thirty.ids) == IGNORED).all()


MAPPING = (
    "neuromorphometrics_id,name,status,tissue4,freesurfer_id\n"
    "0,Unknown,kept,0,0\n4,3rd Ventricle,kept,4,14\n31,Right Amygdala,kept,2,54\n"
    "40,Lesion,ignored,0,0\n46,CSF,kept,0,24\n"
)


def test_the_mapping_leads_from_the_folders_ids_to_classes(tmp_path: Path) -> None:
    (tmp_path / "label_mapping.csv").write_text(MAPPING)
    mapping = read_mapping(tmp_path, TISSUES)
    assert mapping[[0, 4, 31, 40, 46]].tolist() == [0, 4, 2, IGNORED, 0]
    assert mapping[7] == IGNORED
    thirty = protocol("fs32")
    mapping = read_mapping(tmp_path, thirty)
    assert thirty.ids[mapping[[4, 31]]].tolist() == [14, 54]
    # What the protocol does not know is background.
    assert mapping[46] == 0


def test_a_mapping_for_another_protocol_is_refused(tmp_path: Path) -> None:
    (tmp_path / "label_mapping.csv").write_text(MAPPING)
    with pytest.raises(InputError, match="no column 'neurite_seg24'"):
        read_mapping(tmp_path, protocol("fs24-2d"))


def test_an_example_is_the_scan_and_its_classes(brain, tmp_path: Path) -> None:
    subject = Subject("s", "train", tmp_path / "scan.nii.gz", tmp_path / "labels.nii.gz")
    nib.save(nib.Nifti1Image(brain.scan.voxels, brain.scan.affine), subject.scan)
    nib.save(nib.Nifti1Image(brain.labels * 10, brain.scan.affine), subject.labels)
    mapping = np.full(41, IGNORED, np.uint8)
    mapping[[0, 10, 20, 30, 40]] = 0, 1, 2, 3, 4
    scan, classes = read_example(subject, mapping)
    np.testing.assert_array_equal(scan.voxels, brain.scan.voxels)
    np.testing.assert_array_equal(classes, brain.labels)
    with pytest.raises(InputError, match="label 40 is not in the mapping"):
        read_example(subject, mapping[:31])
