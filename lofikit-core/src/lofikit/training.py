"""The training loop, for every model of every backend.

Everything random in a step is drawn by the training's seed and the step's number, and a
checkpoint holds all that the loop carries from step to step. So a run that is killed at any
moment and resumed goes through the same steps as one that was not, and ends in the same weights.
"""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, SupportsFloat

from lofikit.errors import LofikitError
from lofikit.plan import Phase
from lofikit.session import Progress, Session

LOOK_EVERY = 20
"""Steps after which losses are looked at: an accelerator is not waited for at every step."""


@dataclass(frozen=True)
class Status:
    """What a progress display shows.

    Attributes:
        step: Steps done.
        total: Steps of the whole plan.
        phase: Number of the phase, from 1.
        phases: How many there are.
        loss: Mean loss of the last steps.
        held_out: The lowest held-out loss so far, if there is one.
        bits: Whether losses are of classes, and so can be told in bits a value.
    """

    step: int
    total: int
    phase: int
    phases: int
    loss: float
    held_out: float | None
    bits: bool


def train(
    session: Session,
    show: Callable[[Status], None] = lambda status: None,
    checkpointed: Callable[[Session], None] = lambda session: None,
) -> Progress:
    """Trains until the plan is done, the held-out loss no longer falls, or Ctrl-C.

    Args:
        session: What :func:`prepare` gave.
        show: Called as steps are done.
        checkpointed: Called after each checkpoint at an epoch's end.

    Returns:
        How far it came; ``finished`` is empty if it was interrupted.

    Raises:
        LofikitError: If the loss is no longer finite; the last checkpoint is from before that.
    """
    progress = session.progress
    phases = session.run.config.training.phases
    saver = _Saver(session)
    with _interruptible() as (interrupted, at_once), session.drawing():
        while not progress.finished:
            phase = phases[progress.phase]
            complete = _epoch(session, phase, show, saver, interrupted)
            if not complete:
                saver.save()
                return progress
            _end_epoch(session, phase)
            if saver.due() or progress.finished:
                saver.save()
                at_once.set()
                try:
                    checkpointed(session)
                except KeyboardInterrupt:
                    interrupted.set()
                finally:
                    at_once.clear()
    return progress


def _epoch(
    session: Session,
    phase: Phase,
    show: Callable[[Status], None],
    saver: _Saver,
    interrupted: threading.Event,
) -> bool:
    """Does the rest of an epoch; returns whether it came to its end."""
    progress, model = session.progress, session.model
    seed = session.run.config.training.seed
    steps = session.steps_of(phase)
    waiting: list[SupportsFloat] = []
    while progress.epoch_step < steps:
        if interrupted.is_set():
            _settle(session, waiting, show)
            return False
        turn = progress.epoch_step % model.carry
        # Not across the end of an epoch, where an audition uses the representation too.
        more = progress.epoch_step - turn + model.carry < steps
        frames = session.examples(phase.batch_size, seed, progress.step, turn, more)
        settings = phase.settings(
            model.default_loss, seed, session.phase_progress(phase), progress.step, turn > 0
        )
        waiting.append(model.train_step(frames, settings))
        progress.epoch_step += 1
        progress.step += 1
        if len(waiting) >= LOOK_EVERY or progress.epoch_step == steps:
            _settle(session, waiting, show)
            if saver.due() and progress.epoch_step < steps:
                saver.save()
    return True


def _settle(session: Session, waiting: list[SupportsFloat], show: Callable[[Status], None]) -> None:
    """Adds the losses of the last steps to the epoch's, and shows them."""
    if not waiting:
        return
    losses = [float(loss) for loss in waiting]
    waiting.clear()
    progress = session.progress
    if not all(math.isfinite(loss) for loss in losses):
        raise LofikitError(
            f"the loss became {losses[-1]} near step {progress.step}; the last checkpoint is from "
            "before that",
            "train again with a lower --learning-rate, or with --clip-norm 1",
        )
    for loss in losses:
        progress.loss_sum += loss
    show(
        Status(
            step=progress.step,
            total=session.total_steps,
            phase=progress.phase + 1,
            phases=len(session.run.config.training.phases),
            loss=sum(losses) / len(losses),
            held_out=progress.best,
            bits=session.representation.spec.levels is not None,
        )
    )


def _end_epoch(session: Session, phase: Phase) -> None:
    """Measures, records, keeps the best weights, and moves on to the next epoch or phase."""
    run, model, progress = session.run, session.model, session.progress
    training = run.config.training
    share = session.phase_progress(phase)
    settings = phase.settings(model.default_loss, training.seed, share, progress.step)
    line: dict[str, Any] = {
        "phase": progress.phase + 1,
        "epoch": progress.epoch + 1,
        "step": progress.step,
        "loss": progress.loss_sum / progress.epoch_step,
        "held_out": None,
        "learning_rate": settings.learning_rate,
        "batch_size": phase.batch_size,
        "optimiser": phase.optimiser,
    }
    held_out = session.held_out_loss(settings)
    if held_out is not None:
        line["held_out"] = held_out
        if progress.best is None or held_out < progress.best:
            progress.best, progress.best_step, progress.stale = held_out, progress.step, 0
            weights = {k: v for k, v in model.state().items() if k.startswith("weights/")}
            run.save("best", weights, {"step": progress.step, "held_out": held_out})
        else:
            progress.stale += 1
    if session.representation.spec.levels is not None:
        line["bits"] = line["loss"] / math.log(2)
        if line["held_out"] is not None:
            line["held_out_bits"] = line["held_out"] / math.log(2)
    run.add_metrics(line)
    progress.epoch += 1
    progress.epoch_step, progress.loss_sum = 0, 0.0
    stale = bool(training.patience) and progress.stale >= training.patience
    if stale or progress.epoch == phase.epochs:
        progress.phase, progress.epoch, progress.stale = progress.phase + 1, 0, 0
        if progress.phase == len(training.phases):
            why = f"no lower held-out loss for {training.patience} epochs"
            progress.finished = f"stopped early: {why}" if stale else "the plan is done"


class _Saver:
    """Writes the checkpoint that training goes on from, not more often than is asked for."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._began = self._saved = time.monotonic()
        self._before = session.progress.seconds

    def due(self) -> bool:
        every = self._session.run.config.training.checkpoint_every
        return time.monotonic() - self._saved >= every

    def save(self) -> None:
        progress = self._session.progress
        progress.seconds = self._before + time.monotonic() - self._began
        self._session.run.save("last", self._session.model.state(), asdict(progress))
        self._saved = time.monotonic()


@contextmanager
def _interruptible() -> Iterator[tuple[threading.Event, threading.Event]]:
    """Lets the first Ctrl-C (or SIGTERM) end training after a step; the second acts at once.

    Yields:
        Whether an end was asked for, and whether the first acts at once too: while this is set,
        there is no step that would have to be ended.
    """
    asked, at_once = threading.Event(), threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked, at_once
        return

    def ask(number: int, frame: Any) -> None:
        if asked.is_set() or at_once.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked, at_once
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
