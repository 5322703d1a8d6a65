"""Draw what strokes brought, from files that `benchmarks.corrections` wrote.

python -m benchmarks.corrections_plot OUT.png SCORES.json...
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from matplotlib.figure import Figure


def draw(output: Path, scores: list[Path]) -> None:
    """One panel per file: mean Dice over the strokes, of painting alone and learned."""
    figure = Figure(figsize=(3.2 * len(scores), 3.0), layout="constrained")
    panels = figure.subplots(1, len(scores), squeeze=False)[0]
    for panel, path in zip(panels, scores, strict=True):
        rows = json.loads(path.read_text(encoding="utf-8"))["strokes"]
        first = rows[0]["mean_dice"][0]
        strokes = range(len(rows) + 1)
        panel.plot(strokes, [first, *(row["mean_dice"][2] for row in rows)], label="learned")
        panel.plot(strokes, [first, *(row["mean_dice"][1] for row in rows)], label="painting alone")
        panel.set_title(path.stem.replace("_", ", "))
        panel.set_xlabel("strokes")
        panel.grid(visible=True, alpha=0.3)
    panels[0].set_ylabel("mean Dice of the structures")
    panels[0].legend()
    figure.savefig(output, dpi=100)


if __name__ == "__main__":
    draw(Path(sys.argv[1]), [Path(one) for one in sys.argv[2:]])
