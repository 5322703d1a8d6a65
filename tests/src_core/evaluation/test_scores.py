"""A label map compared with its labels."""

from __future__ import annotations

import json

import numpy as np

from src_core.datasets.mapping import IGNORED
from src_core.evaluation.scans import (
    LabelledImage,
)
from src_core.evaluation.scores import LAST, Score, score_structures
from src_core.io.protocols import protocol

TISSUES = protocol("tissue4")
ALL_GIVEN = np.arange(5, dtype=np.uint8)


def image_of(classes: np.ndarray, brain) -> LabelledImage:
    return LabelledImage(brain.scan, classes.astype(np.uint8))


def test_ignored_voxels_take_no_part(brain) -> None:
    wrong = np.where(brain.labels == 1, 2, brain.labels)
    classes = np.where(brain.labels == 1, IGNORED, brain.labels)
    structures, overlap = score_structures(wrong, image_of(classes, brain), TISSUES, ALL_GIVEN)
    assert [structure.dice for structure in structures] == [None, 1, 1, 1]
    assert overlap == 1


def test_only_what_the_labels_can_never_give_is_undefined(brain) -> None:
    classes = np.where(np.isin(brain.labels, (3, 4)), 0, brain.labels)
    without_csf = np.arange(4, dtype=np.uint8)
    found, _ = score_structures(
        brain.labels, image_of(classes, brain), TISSUES, without_csf, surfaces=True
    )
    assert [structure.dice for structure in found] == [1, 1, 0, None]
    assert found[3].volume_similarity is None
    assert found[3].volume_mm3 > 0


def test_a_score_comes_back_from_what_it_told(brain) -> None:
    structures, overlap = score_structures(
        brain.labels, image_of(brain.labels, brain), TISSUES, ALL_GIVEN
    )
    score = Score("a", "b", "val", None, LAST, 6, 1.5, "iterations", 30.0, overlap, structures)
    assert Score.from_json(json.loads(json.dumps(score.to_json()))) == score
