"""How a network is fitted to a scan; knows no torch, because the model card says it."""

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class FitSettings:
    """How a network is fitted.

    Attributes
    ----------
    iterations : int
        Most steps taken.
    points : int
        Random brain voxels per step; half as many once a template network follows the scan.
    seed : int
        Seed of the random choice; the same seed gives the same fit on one machine's CPU.
    earliest_stop : int or None
        Iteration from which the fit may end because labels have stopped changing;
        None: never, all iterations are done.
    tolerance : float
        Labels stand still when a smaller share of the probes changes per iteration.
    look_every : int
        Iterations between two looks at the labels of the probes; 0: never look.
    """

    iterations: int = 130
    points: int = 12288
    seed: int = 0
    earliest_stop: int | None = None
    tolerance: float = 2e-4
    look_every: int = 10

    def chosen(self, iterations: int | None, seed: int) -> "FitSettings":
        """These with a seed, and with exactly so many iterations unless that is None."""
        if iterations is None:
            return replace(self, seed=seed)
        return replace(self, seed=seed, iterations=iterations, earliest_stop=None)
