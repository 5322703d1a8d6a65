"""Scan in, labels out: the one call behind API, command line and plugin."""

import dataclasses
import platform
import time
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from src_core import __version__
from src_core.errors import InputError
from src_core.fitting import warp_products
from src_core.fitting.decode import Quantity, decode
from src_core.fitting.fit import Fit, Step
from src_core.fitting.history import History
from src_core.io import export
from src_core.io.labels import Protocol
from src_core.io.scan import Scan
from src_core.models.bundled import DEFAULT_MODEL
from src_core.models.model import Model
from src_core.networks.base import CoordinateNetwork
from src_core.preparation.alignment import Alignment
from src_core.preparation.prepare import Preparation, prepare
from src_core.results import measure
from src_core.space.points import BrainPoints

NOTICE = (
    "Research use only: not a medical device, not for diagnosis or treatment decisions. "
    "Inspect every result."
)
"""Goes into every report and every description beside a label map."""
PSNR_PROBES = 50_000
"""Voxels from which the PSNR in the report is taken."""


@dataclasses.dataclass(eq=False)
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
        Seconds per stage, iterations, PSNR, stop reason, model, transform, device, versions,
        volumes (mm3), notes; with a reference also Dice.
    history : History
        Weights of past iterations.
    network : CoordinateNetwork
        Fitted.
    points : BrainPoints
        The brain voxels that it was fitted to.
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

    @classmethod
    def of(
        cls,
        prepared: Preparation,
        labels: np.ndarray,
        report: dict[str, Any],
        history: History,
        network: CoordinateNetwork,
    ) -> "Segmentation":
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
            return _label_map(self.mask, self.protocol, self._decode("classes"))

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
        return self._volume(self.points.restore(values))

    def residual(self) -> np.ndarray:
        """Scan minus reconstruction inside the brain, shape (I, J, K), float32."""
        return np.where(self.mask, self.scan.voxels - self.reconstruction(), np.float32(0))

    def probabilities(self) -> np.ndarray:
        """Softmax probabilities, shape (I, J, K, classes), float32; background first."""
        probabilities = np.zeros((*self.scan.shape, len(self.protocol.ids)), np.float32)
        probabilities[..., 0] = 1
        probabilities[self.mask] = self._decode("probabilities")
        return probabilities

    def entropy(self) -> np.ndarray:
        """Entropy of the probabilities in bits, shape (I, J, K), float32."""
        return self._volume(self._decode("entropy"))

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

    def _map(self) -> tuple[CoordinateNetwork, np.ndarray, np.ndarray, tuple[int, ...]]:
        return self.network, self.alignment.matrix, self.scan.affine, self.scan.shape

    def _decode(self, quantity: Quantity) -> np.ndarray:
        return decode(self.network, self.points, quantity)

    def _volume(self, values: np.ndarray) -> np.ndarray:
        volume = np.zeros(self.scan.shape, values.dtype)
        volume[self.mask] = values
        return volume


def segment(
    scan: str | Path | np.ndarray | Scan,
    affine: np.ndarray | None = None,
    *,
    model: str | Path | Model = DEFAULT_MODEL,
    iterations: int | None = None,
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
    mask: str | Path | np.ndarray | None = None,
    reference: str | Path | np.ndarray | None = None,
    align: bool = True,
    transform: np.ndarray | None = None,
    on_step: Callable[[Step], None] | None = None,
) -> Segmentation:
    """Fit a network to a skull-stripped T1-weighted scan and read the labels off it.

    Parameters
    ----------
    scan : path, ndarray of shape (I, J, K), or Scan
    affine : ndarray, shape (4, 4)
        Voxel index -> world mm (RAS); needed for an array, otherwise the file's is used.
    model : str, path or Model
        Name of a bundled model, or a model file.
    iterations : int, optional
        Exactly this many; by default the model's own number, or fewer when labels stand still.
    device : {"auto", "cpu", "cuda", "mps"}
    threads : int, optional
        CPU threads; by default as torch finds.
    seed : int
        The same seed gives the same labels on one machine's CPU.
    mask : path or ndarray, optional
        Brain mask on the scan's grid, for scans that are not skull-stripped.
    reference : path or ndarray, optional
        Label map on the scan's grid to compare with; never used in the fit.
    align : bool
        Find where the scan lies in template space; False: world mm are template mm.
    transform : ndarray, shape (4, 4), optional
        World mm -> template mm, used instead of finding it.
    on_step : callable, optional
        Called with a `Step` after each iteration.

    Returns
    -------
    Segmentation

    Raises
    ------
    InputError
        Something given can't be used; the message says what to do.

    Examples
    --------
    >>> import napari_metaseg
    >>> result = napari_metaseg.segment("sub-01_T1w.nii.gz")  # doctest: +SKIP
    >>> result.report["volumes"]["Cortex"]  # doctest: +SKIP
    >>> result.save("sub-01_dseg.nii.gz")  # doctest: +SKIP
    """
    if iterations is not None and iterations < 0:
        raise InputError("iterations must be 0 or more")
    prepared = prepare(
        scan,
        affine,
        model=model,
        device=device,
        threads=threads,
        mask=mask,
        reference=reference,
        align=align,
        transform=transform,
    )
    started = time.perf_counter()
    network, points = prepared.network, prepared.points
    settings = prepared.model.fit.chosen(iterations, seed)
    fit, history = Fit(network, points, settings), History(network)
    history.record(0)
    for step in fit:
        history.record(step.iteration)
        if on_step is not None:
            on_step(step)
    fitted = time.perf_counter()

    classes = decode(network, points, "classes")
    labels = _label_map(prepared.mask, prepared.model.protocol, classes)
    report = describe(prepared, labels, network, fit)
    report["seconds"].update(
        fit=round(fitted - started, 3), decode=round(time.perf_counter() - fitted, 3)
    )
    return Segmentation.of(prepared, labels, report, history, network)


