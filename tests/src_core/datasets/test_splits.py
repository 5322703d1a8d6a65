"""Splitting scans by subject."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from src_core.datasets.find import read_scans
from src_core.datasets.settings import DataSettings
from tests.helpers.datasets import TABLE, pairs, refused, splits

BY_NAME = "{name}_T1w.nii.gz"


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


def test_settings_take_the_place_of_the_table(folder: Path) -> None:
    assert splits(DataSettings(folder, val=("p1",), test=())) == {
        "a": "val",
        "b": "val",
        "c": "train",
        "d": "train",
    }


def test_nobody_need_be_left_out_of_the_training(folder: Path) -> None:
    found = read_scans(DataSettings(folder, val=(), test=()))
    assert {scan.split for scan in found} == {"train"}


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
