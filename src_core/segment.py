"""Scan in, labels out: the one call behind API, command line and plugin."""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src_core.correction.learn import Lesson, learn_at_once
from src_core.correction.network import CorrectedNetwork
from src_core.fitting.cascade import decode_classes
from src_core.fitting.fit import Fit, Step
from src_core.fitting.history import History
from src_core.options import takes_options
from src_core.preparation.prepare import prepare
from src_core.request import Request
from src_core.results.report import describe
from src_core.results.segmentation import Segmentation
from src_core.space.regions import unmask

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy as np

    from src_core.io.scan import Scan
    from src_core.networks.base import CoordinateNetwork
    from src_core.preparation.prepare import Preparation, Stage


@takes_options(Request)
def segment(
    scan: str | Path | np.ndarray | Scan | Request,
    affine: np.ndarray | None = None,
    *,
    on_stage: Callable[[Stage], None] | None = None,
    on_step: Callable[[Step], None] | None = None,
    **options: Any,
) -> Segmentation:
    """Fit a network to the brain in a T1-weighted scan and read the labels off it.

    Parameters
    ----------
    scan : path of a file or DICOM folder, ndarray of shape (I, J, K), Scan or Request
        A request holds all of what follows; what is given besides takes the place of its own.
    affine : ndarray, shape (4, 4)
        Voxel index -> world mm (RAS); needed for an array, otherwise the file's is used.
    **options
        As in `Request`, by name.
    on_stage : callable, optional
        Called with each `Stage` as it begins.
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
    >>> result.save("sub-01_dseg.nii.gz")  # doctest: +SKIP
    """
    if affine is not None:
        options["affine"] = affine
    request = replace(scan, **options) if isinstance(scan, Request) else Request(scan, **options)
    prepared = prepare(request, on_stage)
    started = time.perf_counter()
    network = prepared.network
    settings = prepared.model.fit.chosen(request.iterations, request.seed)
    fit, history = Fit(network, prepared.points, settings), History(network)
    history.record(0)
    for step in fit:
        history.record(step.iteration)
        if on_step is not None:
            on_step(step)
    fitted = time.perf_counter()
    if prepared.corrections is not None:
        network = _corrected(prepared, network, request.seed)
    labels = _labels(prepared, network)
    report = describe(prepared, labels, network, fit)
    report["seconds"].update(
        fit=round(fitted - started, 3), decode=round(time.perf_counter() - fitted, 3)
    )
    return Segmentation.of(prepared, labels, report, history.given_to(network), network)


def _corrected(prepared: Preparation, network: CoordinateNetwork, seed: int) -> CoordinateNetwork:
    """A fitted network that has learned what was painted."""
    assert prepared.corrections is not None
    lesson = Lesson.of(prepared.corrections, prepared.points, prepared.model.protocol)
    return learn_at_once(CorrectedNetwork(network), prepared.points, lesson, seed)


def _labels(prepared: Preparation, network: CoordinateNetwork) -> np.ndarray:
    """Label ids of all voxels, as painted where they were painted."""
    classes = decode_classes(network, prepared.points)
    labels = prepared.model.protocol.to_ids(unmask(classes, prepared.mask))
    return labels if prepared.corrections is None else prepared.corrections.laid_over(labels)
