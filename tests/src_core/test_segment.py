"""The one call from scan to labels."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import torch
from nibabel.affines import from_matvec
from scipy.spatial.transform import Rotation

from src_core.correction.corrections_file import write_corrections
from src_core.correction.stroke import Stroke
from src_core.errors import InputError
from src_core.io.labels import Structure
from src_core.io.protocols import protocol
from src_core.io.sample import mni152_t1
from src_core.io.scan import Scan, scan_from_array, slice_of
from src_core.models.model import load_model
from src_core.preparation.alignment import read_transform
from src_core.request import Request
from src_core.results.measure import dice
from src_core.segment import segment

if TYPE_CHECKING:
    from src_core.fitting.fit import Step

IDS = [1, 2, 3, 4]
FAST = {"align": False, "iterations": 4}


@pytest.fixture(scope="module")
def model(training) -> Path:
    """A model that knows the phantom."""
    return training.output


@pytest.fixture(scope="module")
def scan_file(brain, tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("scan") / "sub-01_T1w.nii.gz"
    nib.save(nib.Nifti1Image(brain.scan.voxels, brain.scan.affine), path)
    return path


def save_as(values: np.ndarray, scan: Scan, path: Path) -> Path:
    nib.save(nib.Nifti1Image(values, scan.affine), path)
    return path


def mean_dice(labels: np.ndarray, reference: np.ndarray) -> float:
    return float(np.mean(list(dice(labels, reference, IDS).values())))


def test_the_labels_are_right_and_on_the_scans_grid(brain, result) -> None:
    assert result.labels.shape == brain.scan.shape
    assert result.labels.dtype == np.uint8
    assert (result.labels[~brain.mask] == 0).all()
    assert mean_dice(result.labels, brain.labels) > 0.75


def test_file_scan_and_array_give_the_same(brain, model, scan_file) -> None:
    of_scan = segment(brain.scan, model=model, **FAST)
    of_file = segment(scan_file, model=str(model), **FAST)
    of_array = segment(brain.scan.voxels, brain.scan.affine, model=model, **FAST)
    np.testing.assert_array_equal(of_file.labels, of_scan.labels)
    np.testing.assert_array_equal(of_array.labels, of_scan.labels)


def test_a_request_is_taken_as_it_is_or_with_changes(brain, model) -> None:
    request = Request(brain.scan, model=model, seed=1, **FAST)
    asked = segment(request)
    assert (asked.report["seed"], asked.report["iterations"]) == (1, 4)
    np.testing.assert_array_equal(
        asked.probabilities(), segment(brain.scan, model=model, seed=1, **FAST).probabilities()
    )
    assert segment(request, iterations=2).report["iterations"] == 2


def test_an_unknown_option_is_refused(brain) -> None:
    with pytest.raises(TypeError, match="colour"):
        segment(brain.scan, colour="red")


def test_a_seed_repeats_to_the_bit(brain, model) -> None:
    one, same, other = (
        segment(brain.scan, model=model, seed=seed, **FAST).probabilities() for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.mark.parametrize("iterations", [0, 7])
def test_as_many_iterations_are_done_as_asked_for(brain, model, iterations) -> None:
    steps: list[Step] = []
    found = segment(
        brain.scan, model=model, align=False, iterations=iterations, on_step=steps.append
    )
    assert found.report["iterations"] == iterations
    assert [step.iteration for step in steps] == list(range(1, iterations + 1))
    assert found.iterations == list(range(iterations + 1))


def test_a_moved_scan_gets_the_same_labels(brain, model, result) -> None:
    rotation = Rotation.from_rotvec([14, -10, 18], degrees=True).as_matrix()
    move = from_matvec(0.85 * rotation, (30, -10, 20))
    moved = segment(replace(brain.scan, affine=move @ brain.scan.affine), model=model)
    assert mean_dice(moved.labels, result.labels) > 0.93
    np.testing.assert_array_equal(moved.scan.affine, move @ brain.scan.affine)


def test_a_given_transform_is_used_and_comes_back_from_the_report(
    brain, model, result, tmp_path
) -> None:
    (path := tmp_path / "report.json").write_text(json.dumps(result.report))
    given = segment(brain.scan, model=model, transform=read_transform(path), iterations=12)
    assert given.report["alignment"] == {"method": "given", "similarity": None}
    np.testing.assert_array_equal(given.alignment.matrix, result.alignment.matrix)
    np.testing.assert_array_equal(given.labels, result.labels)


def test_without_alignment_world_millimetres_are_taken_as_they_are(brain, model) -> None:
    plain = segment(brain.scan, model=model, **FAST)
    assert plain.report["alignment"]["method"] == "none"
    np.testing.assert_array_equal(plain.alignment.matrix, np.eye(4))
    given = segment(brain.scan, model=model, transform=np.eye(4), iterations=4)
    np.testing.assert_array_equal(given.labels, plain.labels)


@pytest.mark.parametrize("change", ["gamma 0.7", "gamma 1.5", "another scale", "bias of 30 %"])
def test_another_scanner_hardly_changes_the_labels(brain, model, result, change) -> None:
    values = brain.scan.voxels / brain.scan.voxels.max()
    x = np.linspace(-1, 1, values.shape[0])[:, None, None]
    changed = {
        "gamma 0.7": values**0.7,
        "gamma 1.5": values**1.5,
        "another scale": 4000 * values + 50,
        "bias of 30 %": values * (1 + 0.3 * x),
    }[change]
    other = segment(
        replace(brain.scan, voxels=np.where(brain.mask, changed, 0).astype(np.float32)),
        model=model,
        iterations=12,
    )
    assert mean_dice(other.labels, result.labels) > (0.8 if "bias" in change else 0.93)


@pytest.fixture
def head(brain) -> Scan:
    """The brain in a head: bright noise up to the borders."""
    noise = np.random.default_rng(0).uniform(20, 300, brain.scan.shape).astype(np.float32)
    return replace(brain.scan, voxels=np.where(brain.mask, brain.scan.voxels, noise))


def test_without_a_program_that_finds_brains_a_head_needs_a_mask(
    brain, model, head, tmp_path
) -> None:
    with pytest.raises(InputError, match=r"not skull-stripped.*or give a brain mask"):
        segment(head, model=model, **FAST)
    stripped = segment(brain.scan, model=model, **FAST)
    path = save_as(brain.mask.astype(np.uint8), brain.scan, tmp_path / "mask.nii.gz")
    for mask in (brain.mask, path):
        found = segment(head, model=model, mask=mask, **FAST)
        np.testing.assert_array_equal(found.labels, stripped.labels)


@pytest.mark.parametrize("axis", range(3))
def test_a_slice_is_segmented_on_its_own_grid(brain, model, axis) -> None:
    number = brain.scan.shape[axis] // 2
    place = tuple(slice(number, number + 1) if a == axis else slice(None) for a in range(3))
    shift = from_matvec(np.eye(3), np.where(np.arange(3) == axis, number, 0))
    scan = scan_from_array(brain.scan.voxels[place], brain.scan.affine @ shift)
    reference = brain.labels[place]
    found = segment(scan, model=model, reference=reference.squeeze(), align=False)
    assert found.labels.shape == scan.shape
    assert found.report["mean_dice"] > 0.4
    assert found.displacement().shape == (*scan.shape, 3)
    assert segment(scan, model=model, iterations=2).report["alignment"]["similarity"] > 0.5


def test_a_two_dimensional_file_is_a_slice(brain, model, tmp_path) -> None:
    affine = brain.scan.affine @ from_matvec(np.eye(3), (0, 0, 20))
    path = tmp_path / "slice.nii.gz"
    nib.save(nib.Nifti1Image(brain.scan.voxels[:, :, 20], affine), path)
    found = segment(path, model=model, **FAST)
    assert found.labels.shape == (*brain.scan.shape[:2], 1)
    assert found.labels.any()


def test_a_fit_that_is_interrupted_says_so_to_the_caller(brain, model) -> None:
    def impatient(step: Step) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        segment(brain.scan, model=model, on_step=impatient, **FAST)


def test_the_number_of_threads_is_set_and_told(brain, model) -> None:
    before = torch.get_num_threads()
    try:
        assert segment(brain.scan, model=model, threads=1, **FAST).report["threads"] == 1
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("what", ["mask", "reference"])
def test_a_mask_or_reference_on_another_grid_is_refused(brain, model, tmp_path, what) -> None:
    turned = np.moveaxis(brain.labels, 0, 2)
    shifted = replace(brain.scan, affine=brain.scan.affine + 0.5)
    cases = (
        turned,
        brain.labels[:-1],
        save_as(turned, brain.scan, tmp_path / "turned.nii"),
        save_as(brain.labels, shifted, tmp_path / "shifted.nii"),
    )
    for case in cases:
        with pytest.raises(InputError, match=what):
            segment(brain.scan, model=model, **{what: case}, **FAST)


def test_what_cannot_be_used_is_refused_with_one_line(brain, model, scan_file, tmp_path) -> None:
    (broken := tmp_path / "broken.safetensors").write_bytes(model.read_bytes()[:1000])
    calls = {
        "needs its affine": lambda: segment(brain.scan.voxels, model=model),
        "does not exist": lambda: segment(tmp_path / "missing.nii.gz", model=model),
        "unknown model": lambda: segment(scan_file, model="brain9d"),
        "damaged model file": lambda: segment(scan_file, model=broken),
        "label": lambda: segment(scan_file, model=model, reference=brain.labels * 10),
        "mask is empty": lambda: segment(scan_file, model=model, mask=0 * brain.labels),
        "inside the brain are equal": lambda: segment(
            replace(brain.scan, voxels=brain.mask.astype(np.float32)), model=model
        ),
        "unknown device": lambda: segment(scan_file, model=model, device="tpu"),
        "iterations": lambda: segment(scan_file, model=model, iterations=-1),
        "threads": lambda: segment(scan_file, model=model, threads=0),
        "can't be inverted": lambda: segment(
            scan_file, model=model, transform=np.diag([1, 1, 0, 1])
        ),
    }
    if not torch.cuda.is_available():
        calls["no cuda device"] = lambda: segment(scan_file, model=model, device="cuda")
    for said, call in calls.items():
        with pytest.raises(InputError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_graphics_card_gives_the_same_labels(brain, model) -> None:
    on_card, on_cpu = (segment(brain.scan, model=model, device=d) for d in ("cuda", "cpu"))
    assert mean_dice(on_card.labels, on_cpu.labels) > 0.97


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux to measure")
def test_a_huge_scan_needs_less_than_four_gigabytes(tmp_path, model) -> None:
    """512 x 512 x 512 voxels of 0.5 mm, int16, in a process of its own."""
    code = f"""
