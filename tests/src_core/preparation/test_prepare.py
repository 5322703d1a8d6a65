"""What comes before the first step of a fit."""

from __future__ import annotations

from dataclasses import replace

import nibabel as nib
import numpy as np
import pytest
import torch
from scipy import ndimage

from src_core.errors import InputError
from src_core.io.scan import scan_from_array, slice_of
from src_core.models.model import Model, load_model
from src_core.preparation import extraction
from src_core.preparation import prepare as preparation
from src_core.preparation.alignment import Alignment
from src_core.preparation.prepare import Preparation, prepare
from src_core.request import Request
from src_core.space.points import brain_points
from src_core.space.slices import SliceRange
from tests.helpers.extractors import FakeExtractor, whole_head


@pytest.fixture(autouse=True)
def threads():
    """Other tests have as many as before."""
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


@pytest.fixture
def loud(monkeypatch):
    """Finding the place of the scan in the template, which fails."""

    def fail(*_):
        raise RuntimeError("no place found")

    monkeypatch.setattr(preparation, "align", fail)


@pytest.fixture(scope="module")
def prepared(brain, tiny_model) -> Preparation:
    """With everything, alignment too."""
    # Forced, because nothing is like the template of a model that knows nothing.
    return prepare(Request(brain.scan, model=tiny_model, reference=brain.labels, force=True))


def test_everything_for_a_fit_is_there(brain, prepared) -> None:
    assert prepared.scan is brain.scan
    np.testing.assert_array_equal(prepared.mask, brain.mask)
    np.testing.assert_array_equal(prepared.reference.label_map, brain.labels)
    assert prepared.model.name == "tiny"
    assert len(prepared.points) == brain.mask.sum()
    assert prepared.device.type == "cpu"
    assert prepared.alignment.matrix.shape == (4, 4)
    assert set(prepared.seconds) == {"load", "align", "see"}
    assert all(seconds >= 0 for seconds in prepared.seconds.values())


def test_points_are_seen_from_where_the_alignment_puts_them(brain, prepared) -> None:
    expected = brain_points(
        brain.scan, prepared.mask, prepared.alignment.matrix, prepared.model.rule
    )
    ours, theirs = prepared.points.take(slice(None)), expected.take(slice(None))
    torch.testing.assert_close(ours.positions, theirs.positions)
    torch.testing.assert_close(ours.seen, theirs.seen)


def test_stages_are_told_as_they_begin(brain, tiny_model) -> None:
    stages: list[str] = []
    prepare(Request(brain.scan, model=tiny_model, align=False), on_stage=stages.append)
    assert stages == ["load", "align", "see"]


@pytest.fixture
def extractor(brain, monkeypatch) -> FakeExtractor:
    """Finds the phantom's brain."""
    one = FakeExtractor(lambda voxels, affine: brain.mask)
    monkeypatch.setattr(preparation, "EXTRACTORS", {"deepbet": one})
    monkeypatch.setattr(extraction, "EXTRACTORS", {"deepbet": one})
    return one


def test_the_brain_of_a_head_is_found(brain, tiny_model, extractor) -> None:
    stages: list[str] = []
    head = whole_head(brain.scan)
    found = prepare(Request(head, model=tiny_model, align=False), on_stage=stages.append)
    assert stages == ["load", "brain", "align", "see"]
    np.testing.assert_array_equal(found.mask, brain.mask)
    assert found.brain.origin == "fake 1.0"
    assert set(found.seconds) == set(stages)


@pytest.mark.parametrize(
    ("options", "origin", "looked"),
    [
        ({}, "stripped", 0),
        ({"brain": "stripped"}, "stripped", 0),
        ({"brain": "deepbet"}, "fake 1.0", 1),
    ],
)
def test_a_stripped_scan_is_looked_into_only_if_asked_for(
    brain, tiny_model, extractor, options, origin, looked
) -> None:
    found = prepare(Request(brain.scan, model=tiny_model, align=False, **options))
    assert found.brain.origin == origin
    assert len(extractor.heads) == looked


@pytest.mark.parametrize("option", ["brain", "mask"])
@pytest.mark.parametrize("as_file", [True, False])
def test_a_mask_is_taken_as_it_is(brain, tiny_model, extractor, tmp_path, option, as_file) -> None:
    mask = np.roll(brain.mask, 1, axis=0).astype(np.uint8)
    given = tmp_path / "mask.nii.gz"
    nib.save(nib.Nifti1Image(mask, brain.scan.affine), given)
    given = str(given) if as_file else mask
    head = whole_head(brain.scan)
    found = prepare(Request(head, model=tiny_model, align=False, **{option: given}))
    np.testing.assert_array_equal(found.mask, mask > 0)
    assert found.brain.origin == "given"
    assert not extractor.heads


def test_a_head_without_a_program_that_finds_its_brain_is_refused_with_advice(
    brain, tiny_model
) -> None:
    with pytest.raises(InputError, match=r"not skull-stripped .*pip install .*or give a brain"):
        prepare(Request(whole_head(brain.scan), model=tiny_model))


