"""The intensity rule: a scan's own scale -> about 0..1, by matching quantiles.

Matching the quantiles inside the brain to fixed ones takes out gain, offset and any monotone curve
at once, as far as two brains hold the same share of each tissue. What is left
(more fluid in an old brain, a looser mask, a bias field) the appearance learns during the fit.
"""

from dataclasses import dataclass

import numpy as np

LEVELS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)
"""Quantiles that are matched."""
HIGHEST = 1.5
"""Brighter voxels (vessels, fat) are cut off here."""
BINS = 24
"""Between the lowest and the highest normalised intensity, where means of the scan's are taken."""


@dataclass(frozen=True)
class IntensityRule:
    """Where the quantiles `LEVELS` of a brain are sent.

    Attributes
    ----------
    goals : tuple of float
        Normalised intensity of each level, rising.
    """

    goals: tuple[float, ...]

    def fit(self, values: np.ndarray) -> "IntensityScale":
        """Scale for one scan.

        Parameters
        ----------
        values : ndarray, shape (N,)
            Intensities inside the brain.

        Returns
        -------
        IntensityScale
        """
        found = np.quantile(values, LEVELS)
        # Coarsely stored scans repeat a value at several levels: keep them apart.
        apart = float(found[-1] - found[0] or np.ptp(values) or 1) * 1e-3
        found = np.maximum.accumulate(found + apart * np.arange(len(found)))
        return IntensityScale(tuple(found.tolist()), self.goals)


@dataclass(frozen=True)
class IntensityScale:
    """Piecewise linear map between a scan's intensities and normalised ones.

    Attributes
    ----------
    knots : tuple of float
        The scan's intensities, rising; if not, the map leads one way only, to them.
    goals : tuple of float
        Their normalised intensities, rising.
    """

    knots: tuple[float, ...]
    goals: tuple[float, ...]

    def normalise(self, values: np.ndarray) -> np.ndarray:
        """The scan's intensities -> normalised, float32 in 0..`HIGHEST`."""
        normalised: np.ndarray = np.clip(
            _extended(values, self.knots, self.goals), 0, HIGHEST
        ).astype(np.float32)
        return normalised

    def restore(self, values: np.ndarray) -> np.ndarray:
        """Normalised intensities -> the scan's, float32."""
        return _extended(values, self.goals, self.knots).astype(np.float32)


def scale_by_means(values: np.ndarray, own: np.ndarray) -> IntensityScale:
    """The way back to a scan's intensities from others that are no function of them.

    Parameters
    ----------
    values : ndarray, shape (N,)
        Normalised intensities.
    own : ndarray, shape (N,)
        The scan's intensities of the same voxels.

    Returns
    -------
    IntensityScale
        Its knots are the mean of the scan's intensities about each goal: it can only `restore`.
    """
    lowest, highest = np.quantile(values, (0.01, 0.99))
    edges = np.linspace(lowest, max(highest, lowest + 1e-3), BINS + 1)
    which = np.clip(np.searchsorted(edges, values) - 1, 0, BINS - 1)
    counts = np.bincount(which, minlength=BINS)
    enough = counts > 1e-4 * len(values)
    means = np.bincount(which, own, BINS)[enough] / counts[enough]
    goals = ((edges[1:] + edges[:-1]) / 2)[enough]
    # The same mean twice at both ends, so that nothing goes on beyond them.
    ends = goals[0] - 1e-3, goals[-1] + 1e-3
    return IntensityScale(
        (means[0], *means.tolist(), means[-1]), (ends[0], *goals.tolist(), ends[1])
    )


def _extended(values: np.ndarray, x: tuple[float, ...], y: tuple[float, ...]) -> np.ndarray:
    """Linear interpolation that goes on straight at both ends."""
    far = 1e3
    before = (x[0] - far * (x[1] - x[0]), y[0] - far * (y[1] - y[0]))
    after = (x[-1] + far * (x[-1] - x[-2]), y[-1] + far * (y[-1] - y[-2]))
    found: np.ndarray = np.interp(values, (before[0], *x, after[0]), (before[1], *y, after[1]))
    return found
