"""A model with its scores, and how two of them are compared."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from src_core.evaluation.scores import LAST, Score
from src_core.results.measure import mean_defined

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Sequence

    from src_core.models.model import Model

RESAMPLES = 10_000
"""Resamples of the bootstrap."""

Values = dict[str, float]
"""A number for each scan or each subject."""


@dataclass(frozen=True, eq=False)
class Evaluated:
    """A model with its scores.

    Attributes
    ----------
    name : str
        Unlike that of any other model in the tables.
    model : Model
    scores : list of Score
    leave_out : collection of str
        Structures that do not enter the means.
    """

    name: str
    model: Model
    scores: list[Score]
    leave_out: Collection[str] = ()

    def by_scan(self, asked: str, value: Callable[[Score], float | None]) -> Values:
        """A value of each scan at an iteration, the mean over its slices."""
        found: dict[str, list[float | None]] = defaultdict(list)
        for score in self.scores:
            if score.asked == asked:
                found[score.scan].append(value(score))
        means = {scan: mean_defined(values) for scan, values in found.items()}
        return {scan: mean for scan, mean in means.items() if mean is not None}

    def mean_of(self, measure: str) -> Callable[[Score], float | None]:
        """The mean of a measure over the structures that are not left out."""
        return lambda score: score.mean(measure, self.leave_out)

    def by_subject(self) -> Values:
        """Mean foreground Dice of each subject at the last iteration, the mean over its scans."""
        subjects = {score.scan: score.subject for score in self.scores}
        found = defaultdict(list)
        for scan, value in self.by_scan(LAST, self.mean_of("dice")).items():
            found[subjects[scan]].append(value)
        return {subject: float(np.mean(values)) for subject, values in found.items()}


@dataclass(frozen=True)
class PairedTest:
    """Mean foreground Dice of one model minus that of another, over subjects.

    Attributes
    ----------
    subjects : int
    difference : float
        Mean over subjects.
    low, high : float
        95 % confidence interval by bootstrap over subjects (percentiles).
    p : float
        Of the two-sided Wilcoxon signed-rank test.
    """

    subjects: int
    difference: float
    low: float
    high: float
    p: float


def distinct_names(models: Sequence[Model]) -> list[str]:
    """The models' names; those that several share are told apart by their checksum."""
    counts = Counter(model.name for model in models)
    return [
        model.name if counts[model.name] == 1 else f"{model.name} ({model.sha256[:8]})"
        for model in models
    ]


def paired_test(first: Values, second: Values, seed: int = 0) -> PairedTest:
    """Compare two models on the subjects that both were scored on.

    Parameters
    ----------
    first, second : dict
        Score of each subject; at least one subject in both.
    seed : int
        Of the bootstrap.
    """
    common = sorted(first.keys() & second.keys())
    differences = np.array([first[subject] - second[subject] for subject in common])
    random = np.random.default_rng(seed)
    drawn = random.integers(len(common), size=(RESAMPLES, len(common)))
    low, high = np.percentile(differences[drawn].mean(axis=1), (2.5, 97.5))
    # Where nothing differs there is nothing to rank.
    p = float(stats.wilcoxon(differences).pvalue) if differences.any() else 1.0
    return PairedTest(len(common), float(differences.mean()), float(low), float(high), p)