def test_a_head_that_is_said_to_be_stripped_is_refused(brain, tiny_model, extractor) -> None:
    with pytest.raises(InputError, match="not an even background"):
        prepare(Request(whole_head(brain.scan), model=tiny_model, brain="stripped"))


def test_words_that_are_neither_a_mask_nor_known_are_refused(brain, tiny_model) -> None:
    with pytest.raises(InputError, match=r"atuo.*auto, stripped, deepbet"):
        prepare(Request(brain.scan, model=tiny_model, brain="atuo"))


@pytest.mark.parametrize(("stage", "done"), [("load", 0), ("align", 1), ("see", 2)])
def test_what_is_raised_when_a_stage_begins_ends_it_there(
    brain, tiny_model, monkeypatch, stage, done
) -> None:
    class Enough(Exception):
        pass

    def stop(begun: str) -> None:
        if begun == stage:
            raise Enough

    called = []
    for name in ("load_model", "align", "face_contrast"):
        original = getattr(preparation, name)
        monkeypatch.setattr(
            preparation,
            name,
            lambda *given, name=name, original=original: called.append(name) or original(*given),
        )
    threads = torch.get_num_threads()
    with pytest.raises(Enough):
        prepare(Request(brain.scan, model=tiny_model), on_stage=stop)
    assert called == ["load_model", "align"][:done]
    assert torch.get_num_threads() == threads


@pytest.mark.parametrize("count", [1, 2, 3])
def test_afterwards_there_are_as_many_threads_as_before(brain, tiny_model, count) -> None:
    torch.set_num_threads(count)
    prepare(Request(brain.scan, model=tiny_model, align=False))
    assert torch.get_num_threads() == count


def test_after_an_error_there_are_as_many_threads_as_before(brain, tiny_model, loud) -> None:
    torch.set_num_threads(3)
    with pytest.raises(RuntimeError, match="no place found"):
        prepare(Request(brain.scan, model=tiny_model))
    assert torch.get_num_threads() == 3


def test_after_an_error_in_seeing_there_are_as_many_threads_as_before(
    brain, tiny_model, monkeypatch
) -> None:
    def fail(*_):
        raise MemoryError

    monkeypatch.setattr(preparation, "see", fail)
    torch.set_num_threads(3)
    with pytest.raises(MemoryError):
        prepare(Request(brain.scan, model=tiny_model, align=False))
    assert torch.get_num_threads() == 3


def test_as_many_threads_are_used_as_are_asked_for(brain, tiny_model) -> None:
    prepare(Request(brain.scan, model=tiny_model, align=False, threads=2))
    assert torch.get_num_threads() == 2
    with pytest.raises(InputError, match="1 or more"):
        prepare(Request(brain.scan, model=tiny_model, align=False, threads=0))


def test_a_file_an_array_and_a_scan_are_the_same(brain, tiny_model, tmp_path) -> None:
    path = tmp_path / "scan.nii"
    nib.save(nib.Nifti1Image(brain.scan.voxels, brain.scan.affine), path)
    ways = (
        prepare(Request(path, model=tiny_model, align=False)),
        prepare(Request(brain.scan.voxels, brain.scan.affine, model=tiny_model, align=False)),
        prepare(Request(brain.scan, model=load_model(tiny_model), align=False)),
    )
    for one in ways[1:]:
        torch.testing.assert_close(one.points.seen, ways[0].points.seen)
        np.testing.assert_array_equal(one.scan.affine, ways[0].scan.affine)


def test_an_array_needs_its_affine(brain, tiny_model) -> None:
    with pytest.raises(InputError, match="needs its affine"):
        prepare(Request(brain.scan.voxels, model=tiny_model))


def test_a_given_place_is_taken_as_it_is(brain, tiny_model, loud) -> None:
    transform = np.eye(4)
    transform[:3, 3] = (3, -2, 1)
    given = prepare(Request(brain.scan, model=tiny_model, transform=transform))
    np.testing.assert_array_equal(given.alignment.matrix, transform)
    none = prepare(Request(brain.scan, model=tiny_model, align=False))
    np.testing.assert_array_equal(none.alignment.matrix, np.eye(4))
    assert (given.alignment.method, none.alignment.method) == ("given", "none")


@pytest.fixture
def slice_model(tiny_model) -> Model:
    """For coronal slices only."""
    model = load_model(tiny_model)
    return replace(model, card=replace(model.card, slices=SliceRange("y", (-32, -4))))


def test_a_slice_model_is_told_what_slices_it_is_for(brain, slice_model, monkeypatch) -> None:
    told = []
    monkeypatch.setattr(
        preparation,
        "align",
        lambda *given: told.append(given[3]) or Alignment(np.eye(4), "estimated"),
    )
    prepare(Request(slice_of(brain.scan, 1, 24), model=slice_model))
    for_volumes = replace(slice_model, card=replace(slice_model.card, slices=None))
    prepare(Request(slice_of(brain.scan, 1, 24), model=for_volumes))
    assert told == [slice_model.slices, None]


