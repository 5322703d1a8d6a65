"""Everything that comes before the first step of a fit."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import torch

from src_core.correction.corrections_file import read_corrections
from src_core.correction.stroke import Stroke
from src_core.errors import InputError
from src_core.fitting.device import choose_device, return_free_memory
from src_core.io.scan import Scan, label_ids, read_on_grid, read_scan, scan_from_array
from src_core.models.model import Model, load_model
from src_core.preparation.alignment import Alignment, align, check_transform
from src_core.preparation.another_contrast import face_contrast
from src_core.preparation.any_scan import everything, numbered, placed_anywhere
from src_core.preparation.brain import Brain, NotStripped, brain_mask
from src_core.preparation.contrast import Contrast, check_contrast
from src_core.preparation.extraction import (
    DEFAULT_EXTRACTOR,
    EXTRACTORS,
    Extractor,
    extract_brain,
    installed,
)
from src_core.preparation.findings import Finding, Findings, messages
from src_core.preparation.quality import (
    check_brain,
    check_intensities,
    check_place,
    check_scan,
)
from src_core.preparation.reference import Reference
from src_core.preparation.rim import without_rim
from src_core.request import BRAIN_WORDS, Request
from src_core.space.points import BrainPoints, see

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager

    from src_core.networks.base import CoordinateNetwork
    from src_core.space.slices import SliceRange
    from src_core.space.template import TemplateImage

Stage = Literal["load", "brain", "align", "see"]
"""What comes before the first step of a fit. A brain that is given is not looked for, and a scan
that is no brain is not aligned."""


@dataclass(frozen=True, eq=False)
class Preparation:
    """A scan that is ready to be fitted.

    Attributes
    ----------
    scan : Scan
    brain : Brain
    reference : Reference or None
        On the scan's grid.
    model : Model
    contrast : Contrast
    alignment : Alignment
    network : CoordinateNetwork
        At its start.
    points : BrainPoints
    device : torch.device
        Of the network and the points.
    findings : tuple of Finding
        Of the scan's quality.
    seconds : dict
        Time per stage.
    corrections : Stroke or None
        To be learned after the fit.
    """

    scan: Scan
    brain: Brain
    reference: Reference | None
    model: Model
    contrast: Contrast
    alignment: Alignment
    network: CoordinateNetwork
    points: BrainPoints
    device: torch.device
    findings: tuple[Finding, ...]
    seconds: dict[str, float]
    corrections: Stroke | None = None

    @property
    def mask(self) -> np.ndarray:
        """Which voxels are brain: ndarray of bool, shape (I, J, K)."""
        return self.brain.mask

    @property
    def notes(self) -> tuple[str, ...]:
        """What the user should know about the scan, one line each."""
        return (*self.scan.notes, *messages(self.findings))


def prepare(request: Request, on_stage: Callable[[Stage], None] | None = None) -> Preparation:
    """Load, check and align a scan, and see it at its brain voxels.

    Parameters
    ----------
    request : Request
        Its iterations and its seed are left to the fit.
    on_stage : callable, optional
        Called when a stage begins; what it raises ends the preparation.

    Returns
    -------
    Preparation

    Raises
    ------
    InputError
        Something given can't be used; the message says what to do.
    """
    seconds: dict[str, float] = {}
    findings = Findings(request.force)

    @contextmanager
    def stage(name: Stage) -> Iterator[None]:
        started = time.perf_counter()
        if on_stage is not None:
            on_stage(name)
        yield
        seconds[name] = round(time.perf_counter() - started, 3)

    with stage("load"):
        device, model, scan = _device(request), _model(request), _scan(request)
        if not model.card.untrained:
            findings.take(check_scan(scan))
        given = None if request.transform is None else check_transform(request.transform)
        if model.slices is not None:
            model.slices.check(scan, np.eye(4) if given is None else given, model.name)
        brain = _brain(request, scan, model)
        corrections, model = _corrections(request.corrections, scan, model)
        reference = _reference(request.reference, scan, model)
        network = model.network()
    if isinstance(brain, Extractor):
        with stage("brain"):
            brain = extract_brain(scan, brain, gpu=device.type == "cuda")
    _require_contrast(scan, brain.mask)
    if model.card.untrained:
        with stage("see"):
            contrast, alignment, points = placed_anywhere(scan, brain.mask)
    else:
        placed = _placed(scan, brain, model, request.align, given, findings, stage)
        contrast, alignment, brain, points = placed
        findings.take([check_contrast(contrast), *check_place(alignment, scan.is_slice)])
        findings.take(check_intensities(points.bias))
    points, network = points.to(device), network.to(device)
    return_free_memory()
    told = tuple(findings)
    prepared = Preparation(
        scan, brain, reference, model, contrast, alignment, network, points, device, told, seconds
    )
    return replace(prepared, corrections=corrections)


def _device(request: Request) -> torch.device:
    if request.threads is not None:
        torch.set_num_threads(request.threads)
    return choose_device(request.device)


def _require_contrast(scan: Scan, mask: np.ndarray) -> None:
    if np.ptp(scan.voxels[mask]) == 0:
        raise InputError("all voxels inside the brain are equal; give the scan, not a mask of it")


def _placed(
    scan: Scan,
    brain: Brain,
    model: Model,
    wanted: bool,
    transform: np.ndarray | None,
    findings: Findings,
    stage: Callable[[Stage], AbstractContextManager[None]],
) -> tuple[Contrast, Alignment, Brain, BrainPoints]:
    """Check, align and see the brain; of a loose one the surplus of its rim is left out."""
    with _cores() as cores:
        with stage("align"):
            checked = cores.submit(check_brain, scan, brain.mask)
            seen = cores.submit(see, scan, brain.mask, model.rule)
            template = model.template()
            findings.take(checked.result())
            alignment = _align(scan, brain.mask, model.slices, template, wanted, transform)
        with stage("see"):
            points = seen.result().points(alignment.matrix @ scan.affine, cores.map)
            del seen  # what is seen of a fine scan fills a gigabyte
            contrast, alignment, points = face_contrast(
                scan, brain.mask, model, template, alignment, points
            )
            # Only in a plain T1 is what is dark at the rim surely fluid or air.
            mask = brain.mask
            if contrast.is_plain:
                mask = without_rim(scan, mask, points, template, cores.map)
            if mask is not brain.mask:
                brain = replace(brain, mask=mask)
                del points
                sight = see(scan, mask, model.rule)
                points = sight.points(alignment.matrix @ scan.affine, cores.map)
    return contrast, alignment, brain, points


@contextmanager
def _cores() -> Iterator[ThreadPoolExecutor]:
    """A thread for each core that torch may use.

    All this is a thousand small operations, of which torch would share every single one.
    """
    count = torch.get_num_threads()
    torch.set_num_threads(1)  # holds for threads begun later, too
    try:
        with ThreadPoolExecutor(count) as pool:
            yield pool
    finally:
        torch.set_num_threads(count)


def renew(prepared: Preparation, reference: str | Path | np.ndarray | None) -> Preparation:
    """The same scan ready for another fit, compared with another reference or none.

    Raises
    ------
    InputError
        The reference can't be used.
    """
    return replace(
        prepared,
        reference=_reference(reference, prepared.scan, prepared.model),
        network=prepared.model.network().to(prepared.device),
        seconds={},
    )


def _reference(
    reference: str | Path | np.ndarray | None, scan: Scan, model: Model
) -> Reference | None:
    truth = _on_grid(reference, scan, "reference")
    return None if truth is None else Reference.of(label_ids(truth, "the reference"), model)


def _corrections(
    wanted: str | Path | Stroke | None, scan: Scan, model: Model
) -> tuple[Stroke | None, Model]:
    """What was painted, and the model with the structures that its file names."""
    if wanted is None:
        return None, model
    known = model.protocol.structures
    stroke, named = (
        (wanted, ()) if isinstance(wanted, Stroke) else read_corrections(wanted, scan, known)
    )
    if ((stroke.voxels < 0) | (stroke.voxels >= scan.shape)).any():
        raise InputError("corrections: a painted voxel is outside the scan; is it another one?")
    unknown = np.setdiff1d(stroke.labels, model.protocol.ids)
    try:
        if model.card.untrained:
            named = numbered(unknown, named)
        if model.coarser is None:
            more = tuple(one for one in named if one.id in unknown)
            model = replace(model, added=(*model.added, *more))
        model.protocol.to_classes(stroke.labels)
    except InputError as error:
        raise InputError(f"corrections: {error}") from error
    return stroke, model


def _model(request: Request) -> Model:
    model = request.model if isinstance(request.model, Model) else load_model(request.model)
    return model.in_protocol(request.labels)


def _scan(request: Request) -> Scan:
    scan = request.scan
    if isinstance(scan, Scan):
        return scan
    if isinstance(scan, np.ndarray):
        if request.affine is None:
            raise InputError("an array needs its affine (voxel index -> world mm)")
        return scan_from_array(scan, request.affine)
    return read_scan(scan, request.series)


def _brain(request: Request, scan: Scan, model: Model) -> Brain | Extractor:
    """The brain, or the installed program that is to find it; anything for an untrained model."""
    wanted = request.brain if request.mask is None else request.mask
    if isinstance(wanted, np.ndarray) or wanted not in BRAIN_WORDS:
        if isinstance(wanted, str) and not Path(wanted).exists():
            raise InputError(
                f"brain: there is no file {wanted}; give a mask, or one of {', '.join(BRAIN_WORDS)}"
            )
        return Brain(brain_mask(scan, _on_grid(wanted, scan, "mask")), "given")
    if wanted in EXTRACTORS:
        return installed(str(wanted))
    if model.card.untrained:
        return everything(scan)
    try:
        return Brain(brain_mask(scan, known_stripped=wanted == "stripped"), "stripped")
    except NotStripped as error:
        if wanted == "stripped":
            raise
        return installed(DEFAULT_EXTRACTOR, f"{error.finding}, and ")


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
    slices: SliceRange | None,
    template: TemplateImage,
    wanted: bool,
    transform: np.ndarray | None,
) -> Alignment:
    if transform is not None:
        return Alignment(transform, "given")
    if not wanted:
        return Alignment(np.eye(4), "none")
    return align(scan, brain, template, slices)
