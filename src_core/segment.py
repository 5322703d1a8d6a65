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

from src_core import __version__, export, measure, warp_products
from src_core.alignment import Alignment, align, check_transform
from src_core.brain import brain_mask
from src_core.decode import Quantity, decode
from src_core.device import choose_device
from src_core.errors import InputError
from src_core.fit import Fit, Step
from src_core.history import History
from src_core.labels import Protocol
from src_core.model import DEFAULT_MODEL, Model, load_model, template_image
from src_core.networks.base import CoordinateNetwork
from src_core.points import BrainPoints, brain_points
from src_core.scan import Scan, read_on_grid, read_scan, scan_from_array

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
            return self._label_map()

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
        return self._volume(self.points.scale.restore(values))

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

    def _label_map(self) -> np.ndarray:
        return self.protocol.to_ids(self._volume(self._decode("classes")))


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
    if threads is not None:
        if threads < 1:
            raise InputError("threads must be 1 or more")
        torch.set_num_threads(threads)
    where = choose_device(device)
    clock = _Clock()
    loaded = model if isinstance(model, Model) else load_model(model)
    scan = _scan(scan, affine)
    brain = brain_mask(scan, _on_grid(mask, scan, "mask"))
    if np.ptp(scan.voxels[brain]) == 0:
        raise InputError("all voxels inside the brain are equal; give the scan, not a mask of it")
    truth = _on_grid(reference, scan, "reference")
    if truth is not None:
        truth = loaded.protocol.ids[loaded.protocol.to_classes(truth)]
    network = loaded.network()
    clock.lap("load")

    alignment = _align(scan, brain, network, align, transform)
    clock.lap("align")

    points = brain_points(scan, brain, alignment.matrix, loaded.rule).to(where)
    network.to(where)
    settings = dataclasses.replace(loaded.fit, seed=seed)
    if iterations is not None:
        settings = dataclasses.replace(settings, iterations=iterations, earliest_stop=None)
    fit, history = Fit(network, points, settings), History(network)
    history.record(0)
    for step in fit:
        history.record(step.iteration)
        if on_step is not None:
            on_step(step)
    clock.lap("fit")

    result = Segmentation(scan, brain, loaded, alignment, np.empty(0), {}, history, network, points)
    result.labels = result._label_map()
    psnr = _psnr(network, points, seed)
    clock.lap("decode")
    result.report.update(_report(result, fit, psnr, where, clock.seconds))
    if truth is not None:
        result.report.update(_comparison(result.labels, truth, loaded.protocol))
    return result


class _Clock:
    """Seconds per stage."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._last = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.seconds[stage], self._last = round(now - self._last, 3), now


def _scan(scan: str | Path | np.ndarray | Scan, affine: np.ndarray | None) -> Scan:
    if isinstance(scan, Scan):
        return scan
    if isinstance(scan, np.ndarray):
        if affine is None:
            raise InputError("an array needs its affine (voxel index -> world mm)")
        return scan_from_array(scan, affine)
    return read_scan(scan)


def _on_grid(
    image: str | Path | np.ndarray | None, scan: Scan, what: Literal["mask", "reference"]
) -> np.ndarray | None:
    if image is None:
        return None
    if not isinstance(image, np.ndarray):
        return read_on_grid(image, scan, what)
    # A slice may come without its axis of length 1.
    if np.squeeze(image).shape != np.squeeze(scan.voxels).shape:
        raise InputError(f"the {what} has shape {image.shape}, the scan {scan.shape}")
    return image.reshape(scan.shape)


def _align(
    scan: Scan,
    brain: np.ndarray,
    network: CoordinateNetwork,
    wanted: bool,
    transform: np.ndarray | None,
) -> Alignment:
    if transform is not None:
        return Alignment(check_transform(transform), "given")
    if not wanted:
        return Alignment(np.eye(4), "none")
    return align(scan, brain, template_image(network))


def _psnr(network: CoordinateNetwork, points: BrainPoints, seed: int) -> float:
    generator = torch.Generator().manual_seed(seed)
    which = torch.randint(len(points), (PSNR_PROBES,), generator=generator)
    which = which.to(points.indices.device)
    found = decode(network, points, "intensity", which)
    return measure.psnr(found, points.seen[which, 0].float().cpu().numpy(), peak=1.0)


def _report(
    result: Segmentation, fit: Fit, psnr: float, device: torch.device, seconds: dict[str, float]
) -> dict[str, Any]:
    protocol, alignment = result.protocol, result.alignment
    similarity = alignment.similarity
    volumes = measure.volumes(result.labels, result.scan.affine, protocol.ids[1:])
    by_name = {s.name: round(float(volumes[s.id]), 3) for s in protocol.structures}
    versions = {name: metadata.version(name) for name in ("torch", "numpy", "nibabel", "scipy")}
    return {
        "seconds": seconds,
        "iterations": fit.iteration,
        "psnr": round(psnr, 3),
        "stop_reason": fit.stop_reason,
        "model": {"name": result.model.name, "sha256": result.model.sha256},
        "protocol": protocol.name,
        "transform": alignment.matrix.tolist(),
        "alignment": {
            "method": alignment.method,
            "similarity": None if np.isnan(similarity) else round(similarity, 4),
        },
        "device": str(device),
        "threads": torch.get_num_threads(),
        "seed": fit.settings.seed,
        "versions": {
            "napari-metaseg": __version__,
            "python": platform.python_version(),
            **versions,
        },
        "volumes": by_name,
        "notes": list(result.scan.notes),
        "notice": NOTICE,
    }


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
