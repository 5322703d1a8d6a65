"""Scores of a method on scans, one file per scan."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from tqdm import tqdm

from src_core.datasets.labelled import LabelledScan, read_example, read_mask
from src_core.datasets.mapping import IGNORED
from src_core.io.export import write_json
from src_core.preparation.brain import brain_mask
from src_core.results.measure import compare

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from benchmarks.baselines.data import Task
    from benchmarks.baselines.method import Method


def score(
    method: Method,
    name: str,
    task: Task,
    scans: Sequence[LabelledScan],
    training_seconds: float | None,
    folder: Path,
) -> None:
    """Label scans and compare them with their labels; scans that are scored already are left out.

    Parameters
    ----------
    method : Method
        Trained.
    name : str
        Of the method, in the files.
    task : Task
    scans : sequence of LabelledScan
    training_seconds : float or None
        For the table.
    folder : Path
        Gets ``<scan>.json``.
    """
    for labelled in tqdm(scans, desc=name, unit="scan"):
        path = folder / f"{labelled.name}.json"
        if path.exists():
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        scan, classes = read_example(labelled, task.mapping)
        given = read_mask(labelled, scan)
        wall, processor = time.perf_counter(), time.process_time()
        labels = method.label(scan, brain_mask(scan, given))
        wall, processor = time.perf_counter() - wall, time.process_time() - processor
        # What the labels leave open counts for and against nobody.
        known = classes != IGNORED
        reference = task.protocol.to_ids(np.where(known, classes, np.uint8(0)))
        found = {
            "method": name,
            "title": method.title,
            "scan": labelled.name,
            "split": labelled.split,
            "protocol": task.protocol.name,
            "weights": method.size,
            "seconds": wall,
            "processor_seconds": processor,
            "threads": torch.get_num_threads(),
            "training_seconds": training_seconds,
            "comparison": compare(labels * known, reference, scan.affine, task.protocol),
        }
        write_json(found, path)
