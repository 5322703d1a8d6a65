"""What an output tells of its scans, read back from the files beside the label maps."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from src_core.cohort.derivatives import PARTICIPANTS
from src_core.cohort.inputs import read_traits
from src_core.cohort.places import FAILURE_ENDING, FIGURES, Place, reports_in
from src_core.cohort.plan import read_settings
from src_core.errors import InputError
from src_core.io.bids_names import entities_of
from src_core.io.export import write_json

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from src_core.cohort.tasks import Outcome


@dataclass(frozen=True)
class Record:
    """A scan that has labels.

    Attributes
    ----------
    name : str
        ``sub-01_ses-2``.
    report : mapping
        Of the label map.
    picture : Path
        Of its planes; it may be missing.
    traits : mapping of str to str
        Age and sex, where they are known.
    """

    name: str
    report: Mapping[str, Any]
    picture: Path
    traits: Mapping[str, str]

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


def read_records(output: Path) -> tuple[list[Record], list[Failure]]:
    """All scans of an output: those that have labels, and those that failed.

    Raises
    ------
    InputError
        There are none, or a report is damaged.
    """
    protocol = read_settings(output).get("labels")
    if protocol is None:
        raise InputError(f"{output} holds no cohort; `napari-metaseg batch` makes one")
    people = read_traits(output / PARTICIPANTS)
    records = [_record(path, output, people) for path in reports_in(output, protocol)]
    failures = [
        Failure(**{key: str(_read(path).get(key)) for key in ("name", "scan", "why")})
        for path in sorted((output / "logs").glob(f"*{FAILURE_ENDING}"))
    ]
    if not records and not failures:
        raise InputError(f"{output} holds no scan that was segmented")
    return sorted(records, key=lambda one: one.name), failures


def _record(path: Path, output: Path, people: Mapping[str, Mapping[str, str]]) -> Record:
    entities = entities_of(path.name)
    name = path.name.removesuffix("_dseg.json").replace(f"_seg-{entities['seg']}", "")
    picture = output / FIGURES / path.with_suffix(".jpg").name
    return Record(name, _read(path), picture, people.get(entities["sub"], {}))


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
