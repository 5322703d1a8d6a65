"""What the report of a segmentation tells."""

from __future__ import annotations

import json

import numpy as np
import pytest

from src_core.results.measure import dice
from src_core.segment import segment

IDS = [1, 2, 3, 4]


def test_the_report_tells_everything(brain, result) -> None:
    report = result.report
    assert report["seconds"].keys() >= {"load", "align", "fit", "decode"}
    assert report["iterations"] == 12
    assert report["stop_reason"] in ("iterations", "labels stand still")
    assert report["model"] == {"name": "phantoms", "sha256": result.model.sha256}
    assert report["alignment"]["method"] == "estimated"
    np.testing.assert_array_equal(report["transform"], result.alignment.matrix)
    assert report["device"] in ("cpu", "cuda")
    assert {"python", "torch", "numpy", "nibabel", "scipy"} <= report["versions"].keys()
    names = [structure.name for structure in result.protocol.structures]
    assert list(report["volumes"]) == names
    counted = [np.sum(result.labels == label) * brain.scan.voxel_volume for label in IDS]
    np.testing.assert_allclose(list(report["volumes"].values()), counted)
    assert report["mean_dice"] == pytest.approx(
        np.mean(list(dice(result.labels, brain.labels, IDS).values())), abs=1e-3
    )
    assert list(report["dice"]) == names
    assert 10 < report["psnr"] < 40
    assert report["quality"]["brain_volume_l"]["value"] == pytest.approx(1.98, abs=0.01)
    assert report["quality"]["brain_volume_l"]["usual"] == [0.7, 2.1]
    json.dumps(report)  # can be written


def test_without_a_reference_there_is_no_dice(brain, tiny_model) -> None:
    report = segment(brain.scan, model=tiny_model, align=False, iterations=1).report
    assert not {"dice", "mean_dice"} & report.keys()
