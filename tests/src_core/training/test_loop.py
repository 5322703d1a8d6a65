"""Optimisation loops that survive an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from src_core.errors import InputError
from src_core.training import loop
from src_core.training.loop import optimise


def run(work: Path, stop_at: int | None = None, seed: int = 0) -> torch.Tensor:
    """Find the mean of noisy numbers, 3; ended from outside at a step if so wanted."""
    found = torch.zeros(1)
    seen = 0

    def loss_of(generator: torch.Generator) -> dict[str, torch.Tensor]:
        nonlocal seen
        if seen == stop_at:
            raise KeyboardInterrupt
        seen += 1
        goal = 3 + torch.randn(1, generator=generator)
        return {"loss": (found - goal).square().sum()}

    optimise("mean", work, [found], 0.1, 250, seed, loss_of, lambda: {"score": 1.0}, 100)
    return found


def test_it_makes_the_loss_small(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert found.item() == pytest.approx(3, abs=0.4)
    assert not found.requires_grad


@pytest.mark.parametrize("stop_at", [0, 99, 100, 101, 249])
def test_interrupted_anywhere_it_ends_the_same(tmp_path: Path, stop_at: int) -> None:
    (through := tmp_path / "through").mkdir()
    (broken := tmp_path / "broken").mkdir()
    with pytest.raises(KeyboardInterrupt):
        run(broken, stop_at)
    assert torch.equal(run(broken), run(through))


def test_a_finished_loop_is_not_run_again(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert torch.equal(run(tmp_path, stop_at=0), found)


def test_another_seed_draws_other_numbers(tmp_path: Path) -> None:
    (one := tmp_path / "one").mkdir()
    (other := tmp_path / "other").mkdir()
    assert not torch.equal(run(one), run(other, seed=1))


def test_the_log_tells_how_it_went(tmp_path: Path) -> None:
    run(tmp_path)
    log = (tmp_path / "mean.csv").read_text().splitlines()
    assert log[0].startswith("step,seconds,loss")
    assert [line.split(",")[0] for line in log[1:]] == ["50", "100", "150", "200", "250"]
    scores = (tmp_path / "mean-scores.csv").read_text().splitlines()
    assert scores[0] == "step,seconds,score"
    assert [line.split(",")[0] for line in scores[1:]] == ["100", "200", "250"]


def test_a_loss_that_is_not_finite_ends_it_with_the_checkpoint_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    found = torch.ones(1)
    factors = iter([1, 1, 1, 1, 1, torch.nan])

    def loss_of(_: torch.Generator) -> dict[str, torch.Tensor]:
        return {"loss": next(factors) * found.sum()}

    with pytest.raises(InputError, match="wild: the loss is not finite at step 5"):
        optimise("wild", tmp_path, [found], 0.1, 10, 0, loss_of)
    assert torch.load(tmp_path / "wild.checkpoint")["step"] == 4
