"""A cohort on two processes: the same labels as one scan at a time gives, and told of in tables."""

from __future__ import annotations

import shutil
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pandas as pd
import pytest

from src_core.cohort.batch import Batch, run_batch
from src_core.cohort.cluster import ClusterSettings
from src_core.cohort.corrected import fit_again
from src_core.cohort.inputs import Filters
from src_core.cohort.records import read_records
from src_core.cohort.tables import write_tables
from src_core.cohort.tasks import run_task
from src_core.segment import segment

if TYPE_CHECKING:
    from collections.abc import Iterator

    from distributed import Client

    from src_core.cohort.tasks import Outcome, ScanTask
    from src_core.request import Request


def run(data_set: Path, request: Request, output: Path) -> tuple[list[int], list[Outcome]]:
    """Numbers of scans to be done and done before, and how those to be done ended."""
    counts: list[int] = []
    batch = Batch([data_set], output, request, Filters(), ClusterSettings(workers=2))
    return counts, list(run_batch(batch, lambda to_do, done, _: counts.extend((to_do, done))))


@pytest.fixture
def on_them(two_workers: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Do batches on the processes that run."""
    monkeypatch.setattr("src_core.cohort.batch.connected", lambda *_: nullcontext(two_workers))


@pytest.fixture
def in_another_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Do batches in this process, while it is in a folder of its own."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()

    def outcomes(_: None, tasks: list[ScanTask]) -> Iterator[Outcome]:
        monkeypatch.chdir(elsewhere)
        yield from map(run_task, tasks)

    monkeypatch.setattr("src_core.cohort.batch.connected", lambda *_: nullcontext())
    monkeypatch.setattr("src_core.cohort.batch.outcomes", outcomes)


@pytest.mark.usefixtures("on_them")
@pytest.mark.filterwarnings("ignore")  # Dask's own, of its processes
def test_two_processes_give_what_one_gives_and_what_failed_is_told(
    data_set: Path, request_for_all: Request, tmp_path: Path
) -> None:
    damaged = data_set / "sub-04" / "anat" / "sub-04_T1w.nii.gz"
    damaged.parent.mkdir(parents=True)
    damaged.write_bytes((data_set / "sub-01/anat/sub-01_T1w.nii.gz").read_bytes()[:5000])
    output = tmp_path / "out"
    counts, ended = run(data_set, request_for_all, output)
    assert counts == [4, 0]
    assert {one.task.place.name: bool(one.why) for one in ended} == {
        "sub-01": False,
        "sub-02_ses-a": False,
        "sub-03_run-1": False,
        "sub-04": True,
    }
    for scan, labels in (
        ("sub-01/anat/sub-01_T1w", "sub-01/anat/sub-01_seg-tissue4_dseg"),
        ("sub-02/ses-a/anat/sub-02_ses-a_T1w", "sub-02/ses-a/anat/sub-02_ses-a_seg-tissue4_dseg"),
    ):
        alone = segment(
            data_set / f"{scan}.nii.gz",
            model=request_for_all.model,
            align=False,
            iterations=3,
            threads=1,
        )
        found = nib.load(output / f"{labels}.nii.gz")
        np.testing.assert_array_equal(np.asanyarray(found.dataobj), alone.labels)

    write_tables(*read_records(output), output, long=True)
    volumes = pd.read_csv(output / "volumes.tsv", sep="\t")
    assert volumes["scan"].tolist() == ["sub-01", "sub-02_ses-a", "sub-03_run-1"]
    assert volumes["participant_id"].tolist() == ["sub-01", "sub-02", "sub-03"]
    assert volumes["age"].tolist()[:2] == [23, 71]
    assert volumes["Cortex"].notna().all()
    failed = pd.read_csv(output / "failed.tsv", sep="\t")
    assert failed["scan"].tolist() == ["sub-04"]
    assert "truncated" in failed["why"][0]
    long = pd.read_csv(output / "volumes_long.tsv", sep="\t")
    assert len(long) == 3 * 4

    shutil.copy(data_set / "sub-01/anat/sub-01_T1w.nii.gz", damaged)
    counts, ended = run(data_set, request_for_all, output)
    assert counts == [1, 3]
    assert [one.why for one in ended] == [""]
    assert read_records(output)[1] == []
    counts, ended = run(data_set, request_for_all, output)
    assert (counts, ended) == ([0, 4], [])


@pytest.mark.usefixtures("in_another_folder")
def test_paths_from_where_the_user_is_hold_for_workers_and_later(
    data_set: Path, request_for_all: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(Path(str(request_for_all.model)), tmp_path / "mine.safetensors")
    request = replace(request_for_all, model="mine.safetensors")
    monkeypatch.chdir(tmp_path)
    filters = Filters(["01"])
    batch = Batch([Path(data_set.name)], Path("out"), request, filters, ClusterSettings())
    assert [one.why for one in run_batch(batch, lambda *_: None)] == [""]
    (record,) = read_records(tmp_path / "out")[0]
    again = fit_again(record, nib.load(record.mask).get_fdata(), lambda _: None)
    assert again.is_corrected


@pytest.mark.usefixtures("in_another_folder")
def test_a_failure_that_is_over_is_told_no_more(
    data_set: Path, request_for_all: Request, tmp_path: Path
) -> None:
    output, (scan,) = tmp_path / "out", data_set.glob("sub-01/anat/*_T1w.nii.gz")
    batch = Batch([data_set], output, request_for_all, Filters(["01"]), ClusterSettings())
    list(run_batch(batch, lambda *_: None))
    whole = scan.read_bytes()
    scan.write_bytes(whole[:5000])
    (failed,) = run_batch(batch, lambda *_: None)
    assert failed.why
    assert [one.name for one in read_records(output)[1]] == ["sub-01"]
    scan.write_bytes(whole)
    assert list(run_batch(batch, lambda *_: None)) == []
    assert read_records(output)[1] == []
