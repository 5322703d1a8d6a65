"""What becomes of a scan whose process does not come back."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src_core.cohort.cluster import ClusterSettings, connected
from src_core.cohort.inputs import CohortScan
from src_core.cohort.plan import plan, settings_of
from src_core.cohort.work import outcomes

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.request import Request


@pytest.mark.filterwarnings("ignore")  # Dask's own, of its processes
def test_a_scan_that_hangs_is_tried_again_and_given_up_while_the_rest_goes_on(
    coarse_scans: list[Path], request_for_all: Request, tmp_path: Path
) -> None:
    os.mkfifo(tmp_path / "hangs.nii.gz")  # nothing ever comes out of it
    scans = [CohortScan(tmp_path / "hangs.nii.gz", "sub-hangs_T1w")]
    scans += [CohortScan(file, f"sub-{number}_T1w") for number, file in enumerate(coarse_scans)]
    settings = settings_of(request_for_all)
    tasks, _ = plan(scans, request_for_all, settings, tmp_path / "out", time_limit=0)
    tasks[0] = replace(tasks[0], time_limit=1)
    for task in tasks:
        for folder in task.place.folders:
            folder.mkdir(parents=True, exist_ok=True)
    with connected(ClusterSettings(workers=2), len(tasks), "cpu") as client:
        ended = {one.task.place.name: one.why for one in outcomes(client, tasks)}
    assert "killed each time" in ended.pop("sub-hangs")
    assert ended == {"sub-0": "", "sub-1": "", "sub-2": ""}
    log = tasks[0].place.log.read_text()
    assert log.count("begins") == 2
    assert "Timeout" in log
