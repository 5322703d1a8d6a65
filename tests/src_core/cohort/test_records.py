"""What an output tells of its scans."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pandas as pd

from src_core.cohort.inputs import CohortScan
from src_core.cohort.plan import claim, plan, settings_of
from src_core.cohort.records import read_records
from src_core.cohort.tables import write_tables
from src_core.cohort.tasks import run_task

if TYPE_CHECKING:
    from pathlib import Path

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
