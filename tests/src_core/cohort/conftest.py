"""A small BIDS data set, and what is asked of it."""

from __future__ import annotations

import shutil
import warnings
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest

from src_core.cohort.cluster import ClusterSettings, connected
from tests.helpers.study import quick_request, write_phantoms, write_study

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from distributed import Client

    from src_core.request import Request

PEOPLE = "participant_id\tage\tsex\nsub-01\t23\tF\nsub-02\t71\tM\nsub-03\tn/a\tF\n"


@pytest.fixture(scope="session")
def coarse_scans(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Files of three phantoms of 6 mm."""
    return write_phantoms(tmp_path_factory.mktemp("coarse"), 3)


@pytest.fixture(scope="session")
def made_study(
    coarse_scans: list[Path], tiny_model: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Output of a batch over them; it is only read."""
    output = tmp_path_factory.mktemp("study") / "out"
    write_study(output, coarse_scans, tiny_model)
    return output


@pytest.fixture
def study(made_study: Path) -> Iterator[Path]:
    """A copy of it, which may be changed."""
    copy = made_study.with_name("copy")  # beside it, so that it finds the scans
    shutil.copytree(made_study, copy)
    yield copy
    shutil.rmtree(copy)


@pytest.fixture(scope="package")
def two_workers() -> Iterator[Client]:
    """Two processes, which are started once: that takes longer than all that they do here.

    The machine pretends to have two graphics cards.
    """
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Dask's own
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("torch.cuda.is_available", lambda: True)
            patch.setattr("torch.cuda.device_count", lambda: 2)
            client = stack.enter_context(connected(ClusterSettings(), 50, "auto"))
        yield client


@pytest.fixture
def data_set(coarse_scans: list[Path], tmp_path: Path) -> Path:
    """Three people, one of them with a session."""
    root = tmp_path / "bids"
    for name, file in zip(
        (
            "sub-01/anat/sub-01_T1w.nii.gz",
            "sub-02/ses-a/anat/sub-02_ses-a_T1w.nii.gz",
            "sub-03/anat/sub-03_run-1_T1w.nii.gz",
        ),
        coarse_scans,
        strict=True,
    ):
        (root / name).parent.mkdir(parents=True)
        shutil.copy(file, root / name)
    (root / "dataset_description.json").write_text('{"Name": "x", "BIDSVersion": "1.10.0"}')
    (root / "participants.tsv").write_text(PEOPLE)
    return root


@pytest.fixture
def request_for_all(tiny_model: Path) -> Request:
    """Quick: a small model, no alignment, three iterations."""
    return quick_request(tiny_model)
