"""Scan in, labels out: the one call behind API, command line and plugin."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from src_core.errors import InputError
from src_core.fitting.decode import decode
from src_core.fitting.fit import Fit, Step
from src_core.fitting.history import History
from src_core.models.bundled import DEFAULT_MODEL
from src_core.preparation.prepare import prepare
from src_core.results.report import describe
from src_core.results.segmentation import Segmentation
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from src_core.io.scan import Scan
    from src_core.models.model import Model


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
    labels = prepared.model.protocol.to_ids(unmask(classes, prepared.mask))
    report = describe(prepared, labels, network, fit)
    report["seconds"].update(
        fit=round(fitted - started, 3), decode=round(time.perf_counter() - fitted, 3)
    )
    return Segmentation.of(prepared, labels, report, history, network)
