"""Grids, patches, small trainings and the table of the baselines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from benchmarks.baselines.data import Task
from benchmarks.baselines.grids import Grid
from benchmarks.baselines.methods import begin, untrained
from benchmarks.baselines.patches import ChangeSettings, LabelledVolume, cut
from benchmarks.baselines.pointwise import PointwiseNetwork
from benchmarks.baselines.table import write_table
from src_core.datasets.mapping import IGNORED
from src_core.errors import InputError
from src_core.io.sample import phantom
from src_core.io.scan import Scan, scan_from_array
from src_core.space.points import Points
from src_core.space.seen import SEEN

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def head() -> tuple[Scan, np.ndarray]:
    return phantom(3.0)


def stored_otherwise(scan: Scan, labels: np.ndarray) -> tuple[Scan, np.ndarray]:
    """The same head with axes turned and flipped."""
    affine = scan.affine @ np.array(
        [[0, 0, -1, scan.shape[0] - 1], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 0, 1]]
    )
    turn = (1, 2, 0)
    voxels, classes = (v.transpose(turn)[:, :, ::-1].copy() for v in (scan.voxels, labels))
    return scan_from_array(voxels, affine), classes


def test_scores_come_back_to_the_voxels_they_were_made_of(head: tuple[Scan, np.ndarray]) -> None:
    for scan, labels in (head, stored_otherwise(*head)):
        grid = Grid.of(scan, scan.voxels > 0)
        on_grid = grid.classes(labels.astype(np.uint8), IGNORED)
        scores = torch.stack([(on_grid == number).float() for number in range(5)])
        back = grid.back(scores)
        brain = scan.voxels > 0
        assert back.shape == scan.shape
        assert np.mean(back[brain] == labels[brain]) > 0.97


def test_the_grid_has_1_mm_and_does_not_depend_on_the_storage_order(
    head: tuple[Scan, np.ndarray],
) -> None:
    scan, labels = head
    other, _ = stored_otherwise(scan, labels)
    first, second = (Grid.of(s, s.voxels > 0) for s in (scan, other))
    extent = np.ptp(np.argwhere(scan.voxels > 0), axis=0) * scan.voxel_size
    np.testing.assert_allclose(np.sort(first.shape), np.sort(extent + 1), atol=1)
    assert first.shape == second.shape
    torch.testing.assert_close(first.image(scan), second.image(other), atol=1e-4, rtol=0)


@pytest.fixture
def halves() -> LabelledVolume:
    """Bright class 1 on the left, dark class 2 on the right."""
    image = torch.full((1, 40, 40, 40), 0.9)
    image[:, 20:] = 0.3
    return LabelledVolume.of(image, torch.where(image[0] > 0.5, 1, 2).to(torch.uint8))


def test_the_classes_of_a_changed_patch_stay_with_its_picture(halves: LabelledVolume) -> None:
    mirrored = torch.arange(256).to(torch.uint8)
    changes = ChangeSettings(gamma=(1, 1), gain=(1, 1), bias=0, noise=0)
    random = np.random.default_rng(0)
    for _ in range(5):
        image, classes = cut(halves, (24, 24, 24), mirrored, random, changes)
        known = (classes != IGNORED) & ((image[0] > 0.85) | (image[0] - 0.3).abs().lt(0.02))
        agrees = (image[0] > 0.6) == (classes == 1)
        # Not all: the bright half fades into what lies outside.
        assert agrees[known].float().mean() > 0.98


def test_a_mirrored_patch_has_its_sides_swapped(halves: LabelledVolume) -> None:
    swap = torch.arange(256).to(torch.uint8)
    swap[1], swap[2] = 2, 1
    changes = ChangeSettings(0, 0, 0, gamma=(1, 1), gain=(1, 1), bias=0, noise=0)
    random = np.random.default_rng(0)
    seen = set()
    for _ in range(20):
        image, classes = cut(halves, (9, 9, 9), swap, random, changes)
        bright = classes[(image[0] > 0.85) & (classes != IGNORED)]
        seen |= set(bright.tolist())
    assert seen == {1, 2}


def test_a_patch_that_is_longer_than_the_volume_lies_in_its_middle(halves: LabelledVolume) -> None:
    mirrored = torch.arange(256).to(torch.uint8)
    image, classes = cut(halves, (60, 1, 60), mirrored, np.random.default_rng(0), None)
    assert image.shape == (1, 60, 1, 60)
    known = torch.nonzero(classes != IGNORED)
    assert known.min(0).values.tolist()[::2] == [9, 9]
    assert known.max(0).values.tolist()[::2] == [48, 48]


def test_the_pointwise_classifier_reads_position_and_surroundings() -> None:
    torch.manual_seed(0)
    network = PointwiseNetwork(3)
    there = Points(torch.zeros(1, 3), torch.zeros(1, SEEN))
    elsewhere = Points(torch.full((1, 3), 20.0), torch.zeros(1, SEEN))
    otherwise = Points(torch.zeros(1, 3), torch.ones(1, SEEN))
    assert not torch.allclose(network(there), network(elsewhere))
    assert not torch.allclose(network(there), network(otherwise))


def test_a_code_is_found_by_which_the_network_shows_the_scan() -> None:
    from benchmarks.baselines.nisf import CODE, CodedNetwork

    torch.manual_seed(0)
    network = CodedNetwork(3, width=32, depth=3)
    intensities, logits = network(torch.rand(7, 3), torch.zeros(CODE))
    assert intensities.shape == (7,)
    assert logits.shape == (7, 3)


def write_score(folder: Path, method: str, scan: str, dice: float, split: str = "test") -> None:
    structures = [
        {"id": label, "name": name, "dice": dice - lower, "hd95_mm": 1.0}
        for label, name, lower in (
            (10, "Thalamus", 0.0),
            (16, "Brain-Stem", 0.1),
            (172, "Vermis", 0.5),
        )
    ]
    score = {
        "method": method,
        "title": f"title of {method}",
        "scan": scan,
        "split": split,
        "protocol": "fs32",
        "weights": 12_000,
        "seconds": 3.0,
        "processor_seconds": 5.0,
        "threads": 2,
        "training_seconds": None,
        "comparison": {"structures": structures},
    }
    (folder / "fs32" / method).mkdir(parents=True, exist_ok=True)
    (folder / "fs32" / method / f"{scan}.json").write_text(json.dumps(score))


def test_the_table_leaves_the_vermis_out_and_the_best_method_comes_last(tmp_path: Path) -> None:
    write_score(tmp_path, "good", "a", 0.9)
    write_score(tmp_path, "good", "b", 0.8)
    write_score(tmp_path, "bad", "a", 0.5)
    write_table(tmp_path, tmp_path / "table.md")
    *_, bad, good = (tmp_path / "table.md").read_text().splitlines()
    assert "title of bad" in bad
    assert good.startswith("| title of good | 2 | 0.800 | 0.750 | 0.750 | 1.00 | 12 K |")


def test_a_folder_without_scores_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no scores"):
        write_table(tmp_path, tmp_path / "table.md")


def test_a_setting_that_a_method_lacks_is_refused(tmp_path: Path) -> None:
    task = Task.of(tmp_path, "tissue4", tmp_path)
    with pytest.raises(InputError, match="pointwise has no iterations"):
        untrained("pointwise", task, {"iterations": 5})


def test_a_folder_of_one_training_is_not_used_for_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Task, "of_split", lambda task, split: [])
    task = Task.of(tmp_path, "tissue4", tmp_path)
    begin("pointwise", task, {"steps": 5}, tmp_path / "work")
    begin("pointwise", task, {"steps": 5}, tmp_path / "work")
    with pytest.raises(InputError, match="other settings"):
        begin("pointwise", task, {"steps": 6}, tmp_path / "work")