def _label_map(mask: np.ndarray, protocol: Protocol, classes: np.ndarray) -> np.ndarray:
    """Label ids on the mask's grid, shape (I, J, K), from the classes of its voxels (N,)."""
    volume = np.zeros(mask.shape, np.uint8)
    volume[mask] = classes
    return protocol.to_ids(volume)


def psnr_inside(network: CoordinateNetwork, points: BrainPoints, seed: int) -> float:
    """PSNR of the reconstruction inside the brain, dB, on `PSNR_PROBES` random voxels.

    The peak is 1 in normalised intensities.
    """
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(len(points), (PSNR_PROBES,), generator=generator)
    which = which.to(points.indices.device)
    found = decode(network, points, "intensity", which)
    return measure.psnr(found, points.seen[which, 0].float().cpu().numpy(), peak=1.0)


def describe(
    prepared: Preparation, labels: np.ndarray, network: CoordinateNetwork, fit: Fit
) -> dict[str, Any]:
    """The report of a label map: how it was made, its volumes and, with a reference, its Dice.

    Parameters
    ----------
    prepared : Preparation
    labels : ndarray of int, shape (I, J, K)
    network : CoordinateNetwork
        The fitted one that gave the labels.
    fit : Fit
        That fitted it.

    Returns
    -------
    dict
    """
    protocol, alignment = prepared.model.protocol, prepared.alignment
    similarity = alignment.similarity
    volumes = measure.volumes(labels, prepared.scan.affine, protocol.ids[1:])
    by_name = {s.name: round(float(volumes[s.id]), 3) for s in protocol.structures}
    versions = {name: metadata.version(name) for name in ("torch", "numpy", "nibabel", "scipy")}
    report: dict[str, Any] = {
        "seconds": dict(prepared.seconds),
        "iterations": fit.iteration,
        "psnr": round(psnr_inside(network, prepared.points, fit.settings.seed), 3),
        "stop_reason": fit.stop_reason,
        "model": {"name": prepared.model.name, "sha256": prepared.model.sha256},
        "protocol": protocol.name,
        "transform": alignment.matrix.tolist(),
        "alignment": {
            "method": alignment.method,
            "similarity": None if np.isnan(similarity) else round(similarity, 4),
        },
        "bias_field_removed": round(prepared.points.bias.strength, 3),
        "device": str(prepared.device),
        "threads": torch.get_num_threads(),
        "seed": fit.settings.seed,
        "versions": {
            "napari-metaseg": __version__,
            "python": platform.python_version(),
            **versions,
        },
        "volumes": by_name,
        "notes": list(prepared.scan.notes),
        "notice": NOTICE,
    }
    if prepared.reference is not None:
        report.update(_comparison(labels, prepared.reference, protocol))
    return report


def _comparison(labels: np.ndarray, truth: np.ndarray, protocol: Protocol) -> dict[str, Any]:
    scores = measure.dice(labels, truth, protocol.ids[1:])
    known = [score for score in scores.values() if not np.isnan(score)]
    return {
        "dice": {
            s.name: None if np.isnan(scores[s.id]) else round(float(scores[s.id]), 4)
            for s in protocol.structures
        },
        "mean_dice": round(float(np.mean(known)), 4) if known else None,
    }
