"""Labelled phantoms, and what makes examples of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from src_core.datasets.find import read_scans
from src_core.datasets.mapping import read_mapping
from src_core.datasets.settings import DataSettings
from src_core.io.protocols import protocol
from src_core.training.changes.tissues import Tissues
from src_core.training.examples.maker import Maker
from src_core.training.settings import ExampleSettings

if TYPE_CHECKING:
    from pathlib import Path

    from src_core.datasets.labelled import LabelledScan


@pytest.fixture(scope="module")
def scans(data_folder: Path) -> list[LabelledScan]:
    return read_scans(DataSettings(data_folder))


@pytest.fixture
def maker(data_folder, template, rule) -> Maker:
    known = protocol("tissue4")
    tissues = Tissues.of(known, read_mapping(DataSettings(data_folder), known))
    return Maker(
        template, template, rule, tissues, ExampleSettings(points=5000), seed=0, mirrors=True
    )
