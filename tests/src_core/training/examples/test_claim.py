"""What the examples in a folder depend on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src_core.datasets.settings import DataSettings
from src_core.errors import InputError
from src_core.io.protocols import protocol
from src_core.training.cache import claim
from src_core.training.examples.claim import examples_depend_on
from src_core.training.settings import ExampleSettings

if TYPE_CHECKING:
    from pathlib import Path


def test_label_maps_that_were_changed_need_another_folder(tmp_path: Path) -> None:
    (heads := tmp_path / "heads").mkdir()
    settings = ExampleSettings(label_maps=heads)

    def begin() -> None:
        tissues = protocol("tissue4")
        told = examples_depend_on(DataSettings(tmp_path), [], settings, tissues, True, None, 0)
        claim(tmp_path / "examples", told)

    (heads / "jane.nii.gz").write_bytes(b"a label map")
    begin()
    begin()
    (heads / "jane.nii.gz").write_bytes(b"mended")
    with pytest.raises(InputError, match="with other label_maps; name another folder"):
        begin()
