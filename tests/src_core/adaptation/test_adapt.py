"""From corrected scans to an adapted model."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import nibabel as nib
import numpy as np
import pytest
import torch

from src_core.adaptation.adapt import adapt, adapting
from src_core.adaptation.own_scans import list_own_scans, read_own_scan
from src_core.adaptation.settings import AdaptSettings
from src_core.errors import InputError
from src_core.models.bundled import bundled_model_files
from src_core.models.model import load_model

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.adaptation.adapt import Progress

QUICK = AdaptSettings(variants=1, steps=20, rate=1e-2)


def test_a_model_learns_what_its_user_corrected(
    tiny_model: Path, folder: Path, tmp_path: Path
) -> None:
    seen: list[Progress] = []
    found = adapt(
        tiny_model,
        list_own_scans(folder),
        tmp_path / "mine.safetensors",
        variants=2,
        steps=30,
        rate=1e-2,
        share=1,
        on_progress=seen.append,
    )
    assert list(dict.fromkeys(one.stage for one in seen)) == ["fits", "left out", "head"]
    for stage in ("fits", "left out", "head"):
        done = [one.done for one in seen if one.stage == stage]
        assert done == sorted(done)
        assert done[-1] == next(one.total for one in seen if one.stage == stage)
    assert seen[-1].figures["loss"] < next(one for one in seen if one.figures).figures["loss"]
    assert found.left_out is not None
    assert found.left_out.scan == "p1"
    assert found.left_out.after > found.left_out.before + 0.1
    model, before = load_model(found.output), load_model(tiny_model)
    assert model.name == "mine"
    assert model.card.licence == before.card.licence
    told = model.card.training["adapted"]
    assert told["from_model"] == {"name": before.name, "sha256": before.sha256}
    assert told["corrected_scans"] == 2
    assert told["dice_of_a_scan_left_out"]["after"] == found.left_out.after
    changed = {n for n in model.weights if not torch.equal(model.weights[n], before.weights[n])}
    assert changed
    assert all(name.startswith("head") for name in changed)
    assert sorted(one.name for one in tmp_path.iterdir()) == ["mine.safetensors", "own"]


def test_it_goes_on_where_it_was_stopped(tiny_model: Path, folder: Path, tmp_path: Path) -> None:
    scans, whole, halved = (
        list_own_scans(folder),
        tmp_path / "a.safetensors",
        tmp_path / "b.safetensors",
    )
    for _ in adapting(tiny_model, scans, whole, QUICK):
        pass
    for stop in (3, 30):  # in the first fits, and in the training
        steps = adapting(tiny_model, scans, halved, QUICK)
        list(islice(steps, stop))
        steps.close()
    with pytest.raises(InputError, match=r"holds another training, with other settings"):
        next(adapting(tiny_model, scans, halved, replace(QUICK, steps=21)))
    for _ in adapting(tiny_model, scans, halved, replace(QUICK, threads=torch.get_num_threads())):
        pass
    one, other = load_model(whole), load_model(halved)
    assert all(torch.equal(one.weights[name], other.weights[name]) for name in one.weights)


def test_one_scan_cannot_be_measured_on(tiny_model: Path, folder: Path, tmp_path: Path) -> None:
    found = adapt(
        tiny_model, [read_own_scan(folder / "p0")], tmp_path / "m.safetensors", variants=1, steps=2
    )
    assert found.left_out is None
    assert "nothing was measured" in found.notes[0]


def test_what_cannot_be_used_is_said_at_once(
    tiny_model: Path, structures_model: Path, folder: Path, tmp_path: Path
) -> None:
    scans, output = list_own_scans(folder), tmp_path / "m.safetensors"
    taken = tmp_path / "taken.safetensors"
    shutil.copy(tiny_model, taken)
    nothing, other = folder / "p0", folder / "p1"
    for model, given, wanted, labels, said in (
        (tiny_model, [], output, None, "no corrected scans"),
        (tiny_model, scans, taken, None, "exists; choose another name"),
        (tiny_model, scans, tmp_path / "brain3d-fs32.safetensors", None, "model of the package"),
        (tiny_model, scans, tmp_path / "m.pt", None, "must end in .safetensors"),
        (tiny_model, scans, output, "fs32", "in which tiny can't be told; that has tissue4"),
        (tiny_model, [*scans, scans[0]], output, None, "two scans have the name p0"),
        ("brain2d-tissue", scans, output, None, "for single slices"),
    ):
        with pytest.raises(InputError, match=said):
            next(adapting(model, given, wanted, AdaptSettings(labels=labels)))
    _rewrite(nothing / "labels.nii.gz", lambda labels: 0 * labels)
    with pytest.raises(InputError, match="holds no label of the protocol tissue4"):
        next(adapting(structures_model, [read_own_scan(nothing)], output, AdaptSettings()))
    _rewrite(other / "labels.nii.gz", lambda labels: labels[1:])
    with pytest.raises(InputError, match=r"labels\.nii\.gz.*resample it"):
        next(adapting(tiny_model, [read_own_scan(other)], output, AdaptSettings()))
    assert not list(tmp_path.glob("*.adapting"))
    assert not set(bundled_model_files()) & {path.stem for path in tmp_path.iterdir()}


def _rewrite(path: Path, change) -> None:
    image = nib.load(path)
    nib.save(nib.Nifti1Image(change(np.asarray(image.dataobj)), image.affine), path)
