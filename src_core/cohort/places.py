"""Where in the output each file of a scan lies, after the rules of BIDS derivatives."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from src_core.io.bids_names import derived_name, entities_of, label_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAILURE_ENDING = "_failed.json"
FIGURES = "figures"
DESCRIPTION, PARTICIPANTS = "dataset_description.json", "participants.tsv"
README, IGNORED = "README", ".bidsignore"
VOLUMES, QUALITY, FAILED, LONG = "volumes.tsv", "quality.tsv", "failed.tsv", "volumes_long.tsv"
PAGE = "report.html"
WRITTEN = (DESCRIPTION, PARTICIPANTS, README, IGNORED, VOLUMES, QUALITY, FAILED, LONG, PAGE)
"""In the root of an output: what tells of all scans, and is written anew by each run."""
CORRECTED = "corrected"
"""The desc of corrected labels."""


@dataclass(frozen=True)
class Place:
    """Where the files of one scan lie.

    Attributes
    ----------
    output : Path
        Root of the derivatives.
    scan : str
        Name of the scan: ``sub-01_ses-2_T1w``.
    protocol : str
        Of the labels.
    is_corrected : bool
        Whether the files are those of corrected labels, which lie beside the others.
    """

    output: Path
    scan: str
    protocol: str
    is_corrected: bool = False

    @classmethod
    def of_report(cls, report: Path, output: Path, protocol: str) -> Place:
        """The place whose report is a file."""
        entities = entities_of(report.name)
        entities.pop("seg")
        return cls(output, "_".join([*map("-".join, entities.items()), "T1w"]), protocol)

    @property
    def corrected(self) -> Place:
        """Where files of corrected labels lie: ``…_desc-corrected_dseg.nii.gz``."""
        return replace(self, is_corrected=True)

    @property
    def name(self) -> str:
        """What the scan is called in tables and on the page: ``sub-01_ses-2``."""
        return self.scan.rpartition("_")[0]

    @property
    def labels(self) -> Path:
        """The label map; its table and its report lie beside it."""
        return self._anatomy / self._of_labels("dseg.nii.gz")

    @property
    def report(self) -> Path:
        """How the label map was made and what was measured; there when all else is."""
        return self._anatomy / self._of_labels("dseg.json")

    @property
    def mask(self) -> Path:
        """The brain."""
        return self._anatomy / mask_name(self.scan, CORRECTED if self.is_corrected else "")

    @property
    def probabilities(self) -> Path:
        """Of each class, if they are asked for."""
        return self._anatomy / self._of_labels("probseg.nii.gz")

    @property
    def warp(self) -> Path:
        """Displacement field to the template, if it is asked for.

        As a transform it brings images of the template onto the scan.
        """
        more = {"from": "MNI152", "to": self.scan.rpartition("_")[2], "mode": "image"}
        return self._anatomy / derived_name(self.scan, "xfm.nii.gz", **more)

    @property
    def picture(self) -> Path:
        """Three planes with outlines."""
        return self.output / FIGURES / self._of_labels("dseg.jpg")

    @property
    def log(self) -> Path:
        """What was done, and when."""
        return self.output / "logs" / f"{self.name}.log"

    @property
    def failure(self) -> Path:
        """Why the scan has no labels, if it has none."""
        return self.output / "logs" / f"{self.name}{FAILURE_ENDING}"

    @property
    def folders(self) -> set[Path]:
        """Those that its files lie in."""
        return {self._anatomy, self.picture.parent, self.log.parent}

    def _of_labels(self, ending: str) -> str:
        which = {"desc": CORRECTED} if self.is_corrected else {}
        return derived_name(self.scan, ending, seg=self.protocol, **which)

    @property
    def _anatomy(self) -> Path:
        entities = entities_of(self.scan)
        parts = [f"{key}-{entities[key]}" for key in ("sub", "ses") if key in entities]
        return self.output.joinpath(*parts, "anat")


def mask_name(scan: str, which: str = "") -> str:
    """Name of the brain mask of a scan: ``sub-01_desc-brain_mask.nii.gz``."""
    return derived_name(scan, "mask.nii.gz", desc=f"{which}brain")


def sessions_table(output: Path, subject: str) -> Path:
    """What is told of the sessions of one person, in any data set."""
    return output / f"sub-{subject}" / f"sub-{subject}_sessions.tsv"


def seen_from(folder: Path, path: Path) -> str:
    """The way from a folder to a file, for a note that holds wherever both are moved together.

    Links on the way are followed, because ``..`` leads out of where they lead to; one that is the
    file itself keeps its name. From another drive there is no such way: the whole path then.
    """
    real = path.parent.resolve() / path.name
    try:
        return os.path.relpath(real, folder.resolve())
    except ValueError:
        return str(real)


def reports_in(output: Path, protocol: str) -> Iterator[Path]:
    """The reports of all scans that have labels, by name; those of corrected ones left out."""
    seg = label_of(protocol)
    for anatomy in ("sub-*/anat", "sub-*/ses-*/anat"):
        for path in sorted(output.glob(f"{anatomy}/*_dseg.json")):
            entities = entities_of(path.name)
            if entities.get("seg") == seg and entities.get("desc") != CORRECTED:
                yield path
