"""What reads files of users, and files that are right, to be damaged."""

from __future__ import annotations

import gzip
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import torch

from napari_metaseg.layers.label_style import read_label_table
from src_core.datasets.mapping import read_mapping
from src_core.datasets.settings import DataSettings
from src_core.fitting.settings import FitSettings
from src_core.io.image_file import declares_labels
from src_core.io.protocols import protocol, read_protocol
from src_core.io.scan import read_label_map, read_scan
from src_core.models.card import Card
from src_core.models.model import build_network, load_model
from src_core.networks.settings import Architecture, SirenSettings, WarpedSettings
from src_core.space.intensity import LEVELS, IntensityRule
from src_core.training.config import read_config, to_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from src_core.io.scan import Scan

ROOT = Path(__file__).parents[2]
_NIFTI_HEADER = 352
_PROTOCOL = "tissue4"


@dataclass(frozen=True)
class Original:
    """A file that is right.

    Attributes
    ----------
    name : str
        Its ending tells the reader what it is.
    content : bytes
        Is damaged.
    head : int
        Bytes of it in which half of the damage lies.
    packed : callable
        Makes the file of the content.
    """

    name: str
    content: bytes
    head: int
    packed: Callable[[bytes], bytes] = bytes


@dataclass(frozen=True)
class Target:
    """Something that reads files of users.

    Attributes
    ----------
    originals : callable
        Makes the right files.
    readers : tuple of callable
        Each reads a file, or raises an `InputError`; what is wrong with what it read is an
        AssertionError.
    """

    originals: Callable[[], list[Original]]
    readers: tuple[Callable[[Path], object], ...]


def images() -> list[Original]:
    """NIfTI-1, NIfTI-2 and MGH files of a small volume, of a slice, and packed ones."""
    random = np.random.default_rng(0)
    affine = np.array([[-1.5, 0.2, 0, 8], [0.2, 1.5, 0, -9], [0, 0, 2, 7], [0, 0, 0, 1]])
    voxels = random.integers(0, 200, (9, 10, 11)).astype(np.int16)
    scan = nib.Nifti1Image(voxels, affine)
    scan.header.set_slope_inter(2, 1)
    scan.set_qform(affine, 1)
    labels = nib.Nifti1Image((voxels % 5).astype(np.uint8), affine)
    labels.header.set_intent("label")
    nifti = scan.to_bytes()
    mgh = nib.MGHImage(voxels, affine).to_bytes()
    return [
        Original("scan.nii", nifti, _NIFTI_HEADER),
        Original("scan.nii.gz", nifti, _NIFTI_HEADER, _gzipped),
        Original("torn.nii.gz", _gzipped(nifti), 20),
        Original("slice.nii", nib.Nifti1Image(voxels[:, :, 0], affine).to_bytes(), _NIFTI_HEADER),
        Original("labels.nii", labels.to_bytes(), _NIFTI_HEADER),
        Original("two.nii", nib.Nifti2Image(voxels.astype(np.float64), affine).to_bytes(), 544),
        Original("scan.mgh", mgh, 100),
        Original("scan.mgz", mgh, 100, _gzipped),
    ]


def tables() -> list[Original]:
    """Tables of structures of the package, and some as users write them."""
    bundled = ROOT / "src_core/io/bundled_protocols"
    mapping = "id,tissue4,status\n2,1,\n3,2,\n10,3,ignored\n4,4,\n"
    own = 'id,name,color,abbreviation,mapping\n1,"Grey, all",#ff8800,GM,1\n2,White,,WM,n/a\n'
    bids = "index\tname\tcolor\n0\tBackground\t\n7\tWhite\tff00aa\n9\t\t#00ff00\n"
    return [
        *(_whole_file(bundled / f"{name}.tsv") for name in (_PROTOCOL, "fs24-2d")),
        *(
            Original(name, text.encode(), len(text))
            for name, text in (("map.csv", mapping), ("own.csv", own), ("dseg.tsv", bids))
        ),
    ]


