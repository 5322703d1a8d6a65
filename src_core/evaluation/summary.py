"""The summary of an evaluation in Markdown, with paired tests between models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import partial
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from src_core.evaluation.evaluated import RESAMPLES, Evaluated, Values, paired_test
from src_core.evaluation.scores import LAST, MEASURES, Score
from src_core.results.measure import mean_defined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_TITLES = {
    "dice": "Dice",
    "hd95_mm": "HD95 (mm)",
    "assd_mm": "ASSD (mm)",
    "volume_similarity": "volume similarity",
}
_DIGITS = {"dice": 3, "hd95_mm": 2, "assd_mm": 2, "volume_similarity": 3}
_LARGE_IS_BAD = ("hd95_mm", "assd_mm")

_EXPLANATION = (
    "Every scan was segmented with the model's default settings and compared with its own "
    "labels. Dice is the mean over the structures (foreground); generalised Dice, with background, "
    "is what the MetaSeg paper calls Dice. Means and SD are over scans; a scan seen in slices "
    "counts once, with the mean of its slices. A structure in only one of the two label maps has "
    "Dice 0 and no distance; one in neither is left out. Seconds are those from the loaded scan to "
    "its labels."
)
_PAIRED = (
    "Mean foreground Dice at the last iteration, first averaged within each subject, because scans "
    "of one person are not independent. p: two-sided Wilcoxon signed-rank test over subjects; "
    f"interval: bootstrap over subjects ({RESAMPLES:,} resamples). With few subjects p-values are "
    "coarse: of {n} the smallest possible is {smallest:.3g}. Several comparisons are not corrected "
    "for."
)

Row = Sequence[str]


def overview(evaluated: Sequence[Evaluated]) -> list[list[str]]:
    """A row per model at the last iteration, below a row of titles."""
    rows = [["model", "scans", "Dice", "worst (scan)", "generalised Dice"]]
    rows[0] += ["HD95 (mm)", "PSNR (dB)", "s/scan", "weights"]
    for one in evaluated:
        dice = one.by_scan(LAST, one.mean_of("dice"))
        columns = [
            (one.by_scan(LAST, lambda score: score.generalised_dice), 3),
            (one.by_scan(LAST, one.mean_of("hd95_mm")), 2),
            (one.by_scan(LAST, lambda score: score.psnr), 1),
            (one.by_scan(LAST, lambda score: score.seconds), 1),
        ]
        rows.append(
            [
                one.name,
                f"{len({score.scan for score in one.scores})}",
                _mean(dice, 3),
                _worst(dice, 3),
                *(_mean(values, digits) for values, digits in columns),
                f"{one.model.size:,}",
            ]
        )
    return rows


def summary(evaluated: Sequence[Evaluated]) -> str:
    """The tables in Markdown."""
    lines = [
        "# Evaluation",
        "",
        _EXPLANATION,
        "",
        *_markdown(overview(evaluated)),
    ]
    for one in evaluated:
        lines += ["", f"## {one.name}", "", _description(one), "", *_markdown(_structures(one))]
        lines += ["", "By iteration:", "", *_markdown(_emergence(one))]
    lines += _comparisons(evaluated)
    return "\n".join(lines) + "\n"


def _description(one: Evaluated) -> str:
    last = [score for score in one.scores if score.asked == LAST]
    stops = Counter(score.stop_reason for score in last)
    parts = [
        f"Protocol {one.model.protocol.name}, {one.model.size:,} weights",
        f"sha256 `{one.model.sha256[:16]}`",
        f"{len({score.subject for score in last})} subjects",
        "fits ended by " + ", ".join(f"{reason} ({count})" for reason, count in stops.items()),
    ]
    if known := sorted({score.scan for score in last} & set(one.model.card.training_scans)):
        parts.append(f"**trained on scans of these names: {', '.join(known)}**")
    if left := [s.name for s in one.model.protocol.structures if s.name in one.leave_out]:
        parts.append(f"left out of all means: {', '.join(left)}")
    return "; ".join(parts) + "."


def _structures(one: Evaluated) -> list[Row]:
    """Mean, SD and worst scan of each measure of each structure at the last iteration."""
    rows: list[Row] = [
        ["structure", *(title for m in MEASURES for title in (_TITLES[m], "worst (scan)"))]
    ]

    def cells(of: Callable[[str], Callable[[Score], float | None]]) -> Iterable[str]:
        for measure in MEASURES:
            values, digits = one.by_scan(LAST, of(measure)), _DIGITS[measure]
            yield _mean_sd(values, digits)
            yield _worst(values, digits, largest=measure in _LARGE_IS_BAD)

    for index, structure in enumerate(one.model.protocol.structures):
        rows.append([structure.name, *cells(partial(_of_structure, index))])
    return [*rows, ["**mean**", *cells(one.mean_of)]]


def _of_structure(index: int, measure: str) -> Callable[[Score], float | None]:
    return lambda score: getattr(score.structures[index], measure)


def _emergence(one: Evaluated) -> list[Row]:
    rows: list[Row] = [
        ["asked", "iteration", "Dice", "worst (scan)", "generalised Dice", "PSNR (dB)", "s"]
    ]
    for asked in dict.fromkeys(score.asked for score in one.scores):
        found = sorted({score.iteration for score in one.scores if score.asked == asked})
        dice = one.by_scan(asked, one.mean_of("dice"))
        rows.append(
            [
                asked,
                f"{found[0]}" if len(found) == 1 else f"{found[0]} to {found[-1]}",
                _mean_sd(dice, 3),
                _worst(dice, 3),
                _mean(one.by_scan(asked, lambda score: score.generalised_dice), 3),
                _mean(one.by_scan(asked, lambda score: score.psnr), 1),
                _mean(one.by_scan(asked, lambda score: score.seconds), 1),
            ]
        )
    return rows


def _comparisons(evaluated: Sequence[Evaluated]) -> list[str]:
    rows: list[Row] = [["first - second", "subjects", "mean difference", "95 % interval", "p"]]
    fewest = None
    for first, second in combinations(evaluated, 2):
        if first.model.protocol != second.model.protocol:
            continue
        a, b = first.by_subject(), second.by_subject()
        if not a.keys() & b.keys():
            continue
        test = paired_test(a, b)
        fewest = min(fewest or test.subjects, test.subjects)
        rows.append(
            [
                f"{first.name} - {second.name}",
                f"{test.subjects}",
                f"{test.difference:+.4f}",
                f"{test.low:+.4f} to {test.high:+.4f}",
                f"{test.p:.3g}",
            ]
        )
    if fewest is None:
        return []
    return [
        "",
        "## Between models of one protocol",
        "",
        _PAIRED.format(n=fewest, smallest=min(1.0, 2.0 ** (1 - fewest))),
        "",
        *_markdown(rows),
    ]


def _markdown(rows: Sequence[Row]) -> list[str]:
    """A table whose first row is its titles; the first column is text, the others are numbers."""
    first, *others = (f"| {' | '.join(row)} |" for row in rows)
    return [first, "|---|" + "---:|" * (len(rows[0]) - 1), *others]


def _mean(values: Values, digits: int) -> str:
    mean = mean_defined(values.values())
    return "-" if mean is None else f"{mean:.{digits}f}"


def _mean_sd(values: Values, digits: int) -> str:
    """Mean and standard deviation of the sample."""
    if len(values) < 2:
        return _mean(values, digits)
    return f"{_mean(values, digits)} ± {np.std(list(values.values()), ddof=1):.{digits}f}"


def _worst(values: Values, digits: int, largest: bool = False) -> str:
    if not values:
        return "-"
    scan = (max if largest else min)(values, key=lambda name: values[name])
    return f"{values[scan]:.{digits}f} ({scan})"
