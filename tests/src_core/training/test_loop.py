"""Optimisation loops that survive an interruption."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest
import torch

from src_core.errors import InputError
from src_core.training import loop
from src_core.training.loop import Descent
from src_core.training.settings import LoopSettings


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

    settings = LoopSettings(steps=250, rate=0.1, judge_every=100)
    Descent("mean", work, [found], settings, seed, loss_of, lambda: {"mean": found.item()}).run()
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
    for name in ("mean.csv", "mean-scores.csv"):
        columns = [
            [row.split(",")[0] for row in (work / name).read_text().splitlines()]
            for work in (through, broken)
        ]
        assert columns[0] == columns[1]


def test_a_finished_loop_is_not_run_again(tmp_path: Path) -> None:
    found = run(tmp_path)
    assert torch.equal(run(tmp_path, stop_at=0), found)


def test_another_seed_draws_other_numbers(tmp_path: Path) -> None:
    (one := tmp_path / "one").mkdir()
    (other := tmp_path / "other").mkdir()
    assert not torch.equal(run(one), run(other, seed=1))


def test_a_log_that_a_full_disk_cut_short_is_mended(tmp_path: Path) -> None:
    run(tmp_path)
    (log := tmp_path / "mean.csv").write_text(log.read_text() + "2")
    (scores := tmp_path / "mean-scores.csv").write_text("")
    run(tmp_path)
    assert log.read_text().splitlines()[-1].startswith("250,")
    assert scores.read_text() == ""


def test_the_log_tells_how_it_went(tmp_path: Path) -> None:
    run(tmp_path)
    log = (tmp_path / "mean.csv").read_text().splitlines()
    assert log[0].startswith("step,seconds,loss")
    assert [line.split(",")[0] for line in log[1:]] == ["50", "100", "150", "200", "250"]
    scores = (tmp_path / "mean-scores.csv").read_text().splitlines()
    assert scores[0] == "step,seconds,mean"
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
        Descent("wild", tmp_path, [found], LoopSettings(steps=10, rate=0.1), 0, loss_of).run()
    assert torch.load(tmp_path / "wild.checkpoint")["step"] == 4


def judged(work: Path, scores: list[float], patience: int = 0) -> tuple[float, int]:
    """A number that rises by 1 a step, judged after each; where it ends, and the looks taken."""
    found, looks = torch.zeros(1), iter(scores)
    taken = 0

    def judge() -> dict[str, float]:
        nonlocal taken
        taken += 1
        return {"mean": next(looks)}

    settings = LoopSettings(steps=len(scores), rate=1.0, judge_every=1, patience=patience)
    Descent("rise", work, [found], settings, 0, lambda _: {"loss": -found.sum()}, judge).run()
    return found.item(), taken


def test_it_ends_with_the_parameters_that_were_judged_best(tmp_path: Path) -> None:
    (rising := tmp_path / "rising").mkdir()
    (falling := tmp_path / "falling").mkdir()
    last, _ = judged(rising, [0.1, 0.2, 0.3, 0.4])
    first, _ = judged(falling, [0.4, 0.3, 0.2, 0.1])
    assert first < last / 2


def test_it_ends_early_when_there_is_no_improvement(tmp_path: Path) -> None:
    scores = [0.1, 0.5, 0.4, 0.4, 0.4, 0.9]
    found, taken = judged(tmp_path, scores, patience=3)
    assert taken == 5
    # Run again, it neither goes on nor forgets the best.
    assert judged(tmp_path, scores, patience=3) == (found, 0)


@pytest.mark.parametrize("interrupted", [False, True])
def test_what_was_trained_before_stays_if_nothing_is_better(
    tmp_path: Path, interrupted: bool
) -> None:
    found, looks = torch.ones(1), 0
    settings = LoopSettings(steps=4, rate=1.0, judge_every=2)

    def judge() -> dict[str, float]:
        nonlocal looks
        looks += 1
        return {"mean": found.item()}

    def loss_of(_: torch.Generator) -> dict[str, torch.Tensor]:
        if interrupted and looks == 1:
            raise KeyboardInterrupt
        return {"loss": found.sum()}

    def go() -> None:
        Descent("worse", tmp_path, [found], settings, 0, loss_of, judge, trained_before=True).run()

    if interrupted:
        with pytest.raises(KeyboardInterrupt):
            go()
    go()
    assert found.item() == 1
    rows = (tmp_path / "worse-scores.csv").read_text().splitlines()[1:]
    assert [row.split(",")[0] for row in rows] == ["0", "2", "4"]


@pytest.mark.parametrize(
    ("change", "said"),
    [({"steps": 0}, "steps: 0"), ({"rate": 0.0}, "rate"), ({"patience": -1}, "patience")],
)
def test_settings_out_of_range_are_refused(change: dict, said: str) -> None:
    with pytest.raises(InputError, match=said):
        LoopSettings(**change)


def test_a_full_disk_keeps_the_last_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 2)
    found = torch.ones(1)
    settings = LoopSettings(steps=4, rate=0.1)

    def loss_of(_: torch.Generator) -> dict[str, torch.Tensor]:
        if (tmp_path / "full.checkpoint").exists():
            monkeypatch.setattr(Path, "write_bytes", no_space)
        return {"loss": found.sum()}

    def no_space(*_: object) -> None:
        raise OSError(errno.ENOSPC, "no space left")

    with pytest.raises(InputError, match=r"disk of .* is full"):
        Descent("full", tmp_path, [found], settings, 0, loss_of).run()
    assert torch.load(tmp_path / "full.checkpoint")["step"] == 2
    assert {path.name for path in tmp_path.iterdir()} == {"full.checkpoint", "full.csv"}
