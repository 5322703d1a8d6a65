"""Which scans a cohort has, and whose they are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src_core.cohort.inputs import Filters, find_scans
from tests.helpers.datasets import refused, touch

if TYPE_CHECKING:
    from pathlib import Path

ALL = Filters()


def names(*inputs: Path, filters: Filters = ALL) -> list[str]:
    return [scan.name for scan in find_scans(inputs, filters)]


def test_a_bids_data_set_has_its_t1_weighted_scans_with_age_and_sex(data_set: Path) -> None:
    touch(data_set, "sub-01/anat/sub-01_T2w.nii.gz", "derivatives/x/sub-01/anat/sub-01_T1w.nii.gz")
    scans = find_scans([data_set], ALL)
    assert [scan.name for scan in scans] == ["sub-01_T1w", "sub-02_ses-a_T1w", "sub-03_run-1_T1w"]
    assert [scan.traits for scan in scans] == [
        {"age": "23", "sex": "F"},
        {"age": "71", "sex": "M"},
        {"sex": "F"},
    ]
    sessions = data_set / "sub-02" / "sub-02_sessions.tsv"
    sessions.write_text("session_id\tage\nses-a\t72\nses-b\t73\n")
    assert find_scans([data_set], ALL)[1].traits == {"age": "72", "sex": "M"}


def test_participants_sessions_and_patterns_choose_among_them(data_set: Path) -> None:
    assert names(data_set, filters=Filters(["sub-01", "03"])) == ["sub-01_T1w", "sub-03_run-1_T1w"]
    assert names(data_set, filters=Filters((), ["a"])) == ["sub-02_ses-a_T1w"]
    assert names(data_set, filters=Filters(pattern="*_run-1_*")) == ["sub-03_run-1_T1w"]
    with refused("no scan of participant 04"):
        names(data_set, filters=Filters(["04"]))
    with refused("no file sub-*/[ses-*/]anat/*_FLAIR.nii.gz"):
        names(data_set, filters=Filters(pattern="*_FLAIR.nii.gz"))


def test_a_folder_has_all_images_below_it(tmp_path: Path) -> None:
    touch(tmp_path, "IXI002-HH_T1.nii.gz", "b/T1.mgz", "notes.txt", ".hidden/c.nii")
    assert names(tmp_path) == ["sub-IXI002HH_T1w", "sub-b_T1w"]
    assert names(tmp_path, filters=Filters(pattern="b/*")) == ["sub-b_T1w"]
    with refused("holds no scan named *.nii"):
        names(tmp_path, filters=Filters(pattern="*.nii"))


def test_results_among_the_scans_of_a_folder_are_no_scans(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii", "derivatives/metaseg/sub-a/anat/sub-a_desc-brain_mask.nii.gz")
    assert names(tmp_path) == ["sub-a_T1w"]


def test_a_pattern_chooses_among_scans_of_a_table_or_given_by_name(tmp_path: Path) -> None:
    touch(tmp_path, "x/sub-1_T1w.nii", "y/sub-2_T1w.nii")
    table = tmp_path / "scans.tsv"
    table.write_text("scan\nx/sub-1_T1w.nii\ny/sub-2_T1w.nii\n")
    for inputs in ([table], [tmp_path / "x/sub-1_T1w.nii", tmp_path / "y/sub-2_T1w.nii"]):
        for pattern in ("*-2_*", "y/*"):
            assert names(*inputs, filters=Filters(pattern=pattern)) == ["sub-2_T1w"]
        with refused("no scan named *_T2w.nii"):
            names(*inputs, filters=Filters(pattern="*_T2w.nii"))


def test_names_of_scans_may_be_given(tmp_path: Path) -> None:
    touch(tmp_path, "sub-07_ses-1_T1w.nii", "c.nii")
    assert names(tmp_path / "c.nii", tmp_path / "sub-07_ses-1_T1w.nii") == [
        "sub-07_ses-1_T1w",
        "sub-c_T1w",
    ]
    with refused("d.nii, "):
        names(tmp_path / "c.nii", tmp_path / "d.nii", tmp_path / "e.nii")


def test_a_table_says_whose_each_scan_is(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii", "b.nii", "mask.nii")
    table = tmp_path / "scans.csv"
    table.write_text(
        "scan,mask,subject,session,age,sex\na.nii,mask.nii,sub-P 1,1,34,F\nb.nii,,P1,2,n/a,\n"
    )
    first, second = find_scans([table], ALL)
    assert (first.name, first.mask, first.traits) == (
        "sub-P1_ses-1_T1w",
        tmp_path / "mask.nii",
        {"age": "34", "sex": "F"},
    )
    assert (second.name, second.mask, second.traits) == ("sub-P1_ses-2_T1w", None, {})


def test_all_that_a_table_lists_and_is_missing_is_named(tmp_path: Path) -> None:
    touch(tmp_path, "a.nii")
    table = tmp_path / "scans.tsv"
    table.write_text("scan\tmask\na.nii\tm.nii\nb.nii\tn/a\n")
    with refused("m.nii") as raised:
        find_scans([table], ALL)
    assert "b.nii" in str(raised.value)


def test_two_scans_with_one_name_are_refused(tmp_path: Path) -> None:
    touch(tmp_path, "a/sub-01_T1w.nii.gz", "b/sub-01_T1w.nii.gz")
    with refused("would both be written as sub-01"):
        find_scans([tmp_path], ALL)


@pytest.mark.parametrize("other", ["sub-01_T2w", "sub-01_FLAIR", "sub-01_desc-preproc_T1w"])
def test_scans_whose_files_would_have_the_same_names_are_refused(
    other: str, tmp_path: Path
) -> None:
    touch(tmp_path, "sub-01_T1w.nii.gz", f"{other}.nii.gz", "sub-01_run-2_T1w.nii.gz")
    with refused("would both be written as sub-01_desc-brain_mask"):
        find_scans([tmp_path], ALL)
    table = tmp_path / "scans.tsv"
    table.write_text(f"scan\tsession\nsub-01_T1w.nii.gz\t1\n{other}.nii.gz\t2\n")
    assert len(find_scans([table], ALL)) == 2


def test_a_scan_that_is_named_as_corrected_labels_are_is_refused(tmp_path: Path) -> None:
    touch(tmp_path, "sub-01_desc-corrected_T1w.nii.gz")
    with refused("give it a name without desc-corrected"):
        find_scans([tmp_path], ALL)


@pytest.mark.parametrize("made", ["", "sub-01/anat/sub-01_T2w.nii.gz"])
def test_a_data_set_without_a_t1_weighted_scan_is_refused(made: str, tmp_path: Path) -> None:
    touch(tmp_path, "dataset_description.json", *([made] if made else []))
    with refused("give the root of a BIDS data set"):
        find_scans([tmp_path], ALL)
