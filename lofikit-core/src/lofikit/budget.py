"""A plan that takes as long as one has: steps are timed, and the plan is cut to fit.

The steps are chosen once, when a training begins, and stand in the run's file from then on. So a
run with a budget resumes and repeats as exactly as any other.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from lofikit.models.base import LossName, Model
from lofikit.plan import Phase
from lofikit.representations.base import Frames

TIMED_SECONDS = 3.0
"""A phase's steps are timed for about this long."""
TIMED_STEPS = 25
OVERHEAD = 0.04
"""Share of the time that goes to checkpoints and auditions."""


def fitted(
    phases: Sequence[Phase],
    steps: Sequence[int],
    minutes: float,
    step_seconds: Sequence[float],
    epoch_seconds: float,
) -> tuple[Phase, ...]:
    """Returns phases that take a time together, in the proportions that they had.

    Args:
        phases: The plan.
        steps: Steps of an epoch of each phase.
        minutes: How long they are to take.
        step_seconds: How long a step of each phase takes.
        epoch_seconds: What an epoch's end takes, the held-out loss mostly.

    Returns:
        The phases with their steps; where not even an epoch's end fits, epochs are fewer.
    """
    seconds = minutes * 60 * (1 - OVERHEAD)
    planned = [p.epochs * n * each for p, n, each in zip(phases, steps, step_seconds, strict=True)]
    shares = _shares(seconds, planned, [each + epoch_seconds for each in step_seconds])
    found = []
    for phase, share, each in zip(phases, shares, step_seconds, strict=True):
        # No more than a quarter of the time is spent on measuring.
        epochs = max(1, min(phase.epochs, int(share / (4 * epoch_seconds + each))))
        count = max(1, int((share - epochs * epoch_seconds) / (epochs * each)))
        found.append(phase.model_copy(update={"epochs": epochs, "steps": count}))
    return tuple(found)


def _shares(seconds: float, planned: Sequence[float], least: Sequence[float]) -> list[float]:
    """Returns the time of each phase, in proportion to its cost, but never less than its least.

    What a small phase needs beyond its share is taken from the others.
    """
    short: set[int] = set()
    while True:
        rest = max(0.0, seconds - sum(least[i] for i in short))
        cost = sum(p for i, p in enumerate(planned) if i not in short)
        shares = [least[i] if i in short else rest * p / cost for i, p in enumerate(planned)]
        more = {i for i, share in enumerate(shares) if share < least[i]}
        if not more:
            return shares
        short |= more


def time_steps(
    model: Model, phase: Phase, loss: LossName, draw: Callable[[int, int], Frames]
) -> float:
    """Returns the seconds of an optimiser step; the model is changed by it.

    Args:
        model: The model.
        phase: How steps are done.
        loss: The model's default loss.
        draw: Gives frames by batch size and number of the step.
    """
    spent: list[float] = []
    began = time.perf_counter()
    while len(spent) < TIMED_STEPS + 1:
        start = time.perf_counter()
        settings = phase.settings(loss, 0, 0.0, len(spent))
        float(model.train_step(draw(phase.batch_size, len(spent)), settings))
        spent.append(time.perf_counter() - start)
        if len(spent) == 1:
            began = time.perf_counter()  # the first step compiles
        elif time.perf_counter() - began > TIMED_SECONDS:
            break
    return sum(spent[1:]) / (len(spent) - 1)
