"""Where in the output each file of a scan lies, after the rules of BIDS derivatives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from src_core.io.bids_names import derived_name, entities_of, label_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

FAILURE_ENDING = "_failed.json"
FIGURES = "figures"


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
    """

    output: Path
    scan: str
    protocol: str

    @property
    def name(self) -> str:
        """What the scan is called in tables and on the page: ``sub-01_ses-2``."""
        return self.scan.rpartition("_")[0]

    @property
    def labels(self) -> Path:
        """The label map; its table and its report lie beside it."""
        return self._anatomy / derived_name(self.scan, "dseg.nii.gz", seg=self.protocol)

    @property
    def report(self) -> Path:
        """How the label map was made and what was measured; there when all else is."""
        return self._anatomy / derived_name(self.scan, "dseg.json", seg=self.protocol)

    @property
    def mask(self) -> Path:
        """The brain."""
        return self._anatomy / derived_name(self.scan, "mask.nii.gz", desc="brain")

    @property
    def picture(self) -> Path:
        """Three planes with outlines."""
        return self.output / FIGURES / derived_name(self.scan, "dseg.jpg", seg=self.protocol)

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

    @property
    def _anatomy(self) -> Path:
        entities = entities_of(self.scan)
        parts = [f"{key}-{entities[key]}" for key in ("sub", "ses") if key in entities]
        return self.output.joinpath(*parts, "anat")


def reports_in(output: Path, protocol: str) -> Iterator[Path]:
    """The reports of all scans that have labels, by name."""
    for anatomy in ("sub-*/anat", "sub-*/ses-*/anat"):
        for path in sorted(output.glob(f"{anatomy}/*_dseg.json")):
            if entities_of(path.name).get("seg") == label_of(protocol):
                yield path
