"""Examples made of a scan as it came, and mirrored."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from src_core.adaptation.examples import make_examples
from src_core.adaptation.settings import AdaptSettings
from src_core.models.model import Model, load_model
from src_core.request import Request
from src_core.space.template import TemplateImage
from tests.src_core.conftest import VOXEL_SIZE

if TYPE_CHECKING:
    from pathlib import Path

    from tests.src_core.conftest import Brain

# Intensities of fluid, grey and white matter.
T1, T2 = (28, 75, 110), (260, 110, 70)


@pytest.mark.parametrize("tissues", [T1, T2], ids=["T1", "T2"])
def test_the_mirrored_scan_is_read_as_the_scan_is(
    brain: Brain, tiny_model: Path, tissues: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    values = np.where(brain.mask, np.interp(brain.scan.voxels, T1, (0.25, 0.56, 0.8)), 0)
    values = torch.from_numpy(values.astype(np.float32))[None]
    picture = TemplateImage(values, tuple(brain.scan.affine[:3, 3].tolist()), VOXEL_SIZE)
    monkeypatch.setattr(Model, "template", lambda _: picture)
    painted = np.where(brain.mask, np.interp(brain.scan.voxels, T1, tissues), 0)
    scan = replace(brain.scan, voxels=painted.astype(np.float32))
    model = load_model(tiny_model)
    source = SimpleNamespace(
        name="jane",
        model=model,
        all_right=True,
        least_variants=1,
        request=lambda device: Request(scan, model=model, mask=brain.mask, device=device),
        codes=lambda _, own: own.astype(np.int16),
        mirrored=lambda codes: codes,
    )
    steps = make_examples(source, AdaptSettings(device="cpu"))  # type: ignore[arg-type]
    examples = []
    while not examples:
        try:
            next(steps)
        except StopIteration as end:
            examples = end.value
    own, mirrored = (example["inputs"].double().numpy() for example in examples)
    varied = (own.std(0) > 0) & (mirrored.std(0) > 0)
    alike = [
        np.corrcoef(one, other)[0, 1]
        for one, other in zip(own.T[varied], mirrored.T[varied], strict=True)
    ]
    # Positions across and differences along that axis turn around; intensities stay.
    assert np.count_nonzero(np.array(alike) > 0.9) > 20
