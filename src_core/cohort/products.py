"""What is written of each scan besides labels, mask and picture, if it is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from src_core.io import export

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.cohort.places import Place
    from src_core.results.segmentation import Segmentation


@dataclass(frozen=True)
class Products:
    """Which files are asked for.

    Attributes
    ----------
    probabilities : bool
        4D image, a volume for each class.
    warp : bool
        Displacement field to template space, for ITK and ANTs.
    lut : {"freesurfer", "itksnap"}, optional
        Colour table for this program.
    """

    probabilities: bool = False
    warp: bool = False
    lut: Literal["freesurfer", "itksnap"] | None = None

    def files(self, place: Place) -> list[Path]:
        """Those of a scan."""
        asked = {
            place.probabilities: self.probabilities,
            place.warp: self.warp,
            export.companion(place.labels, f"_{self.lut}.txt"): self.lut is not None,
        }
        return [path for path, wanted in asked.items() if wanted]

    def write(self, result: Segmentation, place: Place) -> None:
        """Write them, except the colour table, which is saved with the labels.

        Raises
        ------
        InputError
            They cannot be written.
        """
        if self.probabilities:
            export.write_probabilities(
                result.probability_volumes(),
                result.scan,
                place.probabilities,
                protocol=result.protocol,
                details={"Sources": result.report.get("Sources", [])},
                overwrite=True,
            )
        if self.warp:
            export.write_displacement_field(
                result.displacement(), result.scan, place.warp, overwrite=True
            )


NOTHING_MORE = Products()
