"""Score a model on labelled scans: segment each as users do, compare with its labels."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from src_core import __version__
from src_core.datasets.find import read_scans
from src_core.datasets.labelled import LabelledScan, check, read_example, read_mask
from src_core.datasets.mapping import IGNORED, read_mapping
from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.fitting.device import choose_device
from src_core.fitting.fit import Step
from src_core.io.export import write_json
from src_core.io.labels import Protocol, protocol
from src_core.io.scan import Scan, slice_of
from src_core.models.model import Model
from src_core.results.measure import compare, dice, generalised_dice, volume_similarity, volumes
from src_core.results.report import psnr_inside
from src_core.results.segmentation import Segmentation
from src_core.segment import segment

MEASURES = ("dice", "hd95_mm", "assd_mm", "volume_similarity")
"""Of a structure; undefined for some."""
ITERATIONS = (0, 2, 10, 30, 50, 100)
"""Iterations whose labels are scored besides the last."""
LAST = "last"
SLICES_MM = (-10.0, -5.0, 0.0, 5.0, 10.0)
"""Coronal slices of a two-dimensional evaluation: mm in front of the centre of the thalami."""


@dataclass(frozen=True, eq=False)
class LabelledImage:
    """A volume or one slice of it.

    Attributes
    ----------
    scan : Scan
    classes : ndarray of uint8, shape (I, J, K)
        Class of each voxel by the labels, `IGNORED` where it takes no part.
    mask : ndarray, shape (I, J, K), optional
        The brain, of a scan that is not skull-stripped.
    slice_mm : float, optional
        Of a slice: where it lies, mm in front of the centre of the thalami.
    """

    scan: Scan
    classes: np.ndarray
    mask: np.ndarray | None = None
    slice_mm: float | None = None


@dataclass(frozen=True, eq=False)
class EvaluationScan:
    """A scan that a model is scored on.

    Attributes
    ----------
    name, subject, split : str
    fingerprint : str
        Changes with whatever `read` returns.
    read : callable
        From the class of each label id to the images to segment: the volume or its slices.
    """

    name: str
    subject: str
    split: str
    fingerprint: str
    read: Callable[[np.ndarray], list[LabelledImage]]


@dataclass(frozen=True)
class StructureScore:
    """One structure in two label maps; None is what is undefined, infinite or not measured."""

    name: str
    dice: float | None
    hd95_mm: float | None
    assd_mm: float | None
    volume_similarity: float | None
    volume_mm3: float
    reference_volume_mm3: float


@dataclass(frozen=True)
class Score:
    """The labels of one image at one iteration.

    Attributes
    ----------
    scan, subject, split : str
    slice_mm : float or None
        As in `LabelledImage`.
    asked : str
        Iteration that was asked for, or "last".
    iteration : int
        The nearest one stored.
    seconds : float
        From the loaded scan to these labels: align, fit so far, decode.
    stop_reason : str
        Why the fit ended.
    psnr : float
        Of the reconstruction, dB.
    generalised_dice : float
        The paper's.
    structures : tuple of StructureScore
        Surface distances at the last iteration only.
    """

    scan: str
    subject: str
    split: str
    slice_mm: float | None
    asked: str
    iteration: int
    seconds: float
    stop_reason: str
    psnr: float
    generalised_dice: float
    structures: tuple[StructureScore, ...]

    def mean(self, measure: str, leave_out: Collection[str] = ()) -> float | None:
        """Mean of a measure over the structures for which it is defined."""
        values = [getattr(s, measure) for s in self.structures if s.name not in leave_out]
        return mean_defined(values)


def mean_defined(values: Iterable[float | None]) -> float | None:
    """Mean of the values that are not None; None if there is none."""
    defined = [value for value in values if value is not None]
    return float(np.mean(defined)) if defined else None


def evaluation_scans(
    data: DataSettings,
    splits: Sequence[str],
    slices: bool = False,
    mappings: Sequence[np.ndarray] = (),
) -> list[EvaluationScan]:
    """List the labelled scans of some splits.

    Parameters
    ----------
    data : DataSettings
    splits : sequence of str
    slices : bool
        Cut coronal slices (see `coronal_slices`) instead of taking whole volumes.
    mappings : sequence of ndarray of uint8
        Class by label id, in each protocol that will be asked for: checked here at once.

    Returns
    -------
    list of EvaluationScan

    Raises
    ------
    InputError
        The data can't be used, or no scan has one of the splits.
    """
    scans = read_scans(data, needed=())
    chosen = [scan for scan in scans if scan.split in splits]
    if not chosen:
        there = ", ".join(sorted({scan.split for scan in scans})) or "none"
        raise InputError(
            f"{data.path}: no scan has the split {' or '.join(splits)}; there are: {there};"
            " name one with --splits"
        )
    for mapping in mappings:
        check(chosen, mapping)
    read, cut = _read_volume, b""
    if slices:
        read = partial(_read_slices, data)
        cut = repr(SLICES_MM).encode()
    return [
        EvaluationScan(
            scan.name,
            scan.subject,
            scan.split,
            _digest(scan.fingerprint.encode(), cut),
            partial(read, scan),
        )
        for scan in chosen
    ]


def _read_volume(labelled: LabelledScan, mapping: np.ndarray) -> list[LabelledImage]:
    scan, classes = read_example(labelled, mapping)
    return [LabelledImage(scan, classes, read_mask(labelled, scan))]


def _read_slices(
    data: DataSettings, labelled: LabelledScan, mapping: np.ndarray
) -> list[LabelledImage]:
    (volume,) = _read_volume(labelled, mapping)
    if volume.scan.is_slice:
        return [volume]
    fs32 = protocol("fs32")
    _, structures = read_example(labelled, read_mapping(data, fs32))
    thalami = [place for place, s in enumerate(fs32.structures, start=1) if "Thalamus" in s.name]
    inside = np.isin(structures, thalami)
    if not inside.any():
        raise InputError(f"{labelled.labels}: no thalamus, by which slices are found")
    return coronal_slices(volume, inside)


def coronal_slices(volume: LabelledImage, thalami: np.ndarray) -> list[LabelledImage]:
    """Cut coronal slices at `SLICES_MM` from the centre of the thalami.

    Parameters
    ----------
    volume : LabelledImage
    thalami : ndarray of bool, shape (I, J, K)

    Returns
    -------
    list of LabelledImage
        Each of one slice across the voxel axis nearest to world anterior-posterior, its affine
        that of the slice's own place; those outside the volume are left out.
    """
    scan, mask = volume.scan, volume.mask
    axis = scan.axis_along("AP")
    forward = 1 if scan.orientation[axis] == "A" else -1
    others = tuple(other for other in range(3) if other != axis)
    extent = np.count_nonzero(thalami, axis=others)
    centre = np.average(np.arange(len(extent)), weights=extent)
    images = []
    for millimetres in SLICES_MM:
        index = round(centre + forward * millimetres / scan.voxel_size[axis])
        if not 0 <= index < scan.shape[axis]:
            continue
        images.append(
            LabelledImage(
                slice_of(scan, axis, index),
                volume.classes.take([index], axis),
                None if mask is None else mask.take([index], axis),
                millimetres,
            )
        )
    return images


def evaluate(
    model: Model,
    scans: Iterable[EvaluationScan],
    mapping: np.ndarray,
    work: Path,
    *,
    iterations: Sequence[int] = ITERATIONS,
    device: str = "auto",
    threads: int | None = None,
    seed: int = 0,
) -> Iterator[list[Score]]:
    """Score a model on scans, with its default settings.

    What was measured is kept in `work` scan by scan, so that an interrupted evaluation goes on.

    Parameters
    ----------
    model : Model
    scans : iterable of EvaluationScan
    mapping : ndarray of uint8
        Class of the model's protocol by label id, see `read_mapping`. What it can never give is
        undefined instead of missing.
    work : Path
        Folder, made if need be.
    iterations : sequence of int
        Scored besides the last; for each the nearest one stored is taken.
    device, threads, seed
        As in `segment`.

    Yields
    ------
    list of Score
        Of one scan: each of its images at each iteration.

    Raises
    ------
    InputError
        A scan can't be read or segmented.
    """
    where = choose_device(device).type
    settings = [model.sha256, __version__, mapping.tolist(), list(iterations), seed, where]
    for labelled in scans:
        key = _digest(json.dumps(settings).encode(), labelled.fingerprint.encode())
        kept = work / f"{labelled.name}-{model.sha256[:8]}-{key[:16]}.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        if not kept.exists():
            scores: list[Score] = []
            for image in labelled.read(mapping):
                steps: list[Step] = []
                result = segment(
                    image.scan,
                    model=model,
                    device=device,
                    threads=threads,
                    seed=seed,
                    mask=image.mask,
                    on_step=steps.append,
                )
                scores += _scores(labelled, image, result, steps, mapping, iterations)
            write_json({"scores": [asdict(score) for score in scores]}, kept, overwrite=True)
        # Whose scan it is and in which split may be said otherwise since.
        whose = {"subject": labelled.subject, "split": labelled.split}
        rows = json.loads(kept.read_text())["scores"]
        yield [_score_from_json({**row, **whose}) for row in rows]


def score_structures(
    labels: np.ndarray,
    image: LabelledImage,
    protocol: Protocol,
    mapping: np.ndarray,
    surfaces: bool = False,
) -> tuple[tuple[StructureScore, ...], float]:
    """Compare a label map with the classes of an image, where these take part.

    Parameters
    ----------
    labels : ndarray of int, shape (I, J, K)
        Label ids of the protocol.
    image : LabelledImage
    protocol : Protocol
    mapping : ndarray of uint8
        As in `evaluate`.
    surfaces : bool
        Measure surface distances, too, which takes seconds.

    Returns
    -------
    structures : tuple of StructureScore
    generalised_dice : float
    """
    ignored = image.classes == IGNORED
    labels = np.where(ignored, 0, labels)
    reference = protocol.to_ids(np.where(ignored, 0, image.classes))
    affine, ids = image.scan.affine, [structure.id for structure in protocol.structures]
    if surfaces:
        rows = compare(labels, reference, affine, protocol)["structures"]
    else:
        columns = {
            "dice": dice(labels, reference, ids),
            "volume_similarity": volume_similarity(labels, reference, ids),
            "volume_mm3": volumes(labels, affine, ids),
            "reference_volume_mm3": volumes(reference, affine, ids),
        }
        rows = [{name: column[id] for name, column in columns.items()} for id in ids]
    given = set(mapping.tolist())
    scores = [
        StructureScore(
            structure.name,
            volume_mm3=row["volume_mm3"],
            reference_volume_mm3=row["reference_volume_mm3"],
            **{name: _defined(row.get(name)) if place in given else None for name in MEASURES},
        )
        for place, (structure, row) in enumerate(zip(protocol.structures, rows, strict=True), 1)
    ]
    return tuple(scores), generalised_dice(labels, reference, ids)


def _defined(value: float | None) -> float | None:
    return None if value is None or np.isnan(value) else value


def nearest_stored(stored: Sequence[int], asked: int) -> int:
    """The stored iteration nearest to one asked for."""
    return min(stored, key=lambda iteration: abs(iteration - asked))


def _scores(
    labelled: EvaluationScan,
    image: LabelledImage,
    result: Segmentation,
    steps: Sequence[Step],
    mapping: np.ndarray,
    iterations: Sequence[int],
) -> Iterator[Score]:
    """Score the iterations asked for, each stored one once."""
    stored = result.iterations
    nearest = {str(asked): nearest_stored(stored, asked) for asked in iterations}
    nearest[LAST] = stored[-1]
    stages = result.report["seconds"]
    around = stages["align"] + stages["decode"]
    found: dict[int, Score] = {}
    for asked, iteration in nearest.items():
        if iteration not in found:
            is_last = iteration == stored[-1]
            labels = result.labels if is_last else result.labels_at(iteration)
            with result.history.at(iteration) as network:
                decibels = psnr_inside(network, result.points, seed=0)
            structures, overlap = score_structures(
                labels, image, result.protocol, mapping, surfaces=is_last
            )
            found[iteration] = Score(
                scan=labelled.name,
                subject=labelled.subject,
                split=labelled.split,
                slice_mm=image.slice_mm,
                asked=asked,
                iteration=iteration,
                seconds=round(around + sum(step.seconds for step in steps[:iteration]), 3),
                stop_reason=result.report["stop_reason"],
                psnr=round(decibels, 3),
                generalised_dice=overlap,
                structures=structures,
            )
        yield replace(found[iteration], asked=asked)


def _score_from_json(values: dict) -> Score:
    structures = tuple(StructureScore(**row) for row in values["structures"])
    return Score(**{**values, "structures": structures})


def _digest(*parts: bytes) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(hashlib.sha256(part).digest())
    return digest.hexdigest()
