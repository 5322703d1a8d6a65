"""What can be asked of a segmented scan."""

from __future__ import annotations

import nibabel as nib
import numpy as np
import pytest
from nibabel.affines import apply_affine

from src_core.errors import InputError
from src_core.io.protocols import classes_in, granularities, protocol
from src_core.segment import segment


def test_past_iterations_can_be_looked_at(brain, result) -> None:
    np.testing.assert_array_equal(result.labels_at(12), result.labels)
    assert not np.array_equal(result.labels_at(0), result.labels)
    np.testing.assert_array_equal(result.labels_at(12), result.labels)
    errors = [
        np.abs(result.reconstruction(i) - brain.scan.voxels)[brain.mask].mean() for i in (0, 12)
    ]
    assert errors[1] < errors[0]
    with pytest.raises(InputError, match="iteration 99 is not stored"):
        result.labels_at(99)


def test_what_can_be_asked_for_later(brain, result) -> None:
    shape = brain.scan.shape
    probabilities = result.probabilities()
    assert probabilities.shape == (*shape, 5)
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(-1), 1, atol=1e-5)
    np.testing.assert_array_equal(probabilities.argmax(-1), result.labels)
    np.testing.assert_array_equal(np.stack([*result.probability_volumes()], -1), probabilities)
    assert (result.entropy()[~brain.mask] == 0).all()
    assert 0 < result.entropy().max() <= np.log2(5) + 1e-5
    np.testing.assert_allclose(
        (result.reconstruction() + result.residual())[brain.mask],
        brain.scan.voxels[brain.mask],
        rtol=1e-4,
        atol=1e-3,
    )
    world = apply_affine(brain.scan.affine, np.moveaxis(np.indices(shape), 0, -1))
    np.testing.assert_allclose(
        world + result.displacement(), result.template_positions(), atol=1e-2
    )
    assert 0.3 < np.median(result.jacobian()[brain.mask]) < 3


def test_saving_writes_the_label_map_and_its_companions_once(result, tmp_path) -> None:
    path = tmp_path / "out_dseg.nii.gz"
    written = result.save(path, lut="itksnap")
    assert path in written
    assert sorted(written) == sorted(tmp_path.iterdir())
    assert {file.suffix for file in written} == {".gz", ".tsv", ".json", ".txt"}
    np.testing.assert_array_equal(np.asarray(nib.load(path).dataobj), result.labels)
    assert result.report["seconds"]["write"] > 0
    with pytest.raises(InputError, match="replaced"):
        result.save(path)
    result.save(path, overwrite=True)


def test_one_fit_gives_labels_in_coarser_protocols(brain, structures_model) -> None:
    own = segment(brain.scan, model=structures_model, align=False)
    merged = segment(brain.scan, model=structures_model, align=False, labels="tissue4")
    assert own.protocol.name == own.report["protocol"] == "fs32"
    assert merged.protocol.name == merged.report["protocol"] == "tissue4"
    assert set(merged.report["volumes"]) == {s.name for s in protocol("tissue4").structures}

    probabilities = own.probabilities()
    classes = granularities(protocol("fs32"))["tissue4"]
    sums = np.stack([probabilities[..., classes == c].sum(-1) for c in range(5)], -1)
    np.testing.assert_array_equal(merged.labels, sums.argmax(-1))
    np.testing.assert_allclose(merged.probabilities(), sums, atol=1e-5)
    # not the same as merging the labels
    assert not np.array_equal(merged.labels, classes_in(own.labels, protocol("tissue4")))

    for result in (own, merged):
        everything = result.labels_in()
        assert list(everything) == ["fs32", "tissue4"]
        np.testing.assert_array_equal(everything["fs32"], own.labels)
        np.testing.assert_array_equal(everything["tissue4"], merged.labels)
    # what is given is the user's to change
    everything["tissue4"][:] = 0
    assert merged.labels.any()


def test_a_protocol_that_the_model_does_not_know_is_refused(brain, structures_model) -> None:
    with pytest.raises(InputError, match=r"no labels of 'nm134'; it has fs32, tissue4"):
        segment(brain.scan, model=structures_model, labels="nm134")


def test_labels_are_merged_to_be_compared_with_a_coarser_reference(brain, structures_model) -> None:
    result = segment(brain.scan, model=structures_model, align=False, reference=brain.labels)
    assert result.report["protocol"] == "fs32"
    assert result.report["compared_in"] == "tissue4"
    tissues = protocol("tissue4")
    merged = classes_in(result.labels, tissues)
    found = [
        2
        * np.sum((merged == c) & (brain.labels == c))
        / np.sum((merged == c) + 1 * (brain.labels == c))
        for c in range(1, 5)
    ]
    assert list(result.report["dice"].values()) == pytest.approx(found, abs=1e-4)
