"""Plot volumes over age from the tables of a study.

python -m benchmarks.cohort.volumes_over_age OUTPUT PICTURE.png
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

SHOWN = {
    "Lateral ventricles": ["Left-Lateral-Ventricle", "Right-Lateral-Ventricle"],
    "Cortex": ["Left-Cerebral-Cortex", "Right-Cerebral-Cortex"],
    "Hippocampi": ["Left-Hippocampus", "Right-Hippocampus"],
}
SHARE = 100
"""Volumes are percent of the estimated intracranial volume, because heads differ in size."""


def main() -> None:
    """Draw, and print rank correlations with age."""
    from matplotlib.figure import Figure

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", type=Path)
    parser.add_argument("picture", type=Path)
    args = parser.parse_args()
    table = pd.read_csv(args.output / "volumes.tsv", sep="\t")
    table = table[table["verdict"] != "reject"].dropna(subset=["age"])
    whose = np.where(table["participant_id"].str.startswith("sub-IXI"), "IXI, 2 mm", "OASIS, 1 mm")
    figure = Figure(figsize=(10, 3.2), layout="constrained")
    for axes, (title, names) in zip(figure.subplots(1, len(SHOWN)), SHOWN.items(), strict=True):
        share = SHARE * table[names].sum(axis=1) / table["estimated_intracranial"]
        for name in sorted(set(whose)):
            axes.plot(table["age"][whose == name], share[whose == name], "o", ms=4, label=name)
            rank = spearmanr(table["age"][whose == name], share[whose == name]).statistic
            print(f"| {title} | {name} | {(whose == name).sum()} | {rank:.2f} |")
        axes.set(title=title, xlabel="age, years", ylim=(0, None))
    figure.axes[0].set_ylabel("% of intracranial volume")
    figure.axes[0].legend(loc="upper left")
    figure.savefig(args.picture, dpi=110)


if __name__ == "__main__":
    main()
