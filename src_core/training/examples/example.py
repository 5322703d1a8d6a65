"""Points of one scan with their labels, from which training draws."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from src_core.datasets.mapping import IGNORED
from src_core.training.changes.freesurfer import freesurfer_classes
from src_core.training.changes.mirroring import mirrored_classes

if TYPE_CHECKING:
    from torch import Tensor

    from src_core.io.labels import Protocol
    from src_core.space.points import BrainPoints


@dataclass(frozen=True, eq=False)
class Example:
    """Points of one scan with their labels.

    Attributes
    ----------
    name : str
        Of the scan, with the number of the variant and that of the slice.
    split : str
    variant : int
        0: as it came, 1: mirrored, from 2 on: changed at random.
    points : BrainPoints
    labels : Tensor, shape (N,), int16
        Ids of the scan's label map.
    mirrored : bool
        Left and right were exchanged since the labels were given.
    volume : float
        Template mm3 each point stands for.
    synthetic : bool
        Made from a label map alone; the labels are FreeSurfer's, see `freesurfer_classes`.
    """

    name: str
    split: str
    variant: int
    points: BrainPoints
    labels: Tensor
    mirrored: bool
    volume: float
    synthetic: bool = False

    def classes(self, mapping: np.ndarray, target: Protocol) -> Tensor:
        """Class of each point, shape (N,), uint8, `IGNORED` where it takes no part.

        Parameters
        ----------
        mapping : ndarray of uint8
            Class by label id of the scans.
        target : Protocol

        Raises
        ------
        InputError
            The example is synthetic and the protocol knows none of FreeSurfer's structures.
        """
        if self.synthetic:
            mapping = freesurfer_classes(target)
        classes = mapping[self.labels.numpy()]
        if self.mirrored:
            partners = mirrored_classes(target)
            assert partners is not None, "made with Maker.mirrors"
            swapped = np.full(256, IGNORED, np.uint8)
            swapped[: len(partners)] = partners
            classes = swapped[classes]
        return torch.from_numpy(classes)
