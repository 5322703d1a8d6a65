"""A study that was segmented: small, quick, and made once for all tests that copy it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from src_core.cohort.derivatives import write_description
from src_core.cohort.inputs import CohortScan
from src_core.cohort.plan import claim, plan, settings_of
from src_core.cohort.tasks import ScanTask, run_task
from src_core.io import export, sample
from src_core.request import Request

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

VOXEL_SIZE = 6.0


def quick_request(model: Path) -> Request:
    """No alignment, three iterations."""
    return Request("", model=model, align=False, iterations=3)


def write_phantoms(folder: Path, count: int) -> list[Path]:
    """Scans of 6 mm, each another brain."""
    files = []
    for seed in range(count):
        scan, _ = sample.phantom(voxel_size=VOXEL_SIZE, seed=seed)
        files.append(folder / f"{seed}.nii.gz")
        export.write_scalar_map(scan.voxels, scan, files[-1])
    return files


def planned(scans: Sequence[CohortScan], request: Request, output: Path) -> list[ScanTask]:
    """The tasks of a new output that are to be done, with the folders that they need."""
    settings = settings_of(request)
    claim(output, settings, overwrite=False)
    write_description(output, settings, scans)
    tasks, _ = plan(scans, replace(request, threads=1), settings, output, time_limit=0)
    for task in tasks:
        for folder in task.place.folders:
            folder.mkdir(parents=True, exist_ok=True)
    return tasks


def write_study(output: Path, files: Sequence[Path], model: Path) -> None:
    """Segment files as the scans sub-0, sub-1 and so on."""
    scans = [CohortScan(file, f"sub-{number}_T1w") for number, file in enumerate(files)]
    for task in planned(scans, quick_request(model), output):
        assert run_task(task).why == ""
