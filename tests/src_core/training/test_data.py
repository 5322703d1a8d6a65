"""Finding labelled scans, splitting them by subject, and knowing what their label ids mean."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import nibabel as nib
import numpy as np
import pytest

from src_core.errors import InputError
from src_core.export import companion, write_labels
from src_core.labels import Protocol, protocol, read_protocol
from src_core.training.data import (
    IGNORED,
    UNKNOWN,
    LabelledScan,
    check,
    read_example,
    read_mapping,
    read_mask,
    read_scans,
)
from src_core.training.settings import DataSettings

TISSUES = protocol("tissue4")
TABLE = "scan,subject,split\na,p1,train\nb,p1,train\nc,p2,val\nd,p3,test\n"
BY_NAME = "{name}_T1w.nii.gz"


def touch(folder: Path, *names: str) -> Path:
    """Make empty files, for what is found by names alone."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def pairs(folder: Path, *names: str) -> Path:
    return touch(folder, *(f"{name}_{what}.nii.gz" for name in names for what in ("T1w", "labels")))


def splits(data: DataSettings) -> dict[str, str]:
    return {scan.name: scan.split for scan in read_scans(data, needed=())}


def refused(said: str) -> AbstractContextManager[pytest.ExceptionInfo[InputError]]:
    return pytest.raises(InputError, match=re.escape(said))


# A folder with a table


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "subjects.csv").write_text(TABLE)
    return pairs(tmp_path, *"abcd")


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


# Splits that are not in a table


def test_listed_subjects_are_split_as_the_settings_say(folder: Path) -> None:
    (folder / "subjects.csv").write_text(TABLE.replace("split", "note"))
    data = DataSettings(folder, val=("p2",), test=("p3",))
    assert splits(data) == {"a": "train", "b": "train", "c": "val", "d": "test"}


@pytest.mark.parametrize(
    ("val", "test", "said"),
    [
        (("p2",), ("p3", "p2"), "p2 stands in two splits"),
        (("p2", "p7"), None, "no scan is of the subject 'p7' that val names; there are"),
        (("p1", "p2", "p3"), None, "no scan has the split 'train'"),
        (None, ("p2",), "no scan has the split 'val'; name subjects"),
        (1e-9, ("p2",), "no scan has the split 'val'; the draw fell on nobody"),
    ],
)
def test_splits_that_cannot_be_are_refused(
    folder: Path, val: tuple[str, ...] | float | None, test: tuple[str, ...] | None, said: str
) -> None:
    (folder / "subjects.csv").write_text(TABLE.replace("split", "note"))
    with refused(said):
        read_scans(DataSettings(folder, val=val, test=test))


def test_splits_given_twice_are_refused(folder: Path) -> None:
    with refused("has a column split already"):
        read_scans(DataSettings(folder, val=("p2",)))


@pytest.mark.parametrize(("val", "test"), [(1.0, None), (-0.1, None), (0.6, 0.4)])
def test_shares_that_leave_nothing_are_refused(val: float, test: float | None) -> None:
    with refused("shares are from 0 to below 1"):
        DataSettings(Path("data"), val=val, test=test)


def test_drawn_shares_are_kept_by_subject_and_come_back_with_the_seed(tmp_path: Path) -> None:
    names = [f"sub-{number:03}_ses-{visit}" for number in range(200) for visit in (1, 2)]
    data = DataSettings(pairs(tmp_path, *names), scans=BY_NAME, val=0.2, test=0.1)
    first = splits(data)
    counts = {split: list(first.values()).count(split) for split in ("train", "val", "test")}
    assert 230 < counts["train"] < 330
    assert 50 < counts["val"] < 110
    assert 16 < counts["test"] < 64
    assert all(first[name] == first[name.replace("ses-1", "ses-2")] for name in names)
    assert splits(replace(data, seed=1)) != first

    pairs(tmp_path, "sub-new_ses-1")
    again = splits(data)
    assert {name: again[name] for name in names} == first


def test_a_larger_val_share_leaves_the_test_scans_as_they_are(tmp_path: Path) -> None:
    pairs(tmp_path, *(f"s{number}" for number in range(60)))
    small, large = (splits(DataSettings(tmp_path, val=val, test=0.2)) for val in (0.1, 0.3))
    assert [n for n in small if small[n] == "test"] == [n for n in large if large[n] == "test"]


