"""The command ``adapt``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from src_core.adaptation.own_scans import add_own_scan, own_scans_folder, remove_own_scan
from src_core.adaptation.stand_in import StandIn
from src_core.cli.main import main
from src_core.io.protocols import protocol
from src_core.io.sample import phantom

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_own_scans_make_a_model_that_is_known_by_name(
    tiny_model: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        StandIn, "of", lambda model: StandIn(model, phantom(8.0)[0], "small", True, 1)
    )
    scan, labels = phantom(8.0)
    details = {"protocol": "tissue4"}
    labels = np.where(labels == 4, 77, labels)
    structures = protocol("tissue4").structures
    add_own_scan(own_scans_folder(), "me", scan, None, labels, structures, details)
    assert main(["adapt", str(tiny_model), "--variants", "1", "--steps", "2"]) == 0
    said = capsys.readouterr()
    assert "written: " in said.out
    assert "me: labels that tissue4 lacks were left out: 77" in said.err
    assert main(["models"]) == 0
    assert "tiny-adapted " in capsys.readouterr().out
    assert main(["models", "tiny-adapted"]) == 0
    remove_own_scan(own_scans_folder(), "me")
    assert main(["adapt", "tiny-adapted"]) == 2
    assert "holds no corrected scans; name some" in capsys.readouterr().err
