"""The picture of a fit's progression."""

from __future__ import annotations

from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest

from src_core.errors import InputError
from src_core.io.sample import phantom
from src_core.io.scan import scan_from_array
from src_core.results import progression
from src_core.segment import segment

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.results.segmentation import Segmentation

matplotlib_image = pytest.importorskip("matplotlib.image")


@pytest.fixture(scope="module")
def volume(tiny_model: Path) -> Segmentation:
    scan, _ = phantom(voxel_size=6.0)
    return segment(scan, model=tiny_model, iterations=12, align=False)


def test_a_volume_is_shown_in_two_planes_and_a_slice_in_one(
    volume: Segmentation, tiny_model: Path, tmp_path: Path
) -> None:
    scan, _ = phantom(voxel_size=6.0)
    middle = scan.shape[2] // 2
    single = scan_from_array(scan.voxels[:, :, middle : middle + 1], scan.affine)
    flat = segment(single, model=tiny_model, iterations=12, align=False)
    progression.write_progression(volume, tmp_path / "volume.png")
    progression.write_progression(flat, tmp_path / "slice.png")
    high, wide = matplotlib_image.imread(tmp_path / "volume.png").shape[:2]
    assert matplotlib_image.imread(tmp_path / "slice.png").shape[:2] == (high // 2, wide)


@pytest.mark.parametrize(("order", "flips"), [((0, 1, 2), (-1, 1, -1)), ((2, 0, 1), (1, -1, 1))])
def test_the_picture_does_not_depend_on_how_the_scan_is_stored(
    order: tuple[int, ...], flips: tuple[int, ...], tiny_model: Path, tmp_path: Path
) -> None:
    scan, _ = phantom(voxel_size=6.0)
    stored = nib.Nifti1Image(scan.voxels, scan.affine).as_reoriented(np.transpose([order, flips]))
    other = scan_from_array(stored.get_fdata(), stored.affine)
    assert other.orientation != scan.orientation
    pictures = []
    for name, variant in (("scan", scan), ("other", other)):
        at_start = segment(variant, model=tiny_model, iterations=0, align=False)
        progression.write_progression(at_start, tmp_path / f"{name}.png")
        pictures.append(matplotlib_image.imread(tmp_path / f"{name}.png"))
    np.testing.assert_allclose(*pictures, atol=0.02)


def test_an_existing_picture_is_kept(volume: Segmentation, tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_text("mine")
    with pytest.raises(InputError, match="replaced"):
        progression.write_progression(volume, path)
    assert path.read_text() == "mine"


def test_without_matplotlib_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(progression.importlib.util, "find_spec", lambda _: None)
    with pytest.raises(InputError, match=r"pip install 'napari-metaseg\[demo\]'"):
        progression.require_matplotlib()