def models() -> list[Original]:
    """Small model files: the file as it is, and its card alone."""
    classes = len(protocol(_PROTOCOL).ids)
    kinds = (
        WarpedSettings(classes, width=4, depth=2, hidden=(4,), spacings=(48.0,)),
        SirenSettings(classes, width=4, depth=2, hidden=(4,), learned_rates="layer"),
    )
    return [original for kind in kinds for original in _models_of(kind)]


def configurations() -> list[Original]:
    """The TOML files of the trainings that are described in the documentation."""
    files = sorted((ROOT / "docs/training").glob("*/*.toml"))
    return [_whole_file(file) for file in (*files, ROOT / "benchmarks/baselines/plain3d.toml")]


def _whole_file(path: Path) -> Original:
    content = path.read_bytes()
    return Original(path.name, content, len(content))


def _gzipped(content: bytes) -> bytes:
    return gzip.compress(content, 1, mtime=0)


def _models_of(architecture: Architecture) -> list[Original]:
    card = Card(
        name="small",
        description="to be damaged",
        architecture=architecture,
        protocol=protocol(_PROTOCOL),
        rule=IntensityRule(tuple((i + 1) / len(LEVELS) for i in range(len(LEVELS)))),
        fit=FitSettings(6, points=256),
        training={},
        scores={"mean_foreground": 0.5},
        licence="none",
    )
    torch.manual_seed(0)
    weights = {k: v.numpy() for k, v in build_network(architecture).shared_state().items()}

    def packed(text: bytes) -> bytes:
        return _safetensors(weights, text.decode("latin-1"))

    text = json.dumps(card.to_json()).encode()
    whole = packed(text)
    head = len(whole) - sum(array.nbytes for array in weights.values())
    return [
        Original("card.safetensors", text, len(text), packed),
        Original("whole.safetensors", whole, head),
    ]


def _safetensors(weights: dict[str, np.ndarray], card: str) -> bytes:
    """The bytes of a model file with a card that may be none."""
    header: dict[str, object] = {"__metadata__": {"card": card}}
    start = 0
    for name, array in weights.items():
        end = start + array.nbytes
        header[name] = {"dtype": "F32", "shape": array.shape, "data_offsets": [start, end]}
        start = end
    text = json.dumps(header).encode()
    data = b"".join(array.tobytes() for array in weights.values())
    return len(text).to_bytes(8, "little") + text + data


def _read_scan(path: Path) -> None:
    _check(read_scan(path))


def _read_label_map(path: Path) -> None:
    labels = read_label_map(path)
    if labels is not None:
        _check(labels)


def _check(scan: Scan) -> None:
    assert scan.voxels.ndim == 3, "no volume"
    assert np.isfinite(scan.voxels).all(), "voxels that are no numbers"
    assert np.isfinite(scan.affine).all(), "an affine that is no numbers"
    assert (scan.voxel_size > 0).all(), "voxels of no size"


def _read_protocol(path: Path) -> None:
    read_protocol(path, "own")


def _read_mapping(path: Path) -> None:
    read_mapping(DataSettings(path.parent, mapping=path), protocol(_PROTOCOL))


def _load_model(path: Path) -> None:
    model = load_model(path)
    assert 0 <= (model.card.mean_dice or 0) <= 1, "a Dice that is none"
    model.template()
    network = model.network()
    assert all(weight.isfinite().all() for weight in network.parameters()), "weights not finite"


def _read_config(path: Path) -> None:
    json.dumps(to_json(read_config(path)))


TARGETS = {
    "images": Target(images, (_read_scan, _read_label_map, declares_labels)),
    "tables": Target(tables, (_read_protocol, read_label_table, _read_mapping)),
    "models": Target(models, (_load_model,)),
    "configurations": Target(configurations, (_read_config,)),
}
