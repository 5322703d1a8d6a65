"""The output is what BIDS calls a data set of derivatives."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from src_core.cohort.inputs import Filters, find_scans
from src_core.cohort.records import read_records
from src_core.cohort.report_page import write_page
from src_core.cohort.tables import write_tables
from src_core.cohort.tasks import run_task
from tests.helpers.study import planned

if TYPE_CHECKING:
    from src_core.request import Request

VALIDATOR = shutil.which("bids-validator-deno", path=Path(sys.executable).parent)


@pytest.mark.skipif(VALIDATOR is None, reason="no validator of BIDS")
def test_the_validator_of_bids_finds_no_error(
    data_set: Path, request_for_all: Request, tmp_path: Path
) -> None:
    output = tmp_path / "out"
    (data_set / "sub-02/sub-02_sessions.tsv").write_text("session_id\tage\nses-a\t72\n")
    for task in planned(find_scans([data_set], Filters()), request_for_all, output):
        assert run_task(task).why == ""
    records, failures = read_records(output)
    write_tables(records, failures, output, long=True)
    write_page(records, failures, output)
    words = [VALIDATOR, output, "--json"]
    said = json.loads(subprocess.run(words, capture_output=True, check=False).stdout)
    issues = said["issues"]["issues"]
    assert [one for one in issues if one["severity"] == "error"] == []
