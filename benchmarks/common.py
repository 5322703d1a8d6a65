"""What the benchmarks share; importing it loads nothing that a benchmark may want to time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

MODEL_OF_15 = Path(__file__).parent / "models" / "brain3d-parcels-15.safetensors"
"""The bundled model of parcels before it learned on from all scans: it knows none of the official
test split."""


def kept(path: Path, make: Callable[[], Any]) -> Any:
    """What a JSON file holds, measured first if it is not there: so a run can be interrupted."""
    from src_core.io.export import write_json

    if not path.exists():
        write_json({"found": make()}, path)
    return json.loads(path.read_text())["found"]


def write_sample(folder: Path) -> Path:
    """Write the MNI152 sample into a folder; returns its file."""
    from src_core.io.export import write_scalar_map
    from src_core.io.sample import mni152_t1

    path = folder / "mni152_T1w.nii.gz"
    scan = mni152_t1()
    write_scalar_map(scan.voxels, scan, path)
    return path
