"""A segmented scan, and what can be asked of it later."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from src_core.correction.network import CorrectedNetwork
from src_core.errors import InputError
from src_core.fitting import warp_products
from src_core.fitting.cascade import decode_classes
from src_core.fitting.decode import Quantity, decode
from src_core.io import export
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from src_core.correction.stroke import Stroke
    from src_core.fitting.history import History
    from src_core.io.labels import Protocol
    from src_core.io.scan import Scan
    from src_core.models.model import Model
    from src_core.networks.base import CoordinateNetwork
    from src_core.preparation.alignment import Alignment
    from src_core.preparation.prepare import Preparation
    from src_core.space.points import BrainPoints


@dataclass(eq=False)
class Segmentation:
    """A scan with its labels and the fitted network that gave them.

    Attributes
    ----------
    scan : Scan
    mask : ndarray of bool, shape (I, J, K)
        The brain.
    model : Model
    alignment : Alignment
    labels : ndarray, shape (I, J, K), uint8 or int16
        Label ids of the protocol, 0 outside.
    report : dict
        Seconds per stage, iterations, PSNR, stop reason, model, origin and volume (mm3) of the
        brain, transform, device, versions,
        volumes (mm3), quality, notes; with a reference also Dice, with corrections the number of
        voxels that were painted.
    history : History
        Weights of past iterations.
    network : CoordinateNetwork
        Fitted.
    points : BrainPoints
        The brain voxels that it was fitted to.
    corrections : Stroke or None
        What was painted on its labels, which the network has learned after the fit.
    """

    scan: Scan
    mask: np.ndarray
    model: Model
    alignment: Alignment
    labels: np.ndarray
    report: dict[str, Any]
    history: History
    network: CoordinateNetwork
    points: BrainPoints
    corrections: Stroke | None = None

    @classmethod
    def of(
        cls,
        prepared: Preparation,
        labels: np.ndarray,
        report: dict[str, Any],
        history: History,
        network: CoordinateNetwork,
    ) -> Segmentation:
        """The result for a prepared scan."""
        return cls(
            prepared.scan,
            prepared.mask,
            prepared.model,
            prepared.alignment,
            labels,
            report,
            history,
            network,
            prepared.points,
            prepared.corrections,
        )

    @property
    def protocol(self) -> Protocol:
        """Ids, names and colours of the labels."""
        return self.model.protocol

    @property
    def iterations(self) -> list[int]:
        """Stored iterations; 0 is the start."""
        return self.history.iterations

    def labels_at(self, iteration: int) -> np.ndarray:
        """Label map of a stored iteration, like `labels`.

        Raises
        ------
        InputError
            The iteration is not stored.
        """
        with self.history.at(iteration):
            classes = decode_classes(self.network, self.points)
        return self._label_map(classes, self.protocol)

    def labels_in(self, *protocols: str) -> dict[str, np.ndarray]:
        """Label maps of the same fit in protocols that the model knows.

        Parameters
        ----------
        *protocols : str
            Names; all that the model knows by default.

        Returns
        -------
        dict of ndarray, shape (I, J, K)
            Label ids by the name of the protocol.

        Raises
        ------
        InputError
            The model does not know one of them.
        """
        label_maps = {}
        for name in protocols or self.model.protocols:
            if name == self.protocol.name:
                label_maps[name] = self.labels.copy()
                continue
            model = self.model.in_protocol(name)
            classes = decode_classes(self._network_telling(model), self.points)
            label_maps[name] = self._label_map(classes, model.protocol)
        return label_maps

    def reconstruction(self, iteration: int | None = None) -> np.ndarray:
        """The scan as the network knows it, in the scan's own intensities.

        Parameters
        ----------
        iteration : int, optional
            A stored one; the last by default.

        Returns
        -------
        ndarray, shape (I, J, K), float32
            0 outside the brain.

        Raises
        ------
        InputError
            The iteration is not stored.
        """
        with self.history.at(self.iterations[-1] if iteration is None else iteration):
            values = self._decode("intensity")
        return unmask(self.points.restore(values), self.mask)

    def residual(self) -> np.ndarray:
        """Scan minus reconstruction inside the brain, shape (I, J, K), float32."""
        return np.where(self.mask, self.scan.voxels - self.reconstruction(), np.float32(0))

    def probabilities(self) -> np.ndarray:
        """Softmax probabilities, shape (I, J, K, classes), float32; background first."""
        values = self._decode("probabilities")
        surely_background = np.arange(values.shape[1]) == 0
        return unmask(values, self.mask, surely_background)

    def probability_volumes(self) -> Iterator[np.ndarray]:
        """Those of one class after another, shape (I, J, K): of 134 at 1 mm all take 4.7 GB."""
        for number, values in enumerate(self._decode("probabilities").T):
            yield unmask(values, self.mask, float(number == 0))

    def entropy(self) -> np.ndarray:
        """Entropy of the probabilities in bits, shape (I, J, K), float32."""
        return unmask(self._decode("entropy"), self.mask)

    def template_positions(self) -> np.ndarray:
        """Template (MNI) mm of every voxel, shape (I, J, K, 3), float32."""
        return warp_products.template_positions(*self._map())

    def displacement(self) -> np.ndarray:
        """Template mm minus world mm of every voxel (RAS), shape (I, J, K, 3), float32."""
        return warp_products.displacement_field(*self._map())

    def jacobian(self) -> np.ndarray:
        """Template volume per scan volume at every voxel, shape (I, J, K), float32."""
        return warp_products.jacobian_determinant(*self._map())

    def save(
        self,
        path: str | Path,
        *,
        overwrite: bool = False,
        lut: Literal["freesurfer", "itksnap"] | None = None,
    ) -> list[Path]:
        """Write the label map in the scan's own geometry, its table and its description.

        Parameters
        ----------
        path : path
            ``.nii``, ``.nii.gz`` or ``.mgz``.
        overwrite : bool
            Replace files that exist.
        lut : {"freesurfer", "itksnap"}, optional
            Write a colour table for this program as well.

        Returns
        -------
        list of Path
            Files written.

        Raises
        ------
        InputError
            A file exists or can't be written.
        """
        started = time.perf_counter()
        written = export.write_labels(
            self.labels,
            self.scan,
            path,
            protocol=self.protocol,
            details=self.report,
            overwrite=overwrite,
        )
        if lut:
            table = export.companion(path, f"_{lut}.txt")
            export.write_lookup_table(self.protocol, table, lut, overwrite=overwrite)
            written.append(table)
        self.report["seconds"]["write"] = round(time.perf_counter() - started, 3)
        return written

    def _network_telling(self, model: Model) -> CoordinateNetwork:
        """The network with its labels told as a model tells them."""
        device = self.network.device
        if isinstance(self.network, CorrectedNetwork):
            sums = model.sums()
            return self.network.told(None if sums is None else sums.to(device))
        network = model.network()
        network.load_state_dict(self.network.state_dict())
        return network.to(device)

    def _label_map(self, classes: np.ndarray, protocol: Protocol) -> np.ndarray:
        """Label ids of all voxels, as painted where they were painted."""
        labels = protocol.to_ids(unmask(classes, self.mask))
        if self.corrections is None:
            return labels
        if protocol == self.protocol:
            return self.corrections.laid_over(labels)
        painted = self.corrections.told_in(protocol, replace(self.model, added=()).protocol)
        return labels if painted is None else painted.laid_over(labels)

    def _map(self) -> tuple[CoordinateNetwork, np.ndarray, np.ndarray, tuple[int, ...]]:
        if self.model.card.untrained:
            raise InputError(f"{self.model.name} knows no template, so that nothing leads to one")
        return self.network, self.alignment.matrix, self.scan.affine, self.scan.shape

    def _decode(self, quantity: Quantity) -> np.ndarray:
        return decode(self.network, self.points, quantity)
