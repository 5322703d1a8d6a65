"""The tables of an evaluation: two CSV files, and a summary with paired tests between models."""

import csv
import io
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import stats

from src_core.evaluation.evaluate import LAST, MEASURES, Score, mean_defined
from src_core.io.files import complete_files
from src_core.models.model import Model

NAMES = ("scores.csv", "scans.csv", "summary.md")
"""Files that `write_tables` writes."""
RESAMPLES = 10_000
"""Of the bootstrap."""
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


def write_tables(evaluated: Sequence[Evaluated], folder: Path, overwrite: bool) -> list[Path]:
    """Write all three files, or none.

    Parameters
    ----------
    evaluated : sequence of Evaluated
    folder : Path
    overwrite : bool
        Replace files that exist.

    Returns
    -------
    list of Path

    Raises
    ------
    InputError
        A file exists, or can't be written.
    """
    paths = [folder / name for name in NAMES]
    texts = [_csv(_score_rows(evaluated)), _csv(_scan_rows(evaluated)), summary(evaluated)]
    with complete_files(paths, overwrite) as files:
        for file, text in zip(files, texts, strict=True):
            file.write_text(text, encoding="utf-8", newline="\n")
    return paths


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
    trained = one.model.card["training"].get("scans", {})
    if known := sorted({score.scan for score in last} & set(trained.get("train", []))):
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

    for place, structure in enumerate(one.model.protocol.structures):
        rows.append([structure.name, *cells(partial(_of_structure, place))])
    return [*rows, ["**mean**", *cells(one.mean_of)]]


def _of_structure(place: int, measure: str) -> Callable[[Score], float | None]:
    return lambda score: getattr(score.structures[place], measure)


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


def _score_rows(evaluated: Sequence[Evaluated]) -> list[dict]:
    """A row per model, image, iteration and structure."""
    keys = ("scan", "slice_mm", "subject", "split", "asked", "iteration")
    return [
        {
            "model": one.name,
            **{key: getattr(score, key) for key in keys},
            "structure": structure.name,
            **{key: value for key, value in asdict(structure).items() if key != "name"},
        }
        for one in evaluated
        for score in one.scores
        for structure in score.structures
    ]


def _scan_rows(evaluated: Sequence[Evaluated]) -> list[dict]:
    """A row per model, image and iteration."""
    rows = []
    for one in evaluated:
        for score in one.scores:
            values = {key: value for key, value in asdict(score).items() if key != "structures"}
            means = {f"mean_{m}": score.mean(m, one.leave_out) for m in MEASURES}
            rows.append({"model": one.name, **values, **means})
    return rows


def _csv(rows: Sequence[dict]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _plain(value) for key, value in row.items()} for row in rows)
    return text.getvalue()


def _plain(value: object) -> object:
    return f"{value:.6g}" if isinstance(value, float) else value


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
