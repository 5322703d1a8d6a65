"""Find the brain in a whole head, by a program that was trained for that.

Programs stand behind `Extractor`. They are no requirements of this package, and imported only when
a brain is to be found.
"""

from __future__ import annotations

import warnings
from importlib import metadata
from importlib.util import find_spec
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import nibabel as nib
import numpy as np

from src_core.errors import InputError
from src_core.preparation.brain import Brain

if TYPE_CHECKING:
    from collections.abc import Mapping

    from src_core.io.scan import Scan

FINEST_MM = 1.0
"""Voxels finer than this are thinned before a brain is looked for: its outline is no sharper then,
and a head of 512^3 voxels fits in memory."""
_ROUNDING = 0.01


@runtime_checkable
class Extractor(Protocol):
    """A program that finds brains.

    Attributes
    ----------
    name : str
        As it is asked for.
    install : str
        Command that installs it.
    """

    name: str
    install: str

    def installed(self) -> bool:
        """Whether it can be run."""

    def describe(self) -> str:
        """Its name and version, for the report."""

    def extract(self, voxels: np.ndarray, affine: np.ndarray, *, gpu: bool) -> np.ndarray:
        """Find the brain.

        Parameters
        ----------
        voxels : ndarray of float32, shape (I, J, K)
            A whole head.
        affine : ndarray, shape (4, 4)
            Voxel index -> world mm (RAS).
        gpu : bool
            Whether an NVIDIA graphics card may be used.

        Returns
        -------
        ndarray of bool, shape (I, J, K)

        Raises
        ------
        ValueError
            There is none.
        """


class DeepBet:
    """deepbet (Fisch et al. 2024): two small U-Nets, one for the box and one for the brain."""

    name = "deepbet"
    install = 'pip install "napari-metaseg[strip]"'

    def installed(self) -> bool:
        """Whether it can be run."""
        return find_spec("deepbet") is not None

    def describe(self) -> str:
        """Its name and version, for the report."""
        return f"deepbet {metadata.version('deepbet')}"

    def extract(self, voxels: np.ndarray, affine: np.ndarray, *, gpu: bool) -> np.ndarray:
        """Find the brain; see `Extractor`."""
        with warnings.catch_warnings():
            # Its networks are stored in a form whose readers are to be replaced.
            warnings.simplefilter("ignore")
            from deepbet import BrainExtraction

            try:
                # A header of our own: it fails with that of an MGH file.
                image = nib.Nifti1Image(voxels, affine)
                _, mask, _ = BrainExtraction(no_gpu=not gpu).run(image)
            except AssertionError as error:  # its box of the brain is empty
                raise ValueError(str(error)) from error
        brain: np.ndarray = np.asanyarray(mask.dataobj) > 0
        return brain


EXTRACTORS: Mapping[str, Extractor] = {one.name: one for one in (DeepBet(),)}
"""Those that can be asked for, by name."""
DEFAULT_EXTRACTOR = "deepbet"


def installed(name: str, because: str = "") -> Extractor:
    """Return the extractor of that name.

    Raises
    ------
    InputError
        It is not installed; the message begins with `because` and says how to install it.
    """
    extractor = EXTRACTORS[name]
    if not extractor.installed():
        raise InputError(
            f"{because}{name}, which finds brains, is not installed: run {extractor.install}, or"
            " give a brain mask"
        )
    return extractor


def extract_brain(scan: Scan, extractor: Extractor, *, gpu: bool = False) -> Brain:
    """Find the brain in a whole head.

    Parameters
    ----------
    scan : Scan
    extractor : Extractor
        An installed one.
    gpu : bool
        Whether an NVIDIA graphics card may be used.

    Returns
    -------
    Brain

    Raises
    ------
    InputError
        No brain was found, or the scan is a single slice.
    """
    name = scan.path or "the scan"
    if scan.is_slice:
        raise InputError(f"{name} is a single slice, in which no brain can be found; give a mask")
    steps = np.maximum(1, np.floor(FINEST_MM / scan.voxel_size + _ROUNDING)).astype(int)
    thinned = tuple(slice(step // 2, None, step) for step in steps)
    affine = scan.affine @ np.diag([*steps, 1.0])
    affine[:3, 3] = scan.affine[:3] @ [*(steps // 2), 1]
    try:
        found = extractor.extract(np.ascontiguousarray(scan.voxels[thinned]), affine, gpu=gpu)
    except ValueError as error:
        raise InputError(
            f"{extractor.name} found no brain in {name} ({error}); give a brain mask"
        ) from error
    brain = _repeated(found, steps, scan.shape)
    if not brain.any():
        raise InputError(f"{extractor.name} found no brain in {name}; give a brain mask")
    return Brain(brain, extractor.describe(), found=True)


def _repeated(mask: np.ndarray, steps: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Give each voxel what was found for the nearest of those that were looked at."""
    for axis, (step, count) in enumerate(zip(steps.tolist(), shape, strict=True)):
        nearest = np.minimum(np.arange(count) // step, mask.shape[axis] - 1)
        mask = mask.take(nearest, axis)
    return mask
