"""What makes a folder a data set of BIDS derivatives, besides the files of its scans."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from src_core import __version__
from src_core.cohort.inputs import ID_OF, TRAITS, read_traits
from src_core.cohort.places import (
    DESCRIPTION,
    IGNORED,
    PARTICIPANTS,
    README,
    seen_from,
    sessions_table,
)
from src_core.io.bids_names import entities_of
from src_core.io.export import write_json
from src_core.io.files import complete_files
from src_core.io.tables import tabbed

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from src_core.cohort.inputs import CohortScan
    from src_core.cohort.plan import Settings

_Traits = dict[str, dict[str, str]]
"""Of people or of sessions, by label."""
_BIDS_VERSION = "1.10.0"
_IGNORED = """\
logs
figures
report.html
review.tsv
volumes*.tsv
quality.tsv
failed.tsv
*_xfm.nii.gz
*_dseg_*.txt
"""
_README = """\
Label maps of brain MRI, made by napari-metaseg.

sub-*/[ses-*/]anat/*_dseg.nii.gz has the labels, on the grid of the scan; *_dseg.tsv says what they
are, *_dseg.json how they were made and what was measured; *_desc-brain_mask.nii.gz is the brain.
*_desc-corrected_dseg.nii.gz has labels that somebody corrected; it then goes before the other.
volumes.tsv, quality.tsv and failed.tsv tell of all scans, review.tsv has what was said of them,
report.html shows them with the pictures in figures/, and logs/ has what was done. Research use
only: inspect every result.
"""


def write_description(output: Path, settings: Settings, scans: Iterable[CohortScan]) -> None:
    """Write what describes the data set: its name, what made it, and whom it tells of.

    Raises
    ------
    InputError
        A file cannot be written.
    """
    every = list(scans)
    model = settings.told["model"]
    described: dict[str, Any] = {
        "Name": f"napari-metaseg, {settings.protocol}",
        "BIDSVersion": _BIDS_VERSION,
        "DatasetType": "derivative",
        "GeneratedBy": [
            {
                "Name": "napari-metaseg",
                "Version": __version__,
                "Description": f"model {model['name']}, sha256 {model['sha256']}",
            }
        ],
    }
    if every[0].dataset is not None:
        described["DatasetLinks"] = {"raw": seen_from(output, every[0].dataset)}
    write_json(described, output / DESCRIPTION, overwrite=True)
    people, sessions = _known(output, every)
    texts = {
        output / PARTICIPANTS: _table("sub", people),
        output / IGNORED: _IGNORED,
        output / README: _README,
    }
    for subject, known in sessions.items():
        if any(known.values()):
            texts[sessions_table(output, subject)] = _table("ses", known)
    for file in texts:
        file.parent.mkdir(parents=True, exist_ok=True)
    with complete_files(list(texts), overwrite=True) as files:
        for file, text in zip(files, texts.values(), strict=True):
            file.write_text(text, encoding="utf-8", newline="\n")


def _table(whose: str, known: _Traits) -> str:
    rows = [[f"{whose}-{label}", *map(one.get, TRAITS)] for label, one in sorted(known.items())]
    return tabbed([[ID_OF[whose], *TRAITS], *rows])


def _known(output: Path, scans: Iterable[CohortScan]) -> tuple[_Traits, dict[str, _Traits]]:
    """What is known of each person and of each one's sessions, with those of earlier runs."""
    people = read_traits(output / PARTICIPANTS)
    sessions: dict[str, _Traits] = {}
    without_session = []
    for scan in scans:
        entities = entities_of(scan.name)
        subject, session = entities["sub"], entities.get("ses")
        if session is None:
            without_session.append((subject, scan.traits))
            continue
        if subject not in sessions:
            sessions[subject] = read_traits(sessions_table(output, subject), "ses")
        sessions[subject].setdefault(session, {}).update(scan.traits)
    for subject, every in sessions.items():
        _agree(people.setdefault(subject, {}), every)
    for subject, traits in without_session:  # last: they have no other place
        people.setdefault(subject, {}).update(traits)
    return people, sessions


def _agree(person: dict[str, str], sessions: _Traits) -> None:
    """Tell of a person what holds in all of the sessions, and nothing that does not."""
    for trait in TRAITS:
        values = {one.get(trait) for one in sessions.values()}
        if trait != "age":  # which alone is not known of a session by that of another
            values -= {None}
        if len(values) > 1:
            person.pop(trait, None)
        elif value := "".join(filter(None, values)):
            person[trait] = value
