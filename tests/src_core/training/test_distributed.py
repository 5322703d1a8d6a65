"""Several processes at one training."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SCRIPT = """
import sys
from pathlib import Path

import torch

from src_core.training import distributed
from src_core.training.loop import Descent
from src_core.training.settings import LoopSettings

distributed.join(torch.device("cpu"))
found = torch.zeros(3)
Descent(
    "mean",
    Path(sys.argv[1]),
    [found],
    LoopSettings(steps=150, rate=0.1),
    0,
    lambda generator: {"loss": (found - 3 - torch.randn(3, generator=generator)).square().sum()},
).run()
numbers = list(distributed.own(range(5)))
print("found", distributed.rank(), numbers, *found.tolist())
"""


def test_processes_draw_their_own_points_and_end_with_the_same_weights(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SCRIPT)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2"]
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [*command, "--standalone", script, tmp_path],
        env=os.environ | {"PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    lines = sorted(line for line in done.stdout.splitlines() if line.startswith("found"))
    assert [line.split("]")[0] for line in lines] == ["found 0 [0, 2, 4", "found 1 [1, 3"]
    assert len({line.split("]")[1] for line in lines}) == 1
    assert (tmp_path / "mean.csv").read_text().count("\n") == 4
