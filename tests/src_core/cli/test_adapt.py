"""The command ``adapt``."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from src_core.adaptation.own_scans import add_own_scan, own_scans_folder, remove_own_scan
from src_core.cli.main import main
from src_core.io.protocols import protocol
from src_core.io.sample import phantom

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_own_scans_make_a_model_that_is_known_by_name(
    tiny_model: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("NAPARI_METASEG_HOME", str(tmp_path))
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
    assert main(["adapt", str(tiny_model)]) == 2
    assert "tiny-adapted.safetensors exists; choose another name" in capsys.readouterr().err
    remove_own_scan(own_scans_folder(), "me")
    assert main(["adapt", "tiny-adapted"]) == 2
    assert "holds no corrected scans; name some" in capsys.readouterr().err
