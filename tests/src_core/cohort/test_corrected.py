"""Corrected labels lie beside those that were made, and go before them in tables and pages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from src_core.cohort.corrected import discard, fit_again, save_painted
from src_core.cohort.records import Record, read_records
from src_core.cohort.review import Judgement, write_judgement
from src_core.cohort.tables import write_tables
from src_core.io.labels import Structure
from src_core.io.protocols import protocol
from src_core.io.scan import read_on_grid, read_scan
from src_core.results.quality import ASYMMETRY

if TYPE_CHECKING:
    from pathlib import Path

NEW = Structure(900, "Lesion", (1, 2, 3))


def paint(record: Record) -> Record:
    """Save labels with a new structure of eight voxels."""
    scan = read_scan(record.scan)
    labels = read_on_grid(record.place.labels, scan, "labels")
    labels[10:12, 10:12, 10:12] = NEW.id
    structures = (*protocol("tissue4").structures, NEW)
    return save_painted(record, labels, scan, labels > 0, structures)


def volumes_of(output: Path) -> pd.DataFrame:
    write_tables(*read_records(output), output)
    return pd.read_csv(output / "volumes.tsv", sep="\t", index_col="scan")


def test_painted_labels_are_saved_beside_the_others_and_told_in_the_tables(study: Path) -> None:
    first, second = read_records(study)[0][:2]
    made = {file: file.read_bytes() for file in study.rglob("sub-0_*")}
    record = paint(first)
    assert record.is_corrected
    assert record.place.labels.name == "sub-0_seg-tissue4_desc-corrected_dseg.nii.gz"
    assert all(file.read_bytes() == before for file, before in made.items())
    table = record.place.labels.with_name("sub-0_seg-tissue4_desc-corrected_dseg.tsv")
    assert "Lesion" in table.read_text()
    assert record.place.picture.exists()
    write_judgement(study, first.name, Judgement("good", "", first.labels))
    volumes = volumes_of(study)
    assert volumes["Lesion"].round(3).tolist()[0] == round(8 * 6**3 / 1000, 3)
    assert volumes["corrected"].tolist()[:2] == ["yes", "no"]
    assert volumes["verdict"].fillna("").tolist()[:2] == ["good", ""]
    assert second.volumes["Cortex"] == np.float64(volumes["Cortex"].iloc[1]).round(3)

    assert not discard(record).is_corrected
    assert volumes_of(study)["corrected"].tolist()[:2] == ["no", "no"]
    assert set(study.rglob("sub-0_*")) == set(made)


def test_another_mask_gives_other_labels_made_as_those_of_the_study(study: Path) -> None:
    record = read_records(study)[0][0]
    mask = np.asanyarray(nib.load(record.mask).dataobj) > 0
    stages: list[str] = []
    again = fit_again(record, mask, stages.append)
    before, same = (nib.load(one.place.labels).dataobj for one in (record, again))
    np.testing.assert_array_equal(before, same)
    assert "iteration 3" in stages
    mask[: len(mask) // 2] = False
    record = fit_again(again, mask, stages.append)
    labels = np.asanyarray(nib.load(record.place.labels).dataobj)
    assert labels.any()
    assert not labels[~mask].any()
    assert record.mask.name == "sub-0_desc-correctedbrain_mask.nii.gz"
    assert record.report["brain"]["volume"] < again.report["brain"]["volume"]


def test_what_was_said_and_corrected_of_labels_does_not_hold_for_others(study: Path) -> None:
    record = paint(read_records(study)[0][0])
    write_judgement(study, record.name, Judgement("good", "", record.labels))
    assert read_records(study)[0][0].judgement.verdict == "good"
    report = json.loads(record.original.report.read_text())
    report["cohort"]["inputs"] = "others"
    record.original.report.write_text(json.dumps(report))
    found = read_records(study)[0][0]
    assert not found.is_corrected
    assert found.judgement.verdict == ""


def test_sides_that_were_painted_equal_are_told_as_equal(study: Path) -> None:
    record = read_records(study)[0][0]
    report = json.loads(record.place.report.read_text())
    report["quality"]["asymmetry"] = {"value": 9.0, "message": "left and right differ"}
    report["notes"] = ["the field is strong", "left and right differ"]
    record.place.report.write_text(json.dumps(report))
    scan = read_scan(record.scan)
    sides = [
        Structure(number, f"{side}-Hippocampus", (number, 0, 0))
        for number, side in ((17, "Left"), (53, "Right"))
    ]
    for width, value, warnings in ((2, 0.0, 1), (6, 0.5 / ASYMMETRY["Hippocampus"], 2)):
        labels = np.zeros(scan.voxels.shape, np.int16)
        labels[8:10, 10:12, 10:12] = 17
        labels[12 : 12 + width, 10:12, 10:12] = 53
        save_painted(read_records(study)[0][0], labels, scan, labels > 0, sides)
        write_tables(*read_records(study), study)
        told = pd.read_csv(study / "quality.tsv", sep="\t").iloc[0]
        assert told["asymmetry"] == pytest.approx(value, abs=1e-3)
        assert told["warnings"] == warnings
        assert "the field is strong" in told["told"]


def test_the_long_table_follows_corrections_too(study: Path) -> None:
    write_tables(*read_records(study), study, long=True)
    paint(read_records(study)[0][0])
    write_tables(*read_records(study), study)
    long = pd.read_csv(study / "volumes_long.tsv", sep="\t")
    assert "Lesion" in long["structure"].tolist()
