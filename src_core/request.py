"""What is asked of a segmentation: the scan, and all that can be chosen.

An option is declared here and nowhere else; torch is not needed for that.
"""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from src_core.fitting.device import DEVICES
from src_core.models.bundled import DEFAULT_MODEL
from src_core.options import option, options_of

if TYPE_CHECKING:
    import numpy as np

    from src_core.correction.stroke import Stroke
    from src_core.io.scan import Scan
    from src_core.models.model import Model

PER_SCAN = ("mask", "reference", "corrections")
"""Options that each scan of a study has its own of."""
BRAIN_WORDS = {
    "auto": "Found when needed",
    "stripped": "None: the scan is stripped",
    "deepbet": "Found by deepbet in any case",
}
"""Ways to the brain besides a mask, with their titles."""
_DEVICE_TITLES = ("Automatic", "CPU", "CUDA (NVIDIA)", "MPS (Apple)")


@dataclass(frozen=True, eq=False)
class Request:
    """A scan, and how it is to be segmented.

    The fields after the affine are options; `help` of `src_core.segment.segment` lists them.

    Attributes
    ----------
    scan : path of a file or DICOM folder, ndarray of shape (I, J, K), or Scan
    affine : ndarray, shape (4, 4)
        Voxel index -> world mm (RAS); needed for an array, otherwise the file's is used.

    Raises
    ------
    InputError
        A number is out of range.
    """

    scan: str | Path | np.ndarray | Scan
    affine: np.ndarray | None = None
    _: KW_ONLY
    series: int | None = option(
        None,
        kind=int,
        least=0,
        help="Number of the DICOM series to take from a folder that holds several.",
        short="number of the DICOM series, if the folder holds several",
    )
    model: str | Path | Model = option(
        DEFAULT_MODEL,
        help="Name of a bundled model or of your own, or the path of a .safetensors file.",
        documented="str, path or Model",
        short="default: %(default)s",
        metavar="NAME|FILE",
        title="Model",
        remembered=True,
    )
    labels: str | None = option(
        None,
        kind=str,
        help="Protocol of the labels, of those that the model knows; by default its finest.",
        short="protocol of the labels, such as fs32 or tissue4; default: the model's finest",
        metavar="PROTOCOL",
    )
    iterations: int | None = option(
        None,
        kind=int,
        least=0,
        help="Exactly this many; by default the model's own number, or fewer when labels stand "
        "still.",
        short="exactly N steps; default: the model's own number, less when labels stand still",
        title="Iterations",
    )
    device: str = option(
        "auto",
        choices=dict(zip(DEVICES, _DEVICE_TITLES, strict=True)),
        help='Where to compute. "auto" takes the graphics card if there is one.',
        short="",
        title="Device",
        tip="Where to compute. Automatic takes an NVIDIA graphics card if there is one,"
        " otherwise the processor.",
        remembered=True,
    )
    threads: int | None = option(
        None,
        kind=int,
        least=1,
        help="CPU threads; by default as torch finds.",
        short="of the CPU",
    )
    seed: int = option(
        0, help="The same seed gives the same labels on one machine's CPU.", short=""
    )
    brain: str | Path | np.ndarray = option(
        "auto",
        kind=str,
        documented="str, path or ndarray",
        help='Where the brain is: "auto" finds it if the scan shows its skull, "stripped" takes '
        'all that differs from the background, "deepbet" lets that program find it in any case; '
        "or a mask on the scan's grid.",
        short="where the brain is: auto (found if the scan shows its skull), stripped, deepbet, or "
        "a mask; default: %(default)s",
        metavar="WORD|FILE",
        group="brain",
    )
    mask: str | Path | np.ndarray | None = option(
        None,
        kind=Path,
        documented="path or ndarray, optional",
        help="Brain mask on the scan's grid: above 0 inside. Goes before `brain`.",
        short="brain mask, above 0 inside; as --brain FILE",
        group="brain",
    )
    reference: str | Path | np.ndarray | None = option(
        None,
        kind=Path,
        documented="path or ndarray, optional",
        help="Label map on the scan's grid to compare with; never used in the fit. The finer of "
        "two protocols of the package is merged.",
        short="label map to compute Dice against",
    )
    corrections: str | Path | Stroke | None = option(
        None,
        kind=Path,
        documented="path or Stroke, optional",
        help="What was painted on labels of this scan, in the protocol of the labels, 0 elsewhere; "
        "the network learns it, and painted voxels are as painted.",
        short="what was painted on labels of this scan: is learned, and stays as painted",
        metavar="FILE",
    )
    align: bool = option(
        True,
        help="Find where the scan lies in template space; False: world mm are template mm.",
        short="the scan's world already is template space",
        group="placing",
    )
    transform: np.ndarray | None = option(
        None,
        kind=Path,
        documented="ndarray, shape (4, 4), optional",
        help="World mm -> template mm, used instead of finding it.",
        short="4x4, world mm to template mm; or a report",
        group="placing",
    )
    force: bool = option(
        False,
        help="Segment even where the scan's faults make labels meaningless.",
        short="segment in spite of grave faults",
        title="Despite faults",
        tip="Segment even where the scan's faults make labels meaningless. What is wrong is told.",
    )

    def __post_init__(self) -> None:
        for name, one in options_of(type(self)).items():
            one.check(getattr(self, name))
