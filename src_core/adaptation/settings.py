"""How a model is trained further on its user's scans; shared by command line, Python and window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from src_core.options import dataclass_of, option, options_of
from src_core.request import Request
from src_core.training.settings import LoopSettings

_of_a_fit: Any = dataclass_of(options_of(Request)[name] for name in ("device", "threads", "seed"))


@dataclass(frozen=True)
class AdaptSettings(_of_a_fit):
    """How a model is trained further on its user's scans.

    The fields are options; `help` of `src_core.adaptation.adapt.adapt` lists them.

    Raises
    ------
    InputError
        A number is out of range.
    """

    labels: str | None = option(
        None,
        kind=str,
        help="Protocol of the label maps, of those that the model can be told in; by default as "
        "the description beside a label map says, else the model's finest.",
        short="protocol of the label maps; default: as is said beside them, else the finest",
        metavar="PROTOCOL",
    )
    measure: bool = option(
        True,
        help="Leave one scan out first and measure on it, if there are two or more.",
        short="leave no scan out first to measure on",
        title="Measure on a scan that is left out",
    )
    variants: int = option(
        2,
        least=1,
        most=50,
        help="Examples made of each scan: as it is, mirrored, and the others changed at random.",
        short="examples of each scan: as it is, mirrored, others changed; default: %(default)s",
        title="Examples of each scan",
    )
    steps: int = option(
        200, least=1, help="Steps of the training.", short="default: %(default)s", title="Steps"
    )
    rate: float = option(
        1e-3,
        least=1e-6,
        most=0.1,
        help="Largest step size.",
        short="default: %(default)s",
        title="Step size",
    )
    stay: float = option(
        1.0,
        least=0,
        help="Weight of staying with the model's probabilities where nothing was corrected.",
        short="weight of staying as it was where nothing was corrected; default: %(default)s",
        title="Staying as it was",
    )
    share: float = option(
        0.4,
        least=0,
        most=1,
        help="How far the head goes from what it was (0) to what it has learned (1), where your "
        "scans gain most and most is forgotten elsewhere.",
        short="how far to go to what was learned: 0 not at all, 1 all the way; default: "
        "%(default)s",
        title="How far",
    )

    def __post_init__(self) -> None:
        for name, one in options_of(type(self)).items():
            one.check(getattr(self, name))

    @property
    def loop(self) -> LoopSettings:
        """The training of the head."""
        return LoopSettings(steps=self.steps, rate=self.rate, scans=4, points=1024)
