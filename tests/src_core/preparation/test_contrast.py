"""A scan's contrast is told, turned into that of the template, or refused."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from nibabel.affines import apply_affine, from_matvec
from scipy.spatial.transform import Rotation

from src_core.errors import InputError
from src_core.models.model import Model, load_model
from src_core.preparation.contrast import Contrast
from src_core.preparation.prepare import Preparation, prepare
from src_core.request import Request
from src_core.space.points import brain_points
from src_core.space.template import TemplateImage
from tests.src_core.conftest import VOXEL_SIZE

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.io.scan import Scan
    from tests.src_core.conftest import Brain

# Intensities of fluid, grey and white matter.
T1, T2, FLAIR, CT = (28, 75, 110), (260, 110, 70), (30, 130, 110), (8, 38, 27)
TEMPLATE = (0.25, 0.56, 0.8)
TURN = from_matvec(Rotation.from_euler("xyz", (9, -4, 7), degrees=True).as_matrix(), (6, -9, 12))


@pytest.fixture
def model(brain: Brain, tiny_model: Path, monkeypatch) -> Model:
    """One whose template is the phantom itself, in its own place."""
    values = np.interp(brain.scan.voxels, T1, TEMPLATE).astype(np.float32)
    values = torch.from_numpy(np.where(brain.mask, values, 0))[None]
    picture = TemplateImage(values, tuple(brain.scan.affine[:3, 3].tolist()), VOXEL_SIZE)
    monkeypatch.setattr(Model, "template", lambda _: picture)
    return load_model(tiny_model)


def repainted(brain: Brain, tissues: tuple[float, ...], noise: float = 0.03) -> Scan:
    """The phantom with other intensities of fluid, grey and white matter, and noise on them."""
    voxels = np.interp(brain.scan.voxels, T1, tissues)
    voxels += noise * np.ptp(tissues) * np.random.default_rng(0).standard_normal(voxels.shape)
    return replace(brain.scan, voxels=np.where(brain.mask, voxels, 0).astype(np.float32))


def placed(scan: Scan, model: Model, **options: object) -> Preparation:
    return prepare(Request(scan, model=model, **{"brain": scan.voxels != 0, **options}))


def test_a_t1_goes_on_as_it_is(brain, model) -> None:
    found = placed(brain.scan, model)
    assert found.contrast.name == "T1"
    assert found.contrast.white_minus_grey > 0.1
    assert found.contrast.grey_minus_fluid > 0.05
    assert "contrast" not in [one.check for one in found.findings if one.message]
    expected = brain_points(brain.scan, found.mask, found.alignment.matrix, model.rule)
    torch.testing.assert_close(found.points.seen, expected.seen)


@pytest.mark.parametrize(("tissues", "name"), [(T2, "T2"), (FLAIR, "FLAIR")])
def test_another_contrast_is_placed_seen_and_told(brain, model, tissues, name) -> None:
    other = repainted(brain, tissues)
    moved = replace(other, affine=TURN @ brain.scan.affine)
    found = placed(moved, model, brain=brain.mask)
    assert found.contrast.name == name
    assert f"looks like {name}" in " ".join(found.notes)
    error = apply_affine(found.alignment.matrix @ TURN, brain.positions) - brain.positions
    assert np.linalg.norm(error, axis=1).mean() < 2
    # It is seen much as the T1 is.
    seen = found.points.seen[:, 0].float().numpy()
    wanted = brain_points(brain.scan, brain.mask, np.eye(4), model.rule).seen[:, 0].float()
    assert np.corrcoef(seen, wanted)[0, 1] > 0.8
    # And what is seen leads back to the scan's own intensities.
    own = other.voxels[brain.mask]
    restored = found.points.restore(seen)
    assert np.corrcoef(restored, own)[0, 1] > 0.8
    assert own.min() <= restored.min()
    assert restored.max() <= own.max()


def test_a_t1_with_contrast_agent_is_told_and_seen_with_the_template_s_help(brain, model) -> None:
    bright = repainted(brain, (65, 75, 100), noise=0.6)
    found = placed(bright, model, brain=brain.mask, align=False)
    assert found.contrast.name == "T1Gd"
    assert "contrast agent, or its mask holds much fluid" in " ".join(found.notes)
    clean = brain_points(brain.scan, brain.mask, np.eye(4), model.rule).seen[:, 0].float()
    alone = brain_points(bright, brain.mask, np.eye(4), model.rule).seen[:, 0].float()
    helped = found.points.seen[:, 0].float()
    assert np.corrcoef(helped, clean)[0, 1] > np.corrcoef(alone, clean)[0, 1] + 0.05


def test_a_given_place_stays(brain, model) -> None:
    found = placed(repainted(brain, T2), model, transform=np.eye(4))
    assert found.contrast.name == "T2"
    np.testing.assert_array_equal(found.alignment.matrix, np.eye(4))
    assert found.alignment.method == "given"


def noise(brain: Brain) -> Scan:
    random = np.random.default_rng(0).normal(100, 20, brain.scan.shape)
    return replace(brain.scan, voxels=np.where(brain.mask, random, 0).astype(np.float32))


def ball(brain: Brain) -> Scan:
    position = np.indices(brain.scan.shape).T - np.divide(brain.scan.shape, 2)
    inside = (np.square(position * VOXEL_SIZE).sum(-1) < 68**2).T
    random = np.random.default_rng(0).normal(100, 5, brain.scan.shape)
    return replace(brain.scan, voxels=np.where(inside, random, 0).astype(np.float32))


@pytest.mark.parametrize("made", [noise, ball])
def test_what_shows_no_tissues_is_refused(brain, model, made) -> None:
    with pytest.raises(InputError, match="as bright as in no T1"):
        placed(made(brain), model)


@pytest.mark.parametrize("zero", [0, 1024])
def test_a_ct_is_refused(brain, model, zero) -> None:
    with pytest.raises(InputError, match="CT in Hounsfield units"):
        placed(repainted(brain, tuple(zero + value for value in CT)), model)


def test_force_goes_on_as_if_it_were_a_t1(brain, model) -> None:
    scan = noise(brain)
    found = placed(scan, model, force=True)
    assert found.contrast.name == "unknown"
    assert "as bright as in no T1" in " ".join(found.notes)
    expected = brain_points(scan, found.mask, found.alignment.matrix, model.rule)
    torch.testing.assert_close(found.points.seen, expected.seen)


def test_a_model_that_shows_no_tissues_can_t_tell(brain, tiny_model) -> None:
    found = prepare(Request(brain.scan, model=tiny_model, align=False))
    assert found.contrast.name == "not measured"
    assert "contrast" not in [one.check for one in found.findings if one.message]


def test_the_report_holds_plain_values() -> None:
    assert Contrast("T2", -0.12345, -0.05).to_json() == {
        "name": "T2",
        "white_minus_grey": -0.123,
        "grey_minus_fluid": -0.05,
    }
    assert Contrast("not measured").to_json()["white_minus_grey"] is None
