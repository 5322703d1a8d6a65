"""Score a model on labelled scans: segment each as users do, compare with its labels."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from src_core import __version__
from src_core.evaluation.scores import LAST, Score, score_structures
from src_core.fitting.device import choose_device
from src_core.fitting.history import nearest
from src_core.io.export import write_json
from src_core.io.files import digest
from src_core.results.report import psnr_inside
from src_core.segment import segment

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    import numpy as np

    from src_core.evaluation.scans import EvaluationScan, LabelledImage
    from src_core.fitting.fit import Step
    from src_core.models.model import Model

ITERATIONS = (0, 2, 10, 30, 50, 100)
"""Iterations whose labels are scored besides the last."""


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
    told = json.dumps(settings).encode()
    options = {"model": model, "device": device, "threads": threads, "seed": seed}
    for labelled in scans:
        key = digest(told, labelled.fingerprint.encode())
        kept = work / f"{labelled.name}-{model.sha256[:8]}-{key[:16]}.json"
        kept.parent.mkdir(parents=True, exist_ok=True)
        if not kept.exists():
            scores = [
                score.to_json()
                for image in labelled.read(mapping)
                for score in _scores(labelled, image, mapping, iterations, options)
            ]
            write_json({"scores": scores}, kept, overwrite=True)
        # Whose scan it is and in which split may be said otherwise since.
        whose = {"subject": labelled.subject, "split": labelled.split}
        rows = json.loads(kept.read_text(encoding="utf-8"))["scores"]
        yield [Score.from_json({**row, **whose}) for row in rows]


def _scores(
    labelled: EvaluationScan,
    image: LabelledImage,
    mapping: np.ndarray,
    iterations: Sequence[int],
    options: dict[str, Any],
) -> Iterator[Score]:
    """Segment an image and score the iterations asked for, each stored one once."""
    steps: list[Step] = []
    # Whatever is wrong with a scan shows in its scores.
    result = segment(image.scan, mask=image.mask, force=True, on_step=steps.append, **options)
    stored = result.iterations
    wanted = {str(asked): nearest(stored, asked) for asked in iterations}
    wanted[LAST] = stored[-1]
    stages = result.report["seconds"]
    around = stages["align"] + stages["see"] + stages["decode"]
    found: dict[int, Score] = {}
    for asked, iteration in wanted.items():
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
