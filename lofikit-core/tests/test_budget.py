"""Trainings that are given a time."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from lofikit.budget import OVERHEAD, fitted
from lofikit.cli.main import run as lofikit
from lofikit.plan import Phase
from lofikit.run import Run


@example([(1, 1), (1, 1), (1, 21)], 1.0, 0.125, 5.0)
@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 900)), min_size=1, max_size=3),
    st.floats(0.05, 60),
    st.floats(1e-3, 0.2),
    st.floats(0, 5),
)
def test_a_plan_takes_the_time_that_it_is_given(
    plan: list[tuple[int, int]], minutes: float, each: float, epoch_seconds: float
) -> None:
    phases = tuple(Phase(epochs=epochs) for epochs, _ in plan)
    steps = [count for _, count in plan]
    timed = [each] * len(plan)
    found = fitted(phases, steps, minutes, timed, epoch_seconds)
    took = sum(p.epochs * ((p.steps or 0) * each + epoch_seconds) for p in found)
    least = len(plan) * (each + epoch_seconds)
    # Whole steps are lost to rounding, and no phase has fewer than one.
    assert took <= max(minutes * 60 * (1 - OVERHEAD), least) + each + epoch_seconds
    slack = sum(p.epochs for p in found) * each
    if epoch_seconds * 8 * len(plan) < minutes * 60:
        assert took + slack + each >= minutes * 60 * (1 - OVERHEAD) * 0.99 or took >= least
    assert all(p.epochs <= before.epochs for p, before in zip(found, phases, strict=True))


def test_the_run_holds_the_steps_that_were_chosen(
    tmp_path: Path, music: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["train", str(music), "--model", "linear", "--audition", "0"]
    path = tmp_path / "run"
    assert lofikit([*words, "--minutes", "0.05", "--epochs", "2", "-o", str(path)]) == 0
    assert "steps in 0.05 minutes" in " ".join(capsys.readouterr().err.split())
    run = Run.open(path)
    assert run.config.training.minutes is None
    (phase,) = run.config.training.phases
    assert phase.steps is not None
    assert run.metrics()[-1]["step"] == phase.epochs * phase.steps
    again = tmp_path / "again"
    assert lofikit(["train", "--config", str(path / "run.toml"), "-o", str(again)]) == 0
    assert [line["loss"] for line in Run.open(again).metrics()] == [
        line["loss"] for line in run.metrics()
    ]
