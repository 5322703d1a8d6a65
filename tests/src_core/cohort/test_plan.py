"""What is still to be done, and what an output refuses."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from src_core.cohort.inputs import Filters, find_scans
from src_core.cohort.plan import check_apart, claim, plan, settings_of
from src_core.cohort.products import Products
from src_core.cohort.tasks import ScanTask, run_task
from tests.helpers.datasets import refused

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.request import Request


@pytest.fixture
def output(tmp_path: Path) -> Path:
    return tmp_path / "out"


def planned(data_set: Path, request: Request, output: Path) -> list[ScanTask]:
    settings = settings_of(request)
    scans = find_scans([data_set], Filters())
    to_do, _ = plan(scans, request, settings, output, time_limit=0)
    return to_do


def names(data_set: Path, request: Request, output: Path) -> list[str]:
    return [task.place.name for task in planned(data_set, request, output)]


def test_only_what_is_missing_or_changed_is_done_again(
    data_set: Path, request_for_all: Request, output: Path
) -> None:
    tasks = planned(data_set, request_for_all, output)
    assert len(tasks) == 3
    for task in tasks[:2]:
        for folder in task.place.folders:
            folder.mkdir(parents=True, exist_ok=True)
        assert run_task(task).why == ""
    assert names(data_set, request_for_all, output) == ["sub-03_run-1"]

    products = Products(probabilities=True, warp=True, lut="itksnap")
    one = replace(tasks[0], products=products)
    assert not one.is_done()
    assert run_task(one).why == ""
    assert all(file.exists() for file in products.files(one.place))
    assert one.is_done()

    first, second = (task.inputs["scan"] for task in tasks[:2])
    os.utime(first)  # touched, with the same content
    assert names(data_set, request_for_all, output) == ["sub-03_run-1"]
    assert len(names(data_set, replace(request_for_all, seed=2), output)) == 3
    second.write_bytes(first.read_bytes())
    assert names(data_set, request_for_all, output) == ["sub-02_ses-a", "sub-03_run-1"]
    for file in (tasks[0].place.labels, tasks[0].place.mask):
        there = file.rename(file.with_name("away"))
        assert len(names(data_set, request_for_all, output)) == 3
        there.rename(file)
    tasks[0].place.report.write_text("{")
    assert len(names(data_set, request_for_all, output)) == 3


def test_an_output_holds_labels_of_one_kind(request_for_all: Request, output: Path) -> None:
    claim(output, settings_of(request_for_all), overwrite=False)
    claim(output, settings_of(replace(request_for_all, threads=7)), overwrite=False)
    other = settings_of(replace(request_for_all, iterations=5))
    with refused("was made with iterations 3, not 5"):
        claim(output, other, overwrite=False)
    claim(output, other, overwrite=True)
    claim(output, other, overwrite=False)


def test_a_data_set_or_a_project_is_no_output(
    request_for_all: Request, data_set: Path, tmp_path: Path
) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "volumes.tsv").write_text("mine")
    before = {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}
    settings = settings_of(request_for_all)
    with refused("holds dataset_description.json, participants.tsv of something else"):
        claim(data_set, settings, overwrite=True)
    with refused("holds volumes.tsv of something else"):
        claim(project, settings, overwrite=True)
    assert before == {file: file.read_bytes() for file in tmp_path.rglob("*") if file.is_file()}


def test_an_output_lies_beside_its_input_or_in_its_derivatives(tmp_path: Path) -> None:
    for inside in (tmp_path, tmp_path / "a"):
        with refused("lies in the input"):
            check_apart([tmp_path], inside)
    check_apart([tmp_path], tmp_path / "derivatives" / "metaseg")
    (tmp_path / "file").touch()
    with refused("is a file"):
        check_apart([tmp_path / "x"], tmp_path / "file")