def test_a_slice_model_refuses_a_volume_and_other_slices(brain, slice_model) -> None:
    with pytest.raises(InputError, match=r"tiny is for one coronal slice.*a volume"):
        prepare(Request(brain.scan, model=slice_model, align=False))
    with pytest.raises(InputError, match="90 degrees off"):
        prepare(Request(slice_of(brain.scan, 2, 20), model=slice_model))


def test_a_given_place_counts_when_a_slice_model_looks_at_a_slice(brain, slice_model) -> None:
    axial = slice_of(brain.scan, 2, 20)
    turned = np.eye(4)[[0, 2, 1, 3]]
    prepared = prepare(Request(axial, model=slice_model, transform=turned))
    np.testing.assert_array_equal(prepared.alignment.matrix, turned)
    with pytest.raises(InputError, match="90 degrees off"):
        prepare(Request(slice_of(brain.scan, 1, 24), model=slice_model, transform=turned))


def test_a_mask_says_where_the_brain_is(brain, tiny_model) -> None:
    smaller = ndimage.binary_erosion(brain.mask).astype(np.uint8)
    prepared = prepare(Request(brain.scan, model=tiny_model, align=False, mask=smaller))
    np.testing.assert_array_equal(prepared.mask, smaller > 0)


def test_grave_faults_are_errors_unless_forced(brain, tiny_model) -> None:
    half = brain.labels * (np.arange(brain.labels.shape[0]) > 20)[:, None, None]
    request = Request(brain.scan, model=tiny_model, align=False, mask=half)
    with pytest.raises(InputError, match=r"flat side of 1\d\d cm2.*; force it") as refused:
        prepare(request)
    assert refused.value.option == "force"
    prepared = prepare(replace(request, force=True))
    np.testing.assert_array_equal(prepared.mask, half > 0)
    assert any("flat side" in note for note in prepared.notes)


def test_what_is_known_of_the_scan_and_what_is_found_are_notes(brain, prepared) -> None:
    (about_the_file,) = brain.scan.notes
    first, *others = prepared.notes
    assert first == about_the_file
    assert others == [found.message for found in prepared.findings if found.message]
    assert "little like the template" in " ".join(others)


def test_the_mask_and_the_reference_of_a_slice_may_lack_its_axis(brain, tiny_model) -> None:
    scan = scan_from_array(brain.scan.voxels[:, 24:25], brain.scan.affine)
    labels = brain.labels[:, 24]
    prepared = prepare(Request(scan, model=tiny_model, align=False, mask=labels, reference=labels))
    assert prepared.mask.shape == prepared.reference.label_map.shape == scan.shape
    np.testing.assert_array_equal(prepared.reference.label_map[:, 0], labels)


def test_a_reference_of_floats_is_rounded_as_that_of_a_file(brain, prepared) -> None:
    off = np.where(brain.mask, -1e-5, 1e-5)
    found = preparation.renew(prepared, brain.labels + off).reference
    np.testing.assert_array_equal(found.label_map, brain.labels)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda labels: labels * 0.5, "the reference does not hold whole numbers"),
        (lambda labels: labels.astype(np.int64) + 2**32, "the reference has the label id"),
        (lambda labels: labels * 1j, "the reference holds complex numbers"),
    ],
)
def test_a_reference_that_is_no_label_map_is_refused(brain, prepared, spoil, said) -> None:
    with pytest.raises(InputError, match=said):
        preparation.renew(prepared, spoil(brain.labels))


@pytest.mark.parametrize("what", ["mask", "reference"])
def test_another_grid_is_refused(brain, tiny_model, what) -> None:
    wrong = {what: brain.labels[1:]}
    with pytest.raises(InputError, match=f"the {what} has shape"):
        prepare(Request(brain.scan, model=tiny_model, align=False, **wrong))


def test_an_unknown_label_is_named(brain, tiny_model) -> None:
    reference = np.where(brain.labels == 2, 77, brain.labels)
    with pytest.raises(InputError, match="77 are not in protocol tissue4"):
        prepare(Request(brain.scan, model=tiny_model, align=False, reference=reference))


def test_a_mask_instead_of_a_scan_is_refused(brain, tiny_model) -> None:
    with pytest.raises(InputError, match="not a mask of it"):
        prepare(
            Request(brain.mask.astype(np.uint8), brain.scan.affine, model=tiny_model, align=False)
        )


def test_each_preparation_has_a_network_of_its_own_at_its_start(brain, tiny_model) -> None:
    model = load_model(tiny_model)
    one, other = (prepare(Request(brain.scan, model=model, align=False)).network for _ in range(2))
    torch.testing.assert_close(one.fitted_vector(), other.fitted_vector(), rtol=0, atol=0)
    with torch.no_grad():
        one.fitted_parameters()[0].add_(1)
    fresh = prepare(Request(brain.scan, model=model, align=False)).network
    torch.testing.assert_close(fresh.fitted_vector(), other.fitted_vector(), rtol=0, atol=0)
