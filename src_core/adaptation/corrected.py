"""What the labels of a corrected scan tell: the class of each voxel, and which were corrected."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src_core.correction.corrections_file import read_corrections
from src_core.datasets.labelled import check
from src_core.datasets.mapping import IGNORED, UNKNOWN, read_mapping, to_classes
from src_core.errors import InputError
from src_core.io.files import digest
from src_core.io.scan import read_label_map, read_on_grid
from src_core.request import Request
from src_core.training.changes.mirroring import mirrored_classes

if TYPE_CHECKING:
    from src_core.adaptation.own_scans import CorrectedScan
    from src_core.io.scan import Scan
    from src_core.models.model import Model

CORRECTED = 256
"""Added to the class of voxels that were corrected."""
_LARGEST_ID = np.iinfo(np.int16).max


@dataclass(frozen=True, eq=False)
class Corrected:
    """A corrected scan with what its label ids mean to a model.

    Attributes
    ----------
    scan : CorrectedScan
    model : Model
        Its labels told in the protocol of the label map.
    mapping : ndarray of uint8
        Class by label id.
    unknown : tuple of int
        Ids that the protocol lacks: of structures that were added; they take no part.
    """

    scan: CorrectedScan
    model: Model
    mapping: np.ndarray
    unknown: tuple[int, ...]

    @classmethod
    def of(cls, scan: CorrectedScan, model: Model, protocol: str | None) -> Corrected:
        """Find out what label ids mean, and whether the files can be used.

        Parameters
        ----------
        scan : CorrectedScan
        model : Model
        protocol : str or None
            Name of that of the label map; None: as its description says, else the model's finest.

        Raises
        ------
        InputError
            A file is damaged or lies on another grid, the model can't be told in the protocol, or
            the label map holds ids that it lacks, or none that it has.
        """
        files, name = scan.files, protocol or scan.protocol or model.protocols[0]
        if name not in model.protocols:
            raise InputError(
                f"{files.labels}: its labels are in the protocol {name}, in which {model.name} "
                f"can't be told; that has {', '.join(model.protocols)}"
            )
        told = model.in_protocol(name)
        mapping, unknown = read_mapping(scan.data, told.protocol), np.zeros(0, int)
        if scan.protocol == name:
            mapping, unknown = _without_unknown(scan, mapping)
        check([files], mapping)
        corrected = cls(scan, told, mapping, tuple(unknown.tolist()))
        if not np.isin(corrected._present(), [0, IGNORED], invert=True).any():
            raise InputError(
                f"{files.labels}: holds no label of the protocol {name}; correct its labels first"
            )
        return corrected

    @property
    def name(self) -> str:
        """Name of the scan; no other has it."""
        return self.scan.name

    @property
    def all_right(self) -> bool:
        """Whether all labels count as right; else only those that were corrected."""
        return self.scan.corrections is None

    @property
    def least_variants(self) -> int:
        """Number of variants that it is worth at least."""
        return 1

    def request(self, device: str) -> Request:
        """How the scan is fitted."""
        files = self.scan.files
        # Whoever corrected the labels has looked at the scan: no fault of it keeps it out.
        return Request(files.scan, model=self.model, mask=files.mask, device=device, force=True)

    def codes(self, image: Scan, own: np.ndarray) -> np.ndarray:
        """Class of each voxel, with `CORRECTED` added where it was corrected; (I, J, K) int16.

        Parameters
        ----------
        image : Scan
        own : ndarray of uint8, shape (I, J, K)
            Classes that the model gives.
        """
        classes = self.classes(image)
        was_corrected, painted = classes != own, self.painted(image)
        if painted is not None:
            was_corrected |= painted
        codes: np.ndarray = classes + CORRECTED * was_corrected.astype(np.int16)
        return codes

    @property
    def fingerprint(self) -> str:
        """Changes with all that is learned of the scan."""
        painted, protocol = self.scan.corrections, self.model.protocol.name
        return digest(
            self.scan.files.fingerprint.encode(),
            self.mapping.tobytes(),
            protocol.encode(),
            painted.read_bytes() if painted else b"",
        )

    def classes(self, image: Scan) -> np.ndarray:
        """Class of each voxel, shape (I, J, K), uint8; `IGNORED` takes no part."""
        labels = self.scan.files.labels
        return to_classes(read_on_grid(labels, image, "label map"), self.mapping, labels)

    def painted(self, image: Scan) -> np.ndarray | None:
        """Which voxels were painted, shape (I, J, K), bool; None: nothing tells it."""
        if self.scan.corrections is None:
            return None
        stroke, _ = read_corrections(self.scan.corrections, image)
        painted = np.zeros(image.shape, bool)
        painted[tuple(stroke.voxels.T)] = True
        return painted

    def mirrored(self, codes: np.ndarray) -> np.ndarray:
        """The same codes of voxels (class, `CORRECTED` added or not) in the mirrored person."""
        partners = mirrored_classes(self.model.protocol)
        assert partners is not None, "scans are mirrored only where that can be told"
        table = np.arange(2 * CORRECTED, dtype=np.int16)
        for flag in (0, CORRECTED):
            table[flag : flag + len(partners)] = flag + partners.astype(np.int16)
        found: np.ndarray = table[codes]
        return found

    def _present(self) -> np.ndarray:
        """Classes that the label map holds."""
        labels = read_label_map(self.scan.files.labels)
        assert labels is not None, "was checked"
        return np.unique(self.mapping[np.unique(labels.voxels)])


def _without_unknown(scan: CorrectedScan, mapping: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The mapping with ids that it lacks left out of all, and these ids."""
    labels = read_label_map(scan.files.labels)
    if labels is None:
        return mapping, np.zeros(0, int)
    ids = np.unique(labels.voxels)
    ids = ids[(ids >= 0) & (ids <= _LARGEST_ID)].astype(int)
    longer = np.full(max(len(mapping), ids.max(initial=0) + 1), UNKNOWN, np.uint8)
    longer[: len(mapping)] = mapping
    unknown = ids[longer[ids] == UNKNOWN]
    longer[unknown] = IGNORED
    return longer, unknown
