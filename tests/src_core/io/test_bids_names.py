"""Names of files that are made of scans with BIDS names."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src_core.io.bids_names import derived_name, is_bids_name, label_map_beside
from src_core.io.protocols import PROTOCOLS

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("scan", "made"),
    [
        ("sub-01_T1w.nii.gz", "sub-01_seg-nm134_dseg.nii.gz"),
        ("a/sub-01_ses-2_run-1_T1w.nii", "sub-01_ses-2_run-1_seg-nm134_dseg.nii.gz"),
        ("sub-01_desc-preproc_T1w.mgz", "sub-01_seg-nm134_desc-preproc_dseg.nii.gz"),
        ("sub-01_space-MNI_res-2_T1w.nii", "sub-01_space-MNI_seg-nm134_res-2_dseg.nii.gz"),
        ("sub-01_seg-old_label-GM_T1w.nii", "sub-01_seg-nm134_label-GM_dseg.nii.gz"),
    ],
)
def test_entities_are_kept_in_order_and_none_is_doubled(scan: str, made: str) -> None:
    assert is_bids_name(scan)
    assert derived_name(scan, "dseg.nii.gz", seg="nm134") == made


def test_a_new_value_takes_the_place_of_the_old_and_has_letters_and_digits_only() -> None:
    made = derived_name("sub-01_desc-preproc_T1w.nii.gz", "mask.nii.gz", desc="brain")
    assert made == "sub-01_desc-brain_mask.nii.gz"
    assert derived_name("sub-1_T1w.nii", "dseg.nii", seg="fs24-2d") == "sub-1_seg-fs242d_dseg.nii"


@pytest.mark.parametrize(
    ("scan", "labels"),
    [
        ("sub-01_T1w.nii.gz", "sub-01_seg-tissue4_dseg.nii.gz"),
        ("sub-01_T2w.nii.gz", "sub-01_seg-tissue4_desc-T2w_dseg.nii.gz"),
        ("sub-01_FLAIR.nii.gz", "sub-01_seg-tissue4_desc-FLAIR_dseg.nii.gz"),
        ("sub-01_desc-preproc_T1w.nii.gz", "sub-01_seg-tissue4_desc-preproc_dseg.nii.gz"),
        ("sub-01_desc-preproc_T2w.nii.gz", "sub-01_seg-tissue4_desc-preprocT2w_dseg.nii.gz"),
        ("IXI002_T2w.nii.gz", "IXI002_T2w_dseg.nii.gz"),
    ],
)
def test_labels_of_the_contrasts_of_one_session_have_names_of_their_own(
    tmp_path: Path, scan: str, labels: str
) -> None:
    assert label_map_beside(tmp_path / scan, PROTOCOLS["tissue4"]) == tmp_path / labels


@pytest.mark.parametrize("name", ["T1.nii.gz", "sub-01.nii", "IXI002_T1w.nii", "sub-0.1_T1w.nii"])
def test_other_names_are_not_of_bids(name: str) -> None:
    assert not is_bids_name(name)
