"""How unusual a scan is among those of its cohort."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from src_core.cohort.tables import intracranial_volume

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from src_core.cohort.records import Record

FEWEST = 5
"""Scans without which nothing is unusual."""
_FEWEST_WITH_AGE = 10
_LEAST_YEARS = 10.0
_MOST_FOR_A_SLOPE = 500
# Scales the median of absolute deviations to the standard deviation of a normal distribution.
_TO_SIGMA = 1.4826
QUALITY = {"psnr": "PSNR", "similarity": "similarity to the template"}
"""Numbers of which only low ones are unusual."""


@dataclass(frozen=True)
class Unusual:
    """How far a scan is from the middle of its cohort.

    Attributes
    ----------
    z : mapping of str to float
        Robust z of the volume of each structure.
    quality : mapping of str to float
        The same of each of `QUALITY`, 0 for what is not low.
    """

    z: Mapping[str, float]
    quality: Mapping[str, float]

    @property
    def most(self) -> tuple[float, str]:
        """The largest of all, without its sign, and what it is of; 0 and "": there is none."""
        named = {QUALITY[name]: value for name, value in self.quality.items()}
        every = [(abs(value), name) for name, value in (dict(self.z) | named).items()]
        return max((one for one in every if one[0] > 0), default=(0.0, ""))  # NaN is not


def unusual(records: Sequence[Record]) -> list[Unusual]:
    """How unusual each scan is among all.

    A volume is taken as a share of the estimated intracranial volume, where there is one for all
    scans, and what is due to age, where it is known, is taken off (Theil-Sen slope). Its z is the
    distance from the median in 1.4826 times the median of such distances.

    Parameters
    ----------
    records : sequence of Record

    Returns
    -------
    list of Unusual
        Of each scan; all z are NaN if there are fewer than `FEWEST`.
    """
    names = list(dict.fromkeys(name for one in records for name in one.volumes))
    volumes = np.array([[one.volumes.get(n, np.nan) for n in names] for one in records], float)
    volumes = volumes.reshape(len(records), len(names))
    heads = np.array([intracranial_volume(one) or np.nan for one in records])
    if np.isfinite(heads).all():
        volumes = volumes / heads[:, np.newaxis]
    ages = np.array([np.nan if one.age is None else one.age for one in records])
    z = np.stack([robust_z(without_age(v, ages)) for v in volumes.T], 1) if names else volumes
    quality = {name: robust_z(np.array([_quality(r, name) for r in records])) for name in QUALITY}
    return [
        Unusual(
            dict(zip(names, z[i].tolist(), strict=True)),
            {name: max(0.0, -float(values[i])) for name, values in quality.items()},
        )
        for i in range(len(records))
    ]


def worst_first(records: Sequence[Record]) -> list[tuple[Record, Unusual]]:
    """Scans with how unusual they are, the most unusual first."""
    pairs = zip(records, unusual(records), strict=True)
    return sorted(pairs, key=lambda pair: -pair[1].most[0])


def robust_z(values: np.ndarray) -> np.ndarray:
    """Distance of each value from the median, in robust standard deviations; NaN: unknown."""
    known = np.isfinite(values)
    if known.sum() < FEWEST:
        return np.full(len(values), np.nan)
    distance = values - np.median(values[known])
    spread = _TO_SIGMA * np.median(np.abs(distance[known]))
    z: np.ndarray = distance / spread if spread > 0 else np.full(len(values), np.nan)
    return z


def without_age(values: np.ndarray, ages: np.ndarray) -> np.ndarray:
    """Values without what is due to age, as those of the median age; as they are if few ages."""
    known = np.isfinite(ages) & np.isfinite(values)
    if known.sum() < _FEWEST_WITH_AGE or np.ptp(ages[known]) < _LEAST_YEARS:
        return values
    from scipy.stats import theilslopes

    some = np.flatnonzero(known)[:: -(-int(known.sum()) // _MOST_FOR_A_SLOPE)]
    slope = theilslopes(values[some], ages[some]).slope
    years = np.where(np.isfinite(ages), ages - np.median(ages[known]), 0)
    rest: np.ndarray = values - slope * years
    return rest


def _quality(record: Record, name: str) -> float:
    value = record.report["psnr"] if name == "psnr" else record.report["alignment"]["similarity"]
    return np.nan if value is None else float(value)