def test_named_subjects_are_not_drawn(tmp_path: Path) -> None:
    pairs(tmp_path, *(f"s{number}" for number in range(40)))
    found = splits(DataSettings(tmp_path, val=0.5, test=("s1", "s2")))
    assert [name for name, split in found.items() if split == "test"] == ["s1", "s2"]


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


def write_table(folder: Path, text: str) -> DataSettings:
    (folder / "scans.csv").write_text(text)
    return DataSettings(folder / "scans.csv")


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


# A BIDS tree


def t1w(subject: str, session: str | None = None, more: str = "") -> str:
    return bids(subject, session, more, "T1w")


def bids(subject: str, session: str | None, more: str, suffix: str) -> str:
    folder = f"sub-{subject}/ses-{session}" if session else f"sub-{subject}"
    stem = f"sub-{subject}_ses-{session}" if session else f"sub-{subject}"
    return f"{folder}/anat/{stem}{more}_{suffix}.nii.gz"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two subjects, one with two sessions; labels beside a scan and in derivatives."""
    return touch(
        tmp_path,
        t1w("01"),
        bids("01", None, "", "dseg"),
        t1w("02", "1"),
        t1w("02", "2"),
        *(f"derivatives/hand/{bids('02', s, '_desc-manual', 'dseg')}" for s in "12"),
        "sub-01/func/sub-01_bold.nii.gz",
        "sub-01/anat/sub-01_T1w.json",
    )


def test_a_bids_tree_is_read(tree: Path) -> None:
    scans = read_scans(DataSettings(tree, val=("sub-01",)))
    assert [(s.name, s.subject, s.split) for s in scans] == [
        ("sub-01", "sub-01", "val"),
        ("sub-02_ses-1", "sub-02", "train"),
        ("sub-02_ses-2", "sub-02", "train"),
    ]
    assert scans[0].labels == tree / bids("01", None, "", "dseg")
    assert scans[2].labels == tree / f"derivatives/hand/{bids('02', '2', '_desc-manual', 'dseg')}"


def test_labels_of_another_space_are_of_another_grid(tree: Path) -> None:
    touch(tree, f"derivatives/fmriprep/{bids('01', None, '_space-MNI152', 'dseg')}")
    assert read_scans(DataSettings(tree, val=("sub-01",)))[0].labels.parent.parent.parent == tree


def test_several_label_maps_of_a_scan_are_refused_until_one_is_picked(tree: Path) -> None:
    manual = f"derivatives/hand/{bids('01', None, '_desc-manual', 'dseg')}"
    touch(tree, manual)
    data = DataSettings(tree, val=("sub-01",))
    with refused(f"several files fit: {bids('01', None, '', 'dseg')}, {manual}; pick one"):
        read_scans(data)
    assert read_scans(replace(data, labels="desc-manual"))[0].labels == tree / manual


def test_labels_are_picked_by_their_space_too(tree: Path) -> None:
    for subject, session in (("01", None), ("02", "1"), ("02", "2")):
        touch(tree, f"derivatives/hand/{bids(subject, session, '_space-own', 'dseg')}")
    data = DataSettings(tree, labels="space-own", val=("sub-01",))
    assert all("_space-own_" in scan.labels.name for scan in read_scans(data))


def test_scans_and_masks_are_picked_by_entities(tree: Path) -> None:
    touch(
        tree,
        t1w("01", more="_acq-fast"),
        bids("01", None, "_acq-fast", "dseg"),
        bids("01", None, "_acq-fast_desc-brain", "mask"),
    )
    data = DataSettings(tree, scans="acq-fast", masks="desc-brain")
    (scan,) = read_scans(data, needed=("train",))
    assert scan.name == "sub-01_acq-fast"
    assert scan.mask == tree / bids("01", None, "_acq-fast_desc-brain", "mask")


@pytest.mark.parametrize(
    ("more", "change", "said"),
    [
        ([t1w("03")], {}, "no labels for sub-03; complete the pairs"),
        ([], {"labels": "desc-auto"}, "no labels with desc-auto for sub-01, sub-02_ses-1"),
        ([], {"masks": "desc-brain"}, "no masks with desc-brain for sub-01"),
        ([bids("04", None, "", "dseg")], {}, "no scan for the label map sub-04_dseg.nii.gz"),
        ([], {"labels": "manual"}, "'manual' is neither an entity"),
        ([], {"scans": "acq-slow"}, "*_T1w.nii.gz with acq-slow"),
        ([], {"val": ("02",)}, "no scan is of the subject '02' that val names; there are sub-01"),
    ],
)
def test_a_bids_tree_that_cannot_be_used_is_refused(
    tree: Path, more: list[str], change: dict, said: str
) -> None:
    touch(tree, *more)
    with refused(said):
        read_scans(replace(DataSettings(tree, val=("sub-01",)), **change))


def test_folders_of_subjects_can_be_paired_by_patterns_too(tree: Path) -> None:
    touch(
        tree, "labels/sub-01.nii.gz", "labels/sub-02.nii.gz", "x/sub-01.nii.gz", "x/sub-02.nii.gz"
    )
    data = DataSettings(
        tree, scans="x/{name}.nii.gz", labels="labels/{name}.nii.gz", val=("sub-02",)
    )
    assert splits(data) == {"sub-01": "train", "sub-02": "val"}


# What label ids mean

MAPPING = (
    "neuromorphometrics_id,name,status,tissue4,freesurfer_id\n"
    "0,Unknown,kept,0,0\n4,3rd Ventricle,kept,4,14\n31,Right Amygdala,kept,2,54\n"
    "40,Lesion,ignored,0,0\n46,CSF,kept,0,24\n"
)


def test_without_a_mapping_the_label_maps_hold_the_protocols_ids(tmp_path: Path) -> None:
    data = DataSettings(tmp_path)
    np.testing.assert_array_equal(read_mapping(data, TISSUES), range(5))
    thirty = protocol("fs32")
    mapping = read_mapping(data, thirty)
    np.testing.assert_array_equal(mapping[thirty.ids], range(len(thirty.ids)))
    assert (np.delete(mapping, thirty.ids) == UNKNOWN).all()


def test_the_mapping_leads_from_the_folders_ids_to_classes(tmp_path: Path) -> None:
    (tmp_path / "label_mapping.csv").write_text(MAPPING)
    data = DataSettings(tmp_path)
    mapping = read_mapping(data, TISSUES)
    assert mapping[[0, 4, 31, 40, 46]].tolist() == [0, 4, 2, IGNORED, 0]
    assert mapping[7] == UNKNOWN
    thirty = protocol("fs32")
    mapping = read_mapping(data, thirty)
    assert thirty.ids[mapping[[4, 31]]].tolist() == [14, 54]
    # What the protocol does not know is background.
    assert mapping[46] == 0


def test_the_column_of_a_mapping_can_be_named(tmp_path: Path) -> None:
    table = tmp_path / "ids.csv"
    table.write_text("mine,group\n7,1\n8,ignore\n")
    data = DataSettings(tmp_path, mapping=table, mapping_column="group")
    assert read_mapping(data, TISSUES).tolist() == [0, *[UNKNOWN] * 6, 1, IGNORED]


def test_a_small_mapping_stands_in_the_settings(tmp_path: Path) -> None:
    data = DataSettings(tmp_path, mapping={"3": 1, "5": "ignore"})
    assert read_mapping(data, TISSUES).tolist() == [0, UNKNOWN, UNKNOWN, 1, UNKNOWN, IGNORED]


def test_the_mapping_beside_a_table_of_files_is_found(tmp_path: Path) -> None:
    (tmp_path / "label_mapping.csv").write_text("id,tissue4\n9,4\n")
    assert read_mapping(write_table(tmp_path, "scan,labels\n"), TISSUES)[9] == 4


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,fs32\n3,1\n", "no column 'tissue4' for the protocol tissue4; name one"),
        ("id,tissue4\n", "has no rows"),
        ("id,tissue4\n3,5\n", "label id 3 becomes 5, which is no id of protocol tissue4"),
        ("id,tissue4\n3,\n", "what label id 3 becomes ('ignore', or an id) is ''"),
        ("id,tissue4\n-3,1\n", "the label id is '-3', not a whole number"),
        ("id,tissue4\n3,1\n3,2\n", "the label id 3 is listed twice"),
        ("id,tissue4\n614454277,1\n", "is above 65535; renumber it"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "label_mapping.csv").write_text(text)
    with refused(said):
        read_mapping(DataSettings(tmp_path), TISSUES)


def test_a_mapping_for_another_protocol_is_refused(tmp_path: Path) -> None:
    (tmp_path / "label_mapping.csv").write_text(MAPPING)
    with refused("no column 'neurite_seg24'"):
        read_mapping(DataSettings(tmp_path), protocol("fs24-2d"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"mapping": {"3": 9}}, "mapping: label id 3 becomes 9, which is no id"),
        ({"mapping": {"3": 1}, "mapping_column": "x"}, "no table with the column 'x'"),
        ({"mapping_column": "x"}, "no table with the column 'x'"),
        ({"mapping": Path("nowhere.csv")}, "nowhere.csv cannot be read: No such file"),
    ],
)
def test_settings_of_a_mapping_that_contradict_are_refused(
    tmp_path: Path, change: dict, said: str
) -> None:
    with refused(said):
        read_mapping(replace(DataSettings(tmp_path), **change), TISSUES)


def test_a_protocol_that_leaves_no_class_for_unknown_ids_is_refused(tmp_path: Path) -> None:
    table = tmp_path / "many.csv"
    table.write_text("id,name\n" + "".join(f"{id},s{id}\n" for id in range(1, 255)))
    with refused("at most 253 structures"):
        read_mapping(DataSettings(tmp_path), read_protocol(table, "many"))


# Own structures


def test_own_structures_come_from_a_table(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text("id,name,color,abbreviation\n0,Background,,\n7,Core,#ff8000,CO\n9,Rim,,\n")
    own = read_protocol(table, "tumour")
    assert own.name == "tumour"
    assert [(s.id, s.name, s.abbreviation) for s in own.structures] == [
        (7, "Core", "CO"),
        (9, "Rim", ""),
    ]
    assert own.structures[0].color == (255, 128, 0)


def test_structures_without_a_colour_get_different_ones(tmp_path: Path) -> None:
    table = tmp_path / "own.csv"
    table.write_text("id,name\n" + "".join(f"{id},s{id}\n" for id in range(1, 60)))
    colors = [structure.color for structure in read_protocol(table, "own").structures]
    assert len(set(colors)) == len(colors)


@pytest.mark.parametrize("known", [TISSUES, protocol("fs32")], ids=lambda known: known.name)
def test_the_table_beside_a_label_map_is_a_protocol(brain, tmp_path: Path, known: Protocol) -> None:
    output = tmp_path / "brain_dseg.nii.gz"
    write_labels(known.ids[brain.labels], brain.scan, output, protocol=known, details={})
    assert read_protocol(companion(output, ".tsv"), known.name) == known


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("id,name\n", "needs a column 'id' or 'index' and a row"),
        ("number,name\n1,Core\n", "needs a column 'id' or 'index'"),
        ("id,label\n1,Core\n", "column 'name' is missing"),
        ("id,name\none,Core\n", "the id of 'Core' is 'one'"),
        ("id,name\n1,\n", "structure 1 needs a name"),
        ("id,name\n1,Core\n1,Rim\n", "two structures with the same id"),
        ("id,name,color\n1,Core,red\n", "colour 'red' is not like #1a2b3c"),
        ("id,name,mapping\n1,Core,GM\n", "structure 1: the BIDS mapping is 'GM'"),
        ("id,name\n0,Background\n", "needs 1 to 254 structures"),
    ],
)
def test_a_table_of_structures_that_cannot_be_used_is_refused(
    tmp_path: Path, text: str, said: str
) -> None:
    table = tmp_path / "own.csv"
    table.write_text(text)
    with refused(said) as refusal:
        read_protocol(table, "own")
    assert str(table) in str(refusal.value)


# Before the training


@pytest.fixture
def labelled(brain, tmp_path: Path) -> LabelledScan:
    paths = {what: tmp_path / f"{what}.nii.gz" for what in ("scan", "labels", "mask")}
    values = {"scan": brain.scan.voxels, "labels": brain.labels, "mask": brain.mask}
    for what, path in paths.items():
        save(values[what], brain.scan.affine, path)
    return LabelledScan("s", "p", "train", **paths)


def save(values: np.ndarray, affine: np.ndarray, path: Path) -> None:
    if values.dtype == bool:
        values = values.astype(np.uint8)
    nib.save(nib.Nifti1Image(values, affine), path)


def test_scans_that_can_be_used_pass_the_check(labelled: LabelledScan, brain) -> None:
    mapping = read_mapping(DataSettings(Path("data")), TISSUES)
    check([labelled], mapping)
    mask = read_mask(labelled, brain.scan)
    assert mask is not None
    np.testing.assert_array_equal(mask > 0, brain.mask)
    assert read_mask(replace(labelled, mask=None), brain.scan) is None


def moved(affine: np.ndarray) -> np.ndarray:
    return affine + np.array([[0, 0, 0, 1.5], *[[0, 0, 0, 0]] * 3])


def turned(affine: np.ndarray) -> np.ndarray:
    return affine @ np.diag([1, 1, 1.01, 1])


@pytest.mark.parametrize("what", ["labels", "mask"])
@pytest.mark.parametrize(
    ("change", "place", "said"),
    [
        (lambda values: values[1:], lambda affine: affine, "has shape"),
        (lambda values: values, moved, "lies up to 1.5 mm off its scan's voxels"),
        (lambda values: values, turned, "off its scan's voxels"),
    ],
    ids=["shape", "moved", "stretched"],
)
def test_another_grid_is_refused(
    labelled: LabelledScan, brain, what: str, change: Callable, place: Callable, said: str
) -> None:
    save(change(brain.labels), place(brain.scan.affine), getattr(labelled, what))
    with refused(said) as refusal:
        check([labelled], read_mapping(DataSettings(Path("data")), TISSUES))
    assert str(refusal.value).startswith(str(getattr(labelled, what)))


def test_label_ids_outside_the_mapping_are_named_with_their_file(
    labelled: LabelledScan, brain
) -> None:
    mapping = read_mapping(DataSettings(Path("data"), mapping={"1": 1, "4": "ignore"}), TISSUES)
    said = f"{labelled.labels}: label ids 2, 3 are not in the mapping"
    with refused(said):
        check([labelled], mapping)
    with refused(said):
        read_example(labelled, mapping)
    save(brain.labels.astype(np.int16) - 1, brain.scan.affine, labelled.labels)
    with refused("label ids -1, 2, 3 are not"):
        check([replace(labelled, mask=None)], mapping)


def test_ids_above_the_mapping_are_named_too(labelled: LabelledScan, brain) -> None:
    save(brain.labels.astype(np.int16) * 1000, brain.scan.affine, labelled.labels)
    with refused("label ids 1000, 2000, 3000, 4000 are not in the mapping"):
        check([labelled], read_mapping(DataSettings(Path("data")), TISSUES))


@pytest.mark.parametrize("what", ["scan", "labels", "mask"])
def test_a_damaged_file_is_named(labelled: LabelledScan, what: str) -> None:
    path: Path = getattr(labelled, what)
    path.write_bytes(path.read_bytes()[:100])
    with refused(str(path)):
        check([labelled], read_mapping(DataSettings(Path("data")), TISSUES))


def test_fractions_are_no_labels(labelled: LabelledScan, brain) -> None:
    save(brain.labels * np.float32(0.3), brain.scan.affine, labelled.labels)
    with refused("does not hold whole numbers"):
        check([labelled], read_mapping(DataSettings(Path("data")), TISSUES))


def test_an_example_is_the_scan_and_its_classes(labelled: LabelledScan, brain) -> None:
    save(brain.labels * 10, brain.scan.affine, labelled.labels)
    mapping = np.full(41, UNKNOWN, np.uint8)
    mapping[[0, 10, 20, 30, 40]] = 0, 1, 2, 3, IGNORED
    scan, classes = read_example(labelled, mapping)
    np.testing.assert_array_equal(scan.voxels, brain.scan.voxels)
    np.testing.assert_array_equal(classes, np.where(brain.labels == 4, IGNORED, brain.labels))
    assert classes.dtype == np.uint8
