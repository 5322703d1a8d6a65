"""What becomes of scans whose processes do not come back, and of the rest."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src_core.cohort.inputs import CohortScan
from src_core.cohort.plan import plan, settings_of
from src_core.cohort.work import outcomes

if TYPE_CHECKING:
    from pathlib import Path

    from distributed import Client

    from src_core.request import Request


@pytest.mark.filterwarnings("ignore")  # Dask's own, of its processes
def test_a_scan_that_hangs_is_tried_again_and_given_up_while_the_rest_goes_on(
    two_workers: Client, study: Path, coarse_scans: list[Path], request_for_all: Request
) -> None:
    hanging = study / "hangs.nii.gz"
    os.mkfifo(hanging)  # nothing ever comes out of it
    scans = [CohortScan(hanging, "sub-hangs_T1w")]
    # The others are done, which their tasks find out by themselves.
    scans += [CohortScan(file, f"sub-{number}_T1w") for number, file in enumerate(coarse_scans)]
    first, rest = plan(scans, request_for_all, settings_of(request_for_all), study, time_limit=0)
    tasks = [replace(first[0], time_limit=1), *rest]
    for folder in tasks[0].place.folders:
        folder.mkdir(parents=True, exist_ok=True)
    ended = {one.task.place.name: one.why for one in outcomes(two_workers, tasks)}
    assert "killed each time" in ended.pop("sub-hangs")
    assert ended == {"sub-0": "", "sub-1": "", "sub-2": ""}
    log = tasks[0].place.log.read_text()
    assert log.count("begins") == 2
    assert "Timeout" in log
