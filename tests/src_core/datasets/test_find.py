"""Finding labelled scans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src_core.datasets.find import read_scans
from src_core.datasets.labelled import LabelledScan
from src_core.datasets.settings import DataSettings
from tests.helpers.datasets import TABLE, pairs, refused, splits, touch, write_table

if TYPE_CHECKING:
    from pathlib import Path


def test_the_scans_are_listed_with_their_split(folder: Path) -> None:
    scans = read_scans(DataSettings(folder))
    assert [(s.name, s.subject, s.split) for s in scans] == [
        ("a", "p1", "train"),
        ("b", "p1", "train"),
        ("c", "p2", "val"),
        ("d", "p3", "test"),
    ]
    assert scans[0].scan == folder / "a_T1w.nii.gz"
    assert scans[0].labels == folder / "a_labels.nii.gz"
    assert scans[0].mask is None


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (TABLE.replace("b,p1,train", "b,p1,val"), "p1 stands in two splits"),
        (TABLE.replace("split", "part"), "column 'split' is missing"),
        (TABLE.replace("subject", "who"), "column 'subject' is missing"),
        (TABLE + "e,p4,train\n", "e_T1w.nii.gz: no such file, but subjects.csv lists it"),
        (TABLE + "a,p1,train\n", "two scans have the name a"),
        (TABLE.replace("val", "validation"), "scan c has the split 'validation'"),
        (TABLE.replace("train", "val"), "no scan has the split 'train'"),
        (TABLE.replace("val", "train"), "no scan has the split 'val'"),
        ("scan,subject,split\n", "no scan has the split 'train'"),
        ("", "column 'scan' is missing; its header has nothing"),
        (TABLE.replace("b,p1", "b,p1,p2"), "line 3 has more cells than the header"),
        (TABLE.replace("subject", "scan"), "column 'subject' is missing"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused(folder: Path, table: str, said: str) -> None:
    (folder / "subjects.csv").write_text(table)
    with refused(said):
        read_scans(DataSettings(folder))


def test_a_table_that_is_no_text_is_refused(folder: Path) -> None:
    (folder / "subjects.csv").write_bytes(b"\xff\xfe\x00s")
    with refused("subjects.csv is not a table in UTF-8 text"):
        read_scans(DataSettings(folder))


def test_a_table_saved_by_a_spreadsheet_is_read(folder: Path) -> None:
    (folder / "subjects.csv").write_text("\ufeff" + TABLE.replace(",", " , ") + ",,\n", "utf-8")
    assert splits(DataSettings(folder))["d"] == "test"


def test_a_training_that_does_not_stop_early_needs_no_val_split(folder: Path) -> None:
    (folder / "subjects.csv").write_text(TABLE.replace("val", "train"))
    assert len(read_scans(DataSettings(folder), needed=("train",))) == 4


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with refused("nowhere does not exist"):
        read_scans(DataSettings(tmp_path / "nowhere"))


# Pairs by name patterns


@pytest.mark.parametrize(
    ("files", "scans", "labels", "names"),
    [
        (("a_T1w.nii.gz", "a_labels.nii.gz"), None, None, ["a"]),
        (("p/a_T1w.nii.gz", "p/a_labels.nii.gz"), None, None, ["p/a"]),
        (("im/a.nii", "lab/a.nii"), "im/{name}.nii", "lab/{name}.nii", ["a"]),
        (("a/T1.mgz", "a/seg.mgz"), "{name}/T1.mgz", "{name}/seg.mgz", ["a"]),
        (("a/a.nii", "a/a_seg.nii"), "{name}/{name}.nii", "{name}/{name}_seg.nii", ["a"]),
        (("a.nii", "a_seg.nii"), "{name}.nii", "{name}_seg.nii", ["a"]),
    ],
)
def test_pairs_are_found_by_patterns(
    tmp_path: Path, files: tuple[str, ...], scans: str | None, labels: str | None, names: list[str]
) -> None:
    touch(tmp_path, *files, "._a_T1w.nii.gz", "notes.txt")
    found = read_scans(DataSettings(tmp_path, scans=scans, labels=labels), needed=("train",))
    assert [scan.name for scan in found] == names
    assert [(scan.scan, scan.labels) for scan in found] == [tuple(tmp_path / f for f in files)]


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["b_T1w.nii.gz"], "no label map for b; complete the pairs"),
        (["b_labels.nii.gz"], "no scan for the label map of b"),
        ([f"{n}_T1w.nii.gz" for n in "bcdef"], "no label map for b, c, d and 2 more"),
    ],
)
def test_unpaired_files_are_refused_by_name(tmp_path: Path, more: list[str], said: str) -> None:
    touch(pairs(tmp_path, "a"), *more)
    with refused(said):
        read_scans(DataSettings(tmp_path))


def test_every_scan_needs_its_mask_if_there_are_masks(tmp_path: Path) -> None:
    touch(pairs(tmp_path, "a", "b"), "a_mask.nii.gz")
    data = DataSettings(tmp_path, masks="{name}_mask.nii.gz", val=("b",))
    with refused("no mask for b"):
        read_scans(data)
    touch(tmp_path, "b_mask.nii.gz")
    assert [scan.mask for scan in read_scans(data)] == [
        tmp_path / "a_mask.nii.gz",
        tmp_path / "b_mask.nii.gz",
    ]


@pytest.mark.parametrize("pattern", ["{subject}_T1w.nii.gz", "{name}_{run}.nii.gz", "{}.nii.gz"])
def test_a_pattern_of_other_placeholders_is_refused(tmp_path: Path, pattern: str) -> None:
    with refused("needs {name}, and nothing else in braces"):
        read_scans(DataSettings(tmp_path, scans=pattern))


def test_a_folder_without_scans_says_what_was_looked_for(tmp_path: Path) -> None:
    with refused("no subjects.csv, no sub-* folders of BIDS and no file {name}_T1w.nii.gz"):
        read_scans(DataSettings(tmp_path))


# A table of files


def test_a_table_names_files_relative_to_itself(tmp_path: Path) -> None:
    touch(tmp_path / "images", "a.nii.gz", "b.nii.gz", "a_seg.nii.gz", "b_seg.nii.gz", "m.nii.gz")
    other = tmp_path / "images" / "b.nii.gz"
    data = write_table(
        tmp_path,
        "scan,labels,mask,subject,split,name\n"
        "images/a.nii.gz,images/a_seg.nii.gz,images/m.nii.gz,p1,train,first\n"
        f"{other},images/b_seg.nii.gz,n/a,,val,\n",
    )
    images = tmp_path / "images"
    assert read_scans(data) == [
        LabelledScan(
            "first",
            "p1",
            "train",
            images / "a.nii.gz",
            images / "a_seg.nii.gz",
            images / "m.nii.gz",
        ),
        LabelledScan("b", "b", "val", other, images / "b_seg.nii.gz"),
    ]


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        ("scan,split\na.nii,train\n", "column 'labels' is missing"),
        ("scan,labels\na.nii,missing.nii\n", "missing.nii: no such file, but scans.csv lists it"),
        ("scan,labels\na.nii,\n", "a row lacks its scan or its labels: a.nii"),
        ("scan,labels,mask\na.nii,,b.nii\n", "a row lacks its scan or its labels"),
        ("scan,labels\na.nii,b.nii\nc/a.nii,b.nii\n", "two scans have the name a"),
        ("scan,labels,name\na.nii,b.nii,x\na.nii,b.nii,y\n", "a.nii is listed twice"),
        ("scan,labels,name\na.nii,b.nii,../x\n", "'../x' cannot be a scan's name"),
        ("scan,labels,name\na.nii,b.nii,/x\n", "'/x' cannot be a scan's name"),
        ("scan,labels,name,name\na.nii,b.nii,x,y\n", "two columns have the same name"),
        (
            "scan,labels,subject,split\na.nii,b.nii,p,train\nb.nii,a.nii,p,val\n",
            "subject p stands in two splits",
        ),
        ("scan,labels\na.nii,b.nii\n", "no scan has the split 'val'"),
    ],
)
def test_a_table_of_files_that_cannot_be_used_is_refused(
    tmp_path: Path, rows: str, said: str
) -> None:
    touch(tmp_path, "a.nii", "b.nii", "c/a.nii")
    with refused(said):
        read_scans(write_table(tmp_path, rows))


def test_patterns_beside_a_table_of_files_are_refused(tmp_path: Path) -> None:
    with refused("names the files; leave scans, labels and masks out"):
        read_scans(replace(write_table(tmp_path, "scan,labels\n"), labels="{name}.nii"))
