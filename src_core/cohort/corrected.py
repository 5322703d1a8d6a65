"""Corrected labels of a scan, beside those that were made: painted, or fitted with another mask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from src_core.cohort.pictures import write_picture
from src_core.cohort.plan import read_settings
from src_core.cohort.records import read_record
from src_core.errors import InputError
from src_core.io import export
from src_core.models.bundled import model_path
from src_core.models.model_file import read_model_file
from src_core.options import options_of
from src_core.preparation.findings import messages
from src_core.request import Request
from src_core.results import measure
from src_core.results.quality import asymmetry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from src_core.cohort.records import Record
    from src_core.io.labels import Structure
    from src_core.io.scan import Scan

_OF_THE_LABELS_BEFORE = ("dice", "mean_dice", "compared_in")


def save_painted(
    record: Record,
    labels: np.ndarray,
    scan: Scan,
    mask: np.ndarray,
    structures: Sequence[Structure],
) -> Record:
    """Write labels that were painted on, with their volumes and what these tell of quality.

    Parameters
    ----------
    record : Record
    labels : ndarray of int, shape (I, J, K)
    scan : Scan
    mask : ndarray of bool, shape (I, J, K)
        The brain, for the picture.
    structures : sequence of Structure

    Returns
    -------
    Record
        The scan as it is now.

    Raises
    ------
    InputError
        They cannot be written.
    """
    found = measure.volumes(labels, scan.affine, [s.id for s in structures])
    volumes = {s.name: round(float(found[s.id]), 3) for s in structures}
    kept = {k: value for k, value in record.report.items() if k not in _OF_THE_LABELS_BEFORE}
    report = kept | _asymmetry_anew(record, structures, found)
    report |= {"volumes": volumes, "corrected": "painted"}
    _write(record, labels, scan, mask, structures, report)
    return _as_it_is(record)


def fit_again(record: Record, mask: np.ndarray, on_stage: Callable[[str], None]) -> Record:
    """Segment a scan with another brain mask, and otherwise as its study was.

    Parameters
    ----------
    record : Record
    mask : ndarray, shape (I, J, K)
        On the scan's grid, above 0 inside.
    on_stage : callable
        Called with what is being done; what it raises ends the fit.

    Returns
    -------
    Record
        The scan as it is now.

    Raises
    ------
    InputError
        The model is not there any more, the mask cannot be used, or nothing can be written.
    """
    from src_core.segment import segment

    def step(one: Any) -> None:
        on_stage(f"iteration {one.iteration}")

    # Whoever gave the mask looks at the result: faults of the scan are told, and refuse nothing.
    request = replace(_request(record), scan=record.scan, mask=mask, force=True)
    result = segment(request, on_stage=on_stage, on_step=step)
    report = result.report | {"cohort": record.report["cohort"], "corrected": "fitted"}
    place = record.place.corrected
    export.write_mask(result.mask, result.scan, place.mask, overwrite=True)
    structures = result.protocol.structures
    _write(record, result.labels, result.scan, result.mask, structures, report)
    return _as_it_is(record)


def discard(record: Record) -> Record:
    """Delete corrected labels, so that those that were made count again."""
    place = record.place.corrected
    # The report goes first: without it the rest is not looked at.
    endings = (".json", ".tsv", ".nii.gz")
    files = [export.companion(place.labels, ending) for ending in endings]
    for file in (*files, place.mask, place.picture):
        file.unlink(missing_ok=True)
    return _as_it_is(record)


def _write(
    record: Record,
    labels: np.ndarray,
    scan: Scan,
    mask: np.ndarray,
    structures: Sequence[Structure],
    report: dict[str, Any],
) -> None:
    place = record.place.corrected
    made = record.original.labels.relative_to(place.output).as_posix()
    described = report | {"Sources": [f"bids::{made}"]}
    write_picture(scan, labels, mask, structures, place.picture)
    export.write_labels(
        labels, scan, place.labels, protocol=structures, details=described, overwrite=True
    )


def _asymmetry_anew(
    record: Record, structures: Sequence[Structure], volumes: Mapping[int, float]
) -> dict[str, Any]:
    """Quality and notes with the one check that reads labels done again, if it was done."""
    quality = dict(record.report["quality"])
    former = quality.pop("asymmetry", None)
    if former is None:  # a slice, or a model that was trained on nothing
        return {}
    again = asymmetry(structures, volumes)
    notes = [note for note in record.report["notes"] if note != former["message"]]
    return {
        "quality": quality | {one.check: one.to_json() for one in again},
        "notes": [*notes, *messages(again)],
    }


def _as_it_is(record: Record) -> Record:
    found = read_record(record.original, record.traits)
    return replace(found, judgement=record.judgement)


def _request(record: Record) -> Request:
    """The request that the scans of a study were segmented with."""
    told, cohort = read_settings(record.place.output), record.report["cohort"]
    name, checksum = cohort.get("model", told["model"]["name"]), told["model"]["sha256"]
    if read_model_file(model_path(name)).sha256 != checksum:
        raise InputError(f"the model {name} is not the one that this study was made with")
    options = {key: told[key] for key in options_of(Request) if key in told and key != "model"}
    if options.get("transform") is not None:
        options["transform"] = np.array(options["transform"])
    return Request(Path(), model=name, threads=record.report.get("threads"), **options)
