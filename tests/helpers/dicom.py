"""DICOM files that a scanner could have written."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.uid import UID, ExplicitVRLittleEndian, MRImageStorage, generate_uid

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

PATIENT = "Doe^Jane"
MPEG2 = UID("1.2.840.10008.1.2.4.100")
"""A transfer syntax that no MRI scanner uses and dcm2niix does not unpack."""

_TO_LPS = np.diag([-1.0, -1.0, 1.0, 1.0])


def write_series(
    folder: Path,
    voxels: np.ndarray,
    affine: np.ndarray,
    *,
    number: int = 3,
    description: str = "T1 MPRAGE",
    lacking: Container[int] = (),
    syntax: UID = ExplicitVRLittleEndian,
) -> Path:
    """Write a series, one file a slice along the last axis.

    Parameters
    ----------
    folder : Path
        Made if it is not there.
    voxels : ndarray, shape (I, J, K)
        Whole numbers from 0 to 4095.
    affine : ndarray, shape (4, 4)
        Voxel index to world mm (RAS+).
    number, description
        Of the series.
    lacking : container of int
        Slices that are not written.
    syntax : UID
        Of the voxels; one that is packed gets bytes that are not what it says.

    Returns
    -------
    Path
        The folder.
    """
    folder.mkdir(parents=True, exist_ok=True)
    series = Dataset()
    series.PatientName = series.PatientID = PATIENT
    series.SOPClassUID, series.Modality = MRImageStorage, "MR"
    series.StudyInstanceUID, series.SeriesInstanceUID = generate_uid(), generate_uid()
    series.SeriesNumber, series.SeriesDescription = number, description
    series.Columns, series.Rows, n_slices = voxels.shape
    series.SamplesPerPixel, series.PhotometricInterpretation = 1, "MONOCHROME2"
    series.BitsAllocated, series.BitsStored, series.HighBit = 16, 12, 11
    series.PixelRepresentation = 0
    lps = _TO_LPS @ affine
    sizes = np.linalg.norm(lps[:3, :3], axis=0)
    directions = lps[:3, :3] / sizes
    series.ImageOrientationPatient = _decimal([*directions[:, 0], *directions[:, 1]])
    series.PixelSpacing = _decimal(sizes[[1, 0]])
    series.SliceThickness = _decimal(sizes[2:])[0]
    for index in range(n_slices):
        if index not in lacking:
            position = lps[:3, 3] + index * lps[:3, 2]
            _write_slice(folder, series, index, voxels[:, :, index], position, syntax)
    return folder


def _write_slice(
    folder: Path,
    series: Dataset,
    index: int,
    values: np.ndarray,
    position: np.ndarray,
    syntax: UID,
) -> None:
    one = Dataset()
    one.update(series)
    one.SOPInstanceUID, one.InstanceNumber = generate_uid(), index + 1
    one.ImagePositionPatient = _decimal(position)
    stored = np.ascontiguousarray(values.T, dtype="<u2").tobytes()
    one.PixelData = encapsulate([stored]) if syntax.is_compressed else stored
    one["PixelData"].VR = "OW"
    one.file_meta = FileMetaDataset()
    one.file_meta.TransferSyntaxUID = syntax
    one.file_meta.MediaStorageSOPClassUID = one.SOPClassUID
    one.file_meta.MediaStorageSOPInstanceUID = one.SOPInstanceUID
    one.save_as(folder / f"IM{index + 1:04}.dcm", enforce_file_format=True)


def _decimal(values: np.ndarray | list[float]) -> list[str]:
    """Numbers as DICOM stores them: in 16 characters at most."""
    return [f"{value:.9f}"[:16] for value in values]