import sys
import numpy as np, nibabel as nib
from scipy import ndimage
from src_core.io.sample import phantom
from src_core.segment import segment

def write():
    scan, _ = phantom(2.0)
    huge = np.zeros((512, 512, 512), np.int16)
    fine = ndimage.zoom(scan.voxels, 4, order=1, grid_mode=True, mode="nearest").astype(np.int16)
    fine = fine[tuple(slice(0, 512) for _ in range(3))]
    huge[tuple(slice(0, n) for n in fine.shape)] = fine
    nib.save(nib.Nifti1Image(huge, np.diag([0.5, 0.5, 0.5, 1])), sys.argv[1])

if sys.argv[2] == "write":
    write()
else:
    segment(sys.argv[1], model={str(model)!r}, iterations=2)
    # Not getrusage: there a process inherits the peak of its parent.
    print(*(line.split()[1] for line in open("/proc/self/status") if line.startswith("VmHWM")))
"""
    for task in ("write", "segment"):
        done = subprocess.run(
            [sys.executable, "-c", code, str(tmp_path / "huge.nii"), task],
            capture_output=True,
            text=True,
            cwd=Path(__file__).parents[2],
        )
        assert done.returncode == 0, done.stderr
    assert int(done.stdout) < 4e9 / 1024


@pytest.mark.slow
@pytest.mark.parametrize("change", ["gamma 0.7", "gamma 1.5", "another scale", "bias of 30 %"])
def test_the_bundled_model_does_not_mind_another_scanner(change, mni_labels) -> None:
    scan, labels = mni_labels
    values = scan.voxels / scan.voxels.max()
    x = np.linspace(-1, 1, values.shape[0])[:, None, None]
    changed = {
        "gamma 0.7": values**0.7,
        "gamma 1.5": values**1.5,
        "another scale": np.where(values > 0, 4000 * values + 50, 0),
        "bias of 30 %": values * (1 + 0.3 * x),
    }[change]
    other = segment(replace(scan, voxels=changed.astype(np.float32)))
    assert mean_dice(other.labels, labels) > 0.95


@pytest.fixture(scope="module")
def mni_labels() -> tuple[Scan, np.ndarray]:
    scan = mni152_t1()
    return scan, segment(scan).labels


@pytest.mark.parametrize("factor", [1e-12, 1e30])
def test_the_scale_of_the_intensities_does_not_matter(brain, result, training, factor) -> None:
    scaled = scan_from_array(brain.scan.voxels * np.float32(factor), brain.scan.affine)
    labels = segment(scaled, model=training.output).labels
    differ = np.count_nonzero(labels != result.labels)
    assert differ < 0.001 * np.count_nonzero(brain.mask)


def test_what_was_painted_is_learned_and_stays(brain, model, result, tmp_path) -> None:
    white = np.argwhere(result.labels == 3)
    near = np.linalg.norm((white - white.mean(0)) * brain.scan.voxel_size, axis=1) < 12
    outside = np.argwhere(~brain.mask)[:1]
    stroke = Stroke(np.concatenate([white[near], outside]), np.full(near.sum() + 1, 1))
    path = tmp_path / "corrections.nii.gz"
    write_corrections(stroke, brain.scan, path, protocol("tissue4").structures, overwrite=False)
    taught = segment(brain.scan, model=model, corrections=path)
    assert (taught.labels[tuple(stroke.voxels.T)] == 1).all()
    followed = (taught.labels != result.labels) & brain.mask
    assert followed.sum() > near.sum() / 2
    np.testing.assert_array_equal(taught.labels_at(taught.iterations[-1]), taught.labels)


def test_a_structure_that_a_file_of_corrections_names_is_told_too(brain, model, tmp_path) -> None:
    lesion = Structure(40, "Lesion", (255, 0, 0))
    inside = np.argwhere(brain.mask)
    near = inside[np.linalg.norm(inside - inside.mean(0), axis=1) < 5]
    path = tmp_path / "corrections.nii.gz"
    stroke = Stroke(near, np.full(len(near), lesion.id))
    write_corrections(stroke, brain.scan, path, [lesion], overwrite=False)
    taught = segment(brain.scan, model=model, corrections=path, **FAST)
    assert (taught.labels[tuple(near.T)] == lesion.id).all()
    assert taught.report["volumes"]["Lesion"] >= len(near)
    assert taught.protocol.structures[-1] == lesion
    _, table, _ = taught.save(tmp_path / "labels.nii.gz")
    assert "Lesion" in table.read_text()


def test_an_added_structure_is_left_out_beside_a_coarser_reference(
    brain, structures_model, tmp_path
) -> None:
    lesion = Structure(300, "Lesion", (255, 0, 0))
    path = tmp_path / "corrections.nii.gz"
    stroke = Stroke(np.argwhere(brain.mask)[:9], np.full(9, lesion.id))
    write_corrections(stroke, brain.scan, path, [lesion], overwrite=False)
    taught = segment(
        brain.scan, model=structures_model, corrections=path, reference=brain.labels, **FAST
    )
    assert taught.report["compared_in"] == "tissue4"
    assert taught.report["mean_dice"] > 0
    assert taught.report["volumes"]["Lesion"] > 0


def test_labels_of_any_scan_are_painted_from_nothing(brain, tmp_path) -> None:
    inside = brain.labels == 3
    planes = np.zeros(inside.shape, bool)
    planes[:, [18, 28]] = planes[:, :, [22]] = True
    voxels, other = (np.argwhere(planes & part) for part in (inside, ~inside))
    scribbles = np.zeros(inside.shape, np.int16)
    scribbles[tuple(voxels.T)] = 7
    scribbles[tuple(other[::5].T)] = np.iinfo(np.int16).max  # painted background
    path = tmp_path / "scribbles.nii.gz"
    nib.save(nib.Nifti1Image(scribbles, brain.scan.affine), path)
    result = segment(brain.scan, model="untrained", corrections=path, **FAST)
    assert set(np.unique(result.labels)) == {0, 7}
    assert (result.labels[tuple(voxels.T)] == 7).all()
    assert not result.labels[tuple(other[::5].T)].any()
    assert dice((result.labels == 7).astype(int), inside.astype(int), [1])[1] > 0.8
    assert result.report["volumes"].keys() == {"Label 7"}
    assert set(result.report["quality"]) == set()
    with pytest.raises(InputError, match="untrained knows no template"):
        result.jacobian()
    assert "Label 7" in result.save(tmp_path / "labels.nii.gz")[1].read_text()


def test_a_slice_of_anything_may_be_painted_whole(brain) -> None:
    plane = slice_of(brain.scan, 2, 20)
    everything = Structure(1, "Everything", (255, 0, 0))
    voxels = np.argwhere(np.ones(plane.shape, bool))
    model = replace(load_model("untrained"), added=(everything,))
    stroke = Stroke(voxels, np.ones(len(voxels), int))
    result = segment(plane, model=model, corrections=stroke, **FAST)
    assert (result.labels == 1).all()
    assert np.isfinite(result.probabilities()).all()


def test_without_anything_painted_any_scan_has_no_labels(brain) -> None:
    result = segment(brain.scan, model="untrained", **FAST)
    assert not result.labels.any()
    assert result.report["volumes"] == {}
    assert result.reconstruction().shape == brain.scan.shape


def test_corrections_of_ids_that_the_model_lacks_are_refused(brain, model) -> None:
    stroke = Stroke(np.array([[1, 1, 1]]), np.array([77]))
    with pytest.raises(InputError, match="corrections: label ids 77 are not in protocol tissue4"):
        segment(brain.scan, model=model, corrections=stroke, **FAST)


def test_corrections_outside_the_scan_are_refused(brain, model) -> None:
    stroke = Stroke(np.array([[999, 1, 1]]), np.array([1]))
    with pytest.raises(InputError, match="corrections: a painted voxel is outside the scan"):
        segment(brain.scan, model=model, corrections=stroke, **FAST)
