"""What an output tells of its scans, read back from the files beside the label maps."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from src_core.cohort.inputs import read_traits, traits_of
from src_core.cohort.places import FAILURE_ENDING, PARTICIPANTS, Place, reports_in
from src_core.cohort.plan import Settings, read_settings
from src_core.cohort.review import NOT_JUDGED, Judgement, read_review
from src_core.errors import InputError
from src_core.io.bids_names import entities_of
from src_core.io.export import write_json
from src_core.io.files import digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from src_core.cohort.tasks import Outcome

_LETTERS = 12
_OF_OTHERS = "its labels are of other options; run the batch again"


@dataclass(frozen=True)
class Record:
    """A scan that has labels.

    Attributes
    ----------
    name : str
        ``sub-01_ses-2``.
    report : mapping
        Of the label map; of the corrected one, if there is one.
    place : Place
        Of its files; those of a corrected label map, if there is one.
    traits : mapping of str to str
        Age and sex, where they are known.
    judgement : Judgement
        What was said of its labels.
    """

    name: str
    report: Mapping[str, Any]
    place: Place
    traits: Mapping[str, str]
    judgement: Judgement = NOT_JUDGED

    @property
    def is_corrected(self) -> bool:
        """Whether the labels are corrected ones."""
        return self.place.is_corrected

    @property
    def scan(self) -> Path:
        """File of the scan, or folder of DICOM files."""
        return self.place.output.resolve() / str(self.report["cohort"]["scan"])

    @property
    def mask(self) -> Path:
        """File of the brain mask that the labels were made with."""
        corrected = self.place.mask
        return corrected if corrected.exists() else self.original.mask

    @property
    def original(self) -> Place:
        """Of the files of the labels as they were made."""
        return replace(self.place, is_corrected=False)

    @property
    def labels(self) -> str:
        """Tells its labels from those that other files or settings would give."""
        told = json.dumps(self.report.get("cohort"), sort_keys=True)
        return digest(told.encode())[:_LETTERS]

    @property
    def entities(self) -> dict[str, str]:
        """Of its name."""
        return entities_of(self.name)

    @property
    def age(self) -> float | None:
        """In years, if it is known."""
        try:
            return float(self.traits["age"])
        except (KeyError, ValueError):
            return None

    @property
    def volumes(self) -> dict[str, float]:
        """ML by structure."""
        return {name: mm3 / 1000 for name, mm3 in self.report["volumes"].items()}


@dataclass(frozen=True)
class Failure:
    """A scan without labels, and why it has none."""

    name: str
    scan: str
    why: str


def protocol_in(output: Path) -> str:
    """Protocol of the labels in an output.

    Raises
    ------
    InputError
        There is no cohort.
    """
    found = read_settings(output).get("labels")
    if found is None:
        raise InputError(f"{output} holds no cohort; `napari-metaseg batch` makes one")
    return str(found)


def read_records(output: Path) -> tuple[list[Record], list[Failure]]:
    """All scans of an output: those that have labels, and those that failed.

    Labels that were made with other settings than those of the output are as if there were none.

    Raises
    ------
    InputError
        There are none, or a report is damaged.
    """
    protocol = protocol_in(output)
    people = read_traits(output / PARTICIPANTS)
    said = read_review(output)
    current = Settings(protocol, read_settings(output)).checksum
    failures = [
        Failure(**{key: str(_read(path).get(key)) for key in ("name", "scan", "why")})
        for path in sorted((output / "logs").glob(f"*{FAILURE_ENDING}"))
    ]
    failed = {one.name for one in failures}
    records = []
    for path in reports_in(output, protocol):
        place = Place.of_report(path, output, protocol)
        record = read_record(place, traits_of(place.scan, output, people))
        if record.report.get("cohort", {}).get("settings", current) != current:
            # Volumes of other options or another model cannot stand in one table with these.
            if record.name not in failed:
                failures.append(Failure(record.name, str(record.scan), _OF_OTHERS))
            continue
        judgement = said.get(record.name, NOT_JUDGED)
        if judgement.labels == record.labels:
            record = replace(record, judgement=judgement)
        records.append(record)
    if not records and not failures:
        raise InputError(f"{output} holds no scan that was segmented")
    return sorted(records, key=lambda one: one.name), sorted(failures, key=lambda one: one.name)


def read_record(place: Place, traits: Mapping[str, str]) -> Record:
    """What is told of one scan; of its corrected labels, if they were made of those it has now.

    Raises
    ------
    InputError
        A report is damaged.
    """
    made, corrected = _read(place.report), place.corrected
    if corrected.report.exists() and made.get("cohort"):
        report = _read(corrected.report)
        if report.get("cohort") == made["cohort"]:
            return Record(place.name, report, corrected, traits)
    return Record(place.name, made, place, traits)


def note(outcome: Outcome) -> None:
    """Keep why a scan failed, or that it no longer does.

    Raises
    ------
    InputError
        The disk is full.
    """
    place: Place = outcome.task.place
    if not outcome.why:
        place.failure.unlink(missing_ok=True)
        return
    told = {"name": place.name, "scan": outcome.task.request.scan, "why": outcome.why}
    write_json(told, place.failure, overwrite=True)


def _read(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path} is damaged ({error}); delete it and run the batch again"
        ) from error
    if not isinstance(found, dict):
        raise InputError(f"{path} is damaged; delete it and run the batch again")
    return found
