"""What an output tells of its scans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from src_core.cohort.inputs import CohortScan, Filters, find_scans
from src_core.cohort.places import seen_from
from src_core.cohort.plan import claim, plan, settings_of
from src_core.cohort.records import read_records
from src_core.cohort.tables import write_tables
from src_core.cohort.tasks import run_task
from tests.helpers.study import planned

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

    from src_core.request import Request


def scans_in(table: Path) -> list[str]:
    return pd.read_csv(table, sep="\t")["scan"].tolist()


def test_labels_of_other_options_are_told_apart_from_those_of_the_study(
    study: Path, coarse_scans: list[Path], request_for_all: Request
) -> None:
    request = replace(request_for_all, iterations=5, threads=1)
    settings = settings_of(request)
    claim(study, settings, overwrite=True)
    scan = CohortScan(coarse_scans[0], "sub-0_T1w")
    (task,), _ = plan([scan], request, settings, study, time_limit=0)
    assert run_task(task).why == ""
    write_tables(*read_records(study), study)
    assert scans_in(study / "volumes.tsv") == ["sub-0"]
    failed = pd.read_csv(study / "failed.tsv", sep="\t")
    assert failed["scan"].tolist() == ["sub-1", "sub-2"]
    assert failed["why"].str.contains("other options; run the batch again").all()
    assert (study / failed["file"][0]).exists()


def test_each_session_has_the_age_of_its_own(
    coarse_scans: list[Path], request_for_all: Request, tmp_path: Path
) -> None:
    table = tmp_path / "scans.csv"
    rows = ["1,1,30,F", "1,2,40,F", "2,,50,M"]
    lines = [f"{file},{row}\n" for file, row in zip(coarse_scans, rows, strict=True)]
    table.write_text("".join(["scan,subject,session,age,sex\n", *lines]))
    output = tmp_path / "out"
    for task in planned(find_scans([table], Filters()), request_for_all, output):
        assert run_task(task).why == ""
    write_tables(*read_records(output), output)
    volumes = pd.read_csv(output / "volumes.tsv", sep="\t")
    assert volumes["age"].tolist() == [30, 40, 50]
    assert volumes["sex"].tolist() == ["F", "F", "M"]
    people = pd.read_csv(output / "participants.tsv", sep="\t")
    assert people["age"].fillna(0).tolist() == [0, 50]
    # A later run of one of the sessions leaves what is known of the other.
    table.write_text("".join(["scan,subject,session,age,sex\n", lines[1]]))
    planned(find_scans([table], Filters()), request_for_all, output)
    assert [one.age for one in read_records(output)[0]] == [30, 40, 50]


def test_scans_are_found_from_an_output_that_a_link_leads_to(
    coarse_scans: list[Path], request_for_all: Request, tmp_path: Path
) -> None:
    (tmp_path / "far" / "away").mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "far" / "away", target_is_directory=True)
    (task,) = planned([CohortScan(coarse_scans[0], "sub-0_T1w")], request_for_all, link)
    assert run_task(task).why == ""
    for output in (link, tmp_path / "far" / "away"):
        (record,), _ = read_records(output)
        assert record.scan.samefile(coarse_scans[0])


def test_a_scan_on_another_drive_is_noted_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def relpath(*_: object) -> str:
        raise ValueError("path is on mount 'D:', start on mount 'C:'")

    monkeypatch.setattr("os.path.relpath", relpath)
    scan = tmp_path / "a.nii"
    assert tmp_path / "out" / seen_from(tmp_path / "out", scan) == scan.resolve()
