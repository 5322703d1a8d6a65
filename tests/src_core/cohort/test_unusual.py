"""Which scan of a cohort stands out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from src_core.cohort.places import Place
from src_core.cohort.records import Record
from src_core.cohort.unusual import robust_z, unusual, without_age


def record(name: str, age: float | None = None, psnr: float = 18.0, **volumes: float) -> Record:
    report: dict[str, Any] = {
        "volumes": volumes,
        "psnr": psnr,
        "alignment": {"method": "none", "similarity": 0.95},
        "transform": np.eye(4).tolist(),
    }
    return Record(
        name, report, Place(Path(), name, "tissue4"), {} if age is None else {"age": str(age)}
    )


def test_the_scan_with_one_odd_volume_or_a_bad_fit_stands_out() -> None:
    draw = np.random.default_rng(0).normal
    records = [record(f"sub-{i}", psnr=draw(18, 0.3), A=draw(5e3, 100)) for i in range(20)]
    records[7] = record("sub-7", A=9e3)
    records[3] = record("sub-3", psnr=12.0, A=5e3)
    found = unusual(records)
    assert found[7].most[1] == "A"
    assert found[3].most[1] == "PSNR"
    assert {int(i) for i in np.argsort([-one.most[0] for one in found])[:2]} == {3, 7}


def test_what_is_due_to_age_is_not_unusual() -> None:
    ages = np.linspace(20, 80, 30)
    values = 10 + 0.5 * ages + np.random.default_rng(0).normal(0, 1, 30)
    values[5] += 12  # an old person's volume in a young one
    assert abs(robust_z(values)[5]) < 2
    assert robust_z(without_age(values, ages))[5] > 8
    few = np.full(30, np.nan)
    few[:4] = ages[:4]
    np.testing.assert_array_equal(without_age(values, few), values)


@pytest.mark.parametrize("n", [1, 4])
def test_of_few_scans_none_is_unusual(n: int) -> None:
    assert all(
        one.most == (0.0, "") for one in unusual([record(f"sub-{i}", A=i) for i in range(n)])
    )
