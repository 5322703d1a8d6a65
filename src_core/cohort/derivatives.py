"""What makes a folder a data set of BIDS derivatives, besides the files of its scans."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from src_core import __version__
from src_core.cohort.inputs import TRAITS, read_traits
from src_core.cohort.places import DESCRIPTION, IGNORED, PARTICIPANTS, README
from src_core.io.bids_names import entities_of
from src_core.io.export import write_json
from src_core.io.files import complete_files

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from src_core.cohort.inputs import CohortScan
    from src_core.cohort.plan import Settings

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
        described["DatasetLinks"] = {"raw": os.path.relpath(every[0].dataset, output)}
    write_json(described, output / DESCRIPTION, overwrite=True)
    people = _people(output, every)
    header = ["participant_id", *TRAITS]
    rows = [[f"sub-{label}", *(known.get(t, "n/a") for t in TRAITS)] for label, known in people]
    table = "".join("\t".join(row) + "\n" for row in [header, *rows])
    texts = {PARTICIPANTS: table, IGNORED: _IGNORED, README: _README}
    with complete_files([output / name for name in texts], overwrite=True) as files:
        for file, text in zip(files, texts.values(), strict=True):
            file.write_text(text, encoding="utf-8", newline="\n")


def _people(output: Path, scans: Iterable[CohortScan]) -> list[tuple[str, dict[str, str]]]:
    """What is known of each, with those of earlier runs."""
    known = read_traits(output / PARTICIPANTS)
    for scan in scans:
        known.setdefault(entities_of(scan.name)["sub"], {}).update(scan.traits)
    return sorted(known.items())
