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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import Any, SupportsFloat

from lofikit.budget import fitted, time_steps
from lofikit.chunks import Chunks, LevelledClips, Split, split
from lofikit.errors import LofikitError, OptionError
from lofikit.library import Library
from lofikit.models.base import Model
from lofikit.models.configs import CarriedConfig
from lofikit.plan import Phase
from lofikit.representations.base import Frames, Representation, Samples
from lofikit.run import Run, write_arrays
from lofikit.samples import open_samples

LOOK_EVERY = 20
"""Steps after which losses are looked at: an accelerator is not waited for at every step."""


@dataclass
class Progress:
    """How far a training is; what a checkpoint keeps beside the arrays.

    Attributes:
        phase: Index of the phase.
        epoch: Epochs done in the phase.
        epoch_step: Steps done in the epoch.
        step: Steps done since training began.
        loss_sum: Sum of the losses of the epoch's steps so far.
        best: Lowest held-out loss, or ``None`` before the first.
        best_step: The step that it was reached at.
        stale: Epochs since then.
        seconds: Time spent in training.
        finished: Whether the plan is done, and why it ended.
    """

    phase: int = 0
    epoch: int = 0
    epoch_step: int = 0
    step: int = 0
    loss_sum: float = 0.0
    best: float | None = None
    best_step: int = 0
    stale: int = 0
    seconds: float = 0.0
    finished: str = ""


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


@dataclass
class Session:
    """All that a training works with; made by :func:`prepare`.

    Attributes:
        run: The run.
        representation: Makes frames of samples.
        model: The model.
        chunks: Chunks of the training clips.
        split: Which clips are trained on.
        validation: Frames of the held-back clips, or ``None`` if there are none.
        progress: How far the training is.
        notes: What the user should know, in a line each.
    """

    run: Run
    representation: Representation
    model: Model
    chunks: Chunks
    split: Split
    validation: Frames | None
    progress: Progress = field(default_factory=Progress)
    notes: list[str] = field(default_factory=list)
    _drawn: tuple[tuple[int, int, int], Frames] | None = None

    def steps_of(self, phase: Phase) -> int:
        """Returns the steps of an epoch: the phase's, or one reading of the training clips."""
        if phase.steps is not None:
            return phase.steps
        read = phase.batch_size * self.chunks.span / self.model.carry
        return max(1, math.ceil(self.chunks.samples / read))

    def examples(self, batch: int, seed: int, step: int, turn: int = 0) -> Frames:
        """Returns the frames of a step (batch, the model's chunk, size).

        Args:
            batch: Examples of a step.
            seed: The training's seed.
            step: The number of the step since training began.
            turn: Which of the examples that follow one another these are, below the model's
                ``carry``; all of them are drawn at the first.
        """
        key = (batch, seed, step - turn)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = key, self.chunks.draw(batch, seed, step - turn)
        first = turn * (self.model.chunk - self.model.block)
        return self._drawn[1][:, first : first + self.model.chunk]

    def phase_progress(self, phase: Phase) -> float:
        """Returns the share of a phase that is done, 0 to 1."""
        steps = self.steps_of(phase)
        done = self.progress.epoch * steps + self.progress.epoch_step
        return done / (phase.epochs * steps)

    @property
    def total_steps(self) -> int:
        """Steps of the whole plan."""
        return sum(p.epochs * self.steps_of(p) for p in self.run.config.training.phases)


def prepare(
    run: Run, library: Library, progress: Callable[[int, int], None] = lambda done, total: None
) -> Session:
    """Reads the samples, builds the components and takes up where the run stopped.

    Nothing is trained yet, so whatever cannot work is refused here.

    Args:
        run: The run, new or to be resumed.
        library: Its library.
        progress: Called with the number of clips made ready and their total.

    Raises:
        LofikitError: If the library, the components or the plan do not fit each other.
    """
    config = run.config
    store = open_samples(library, config.data.sample_rate, config.data.stem, progress)
    parts = split(store.clips, config.data)
    representation = run.representation()
    _fit(run, representation, LevelledClips(store, parts.training, config.data.level))
    model = run.model(representation.spec)
    # An option of this name in a plugin's own config may mean something else.
    if isinstance(model.config, CarriedConfig) and model.config.carry != model.carry:
        raise OptionError(
            f"{config.model.name} cannot carry its state from chunk to chunk in training",
            "leave out --model.carry, or choose the same model of torch: --model torch/gru",
        )
    for phase in config.training.phases:
        model.check_settings(phase.settings(model.default_loss, 0, 0.0, 0))
    data = config.data
    level, silence = data.level, data.skip_silence
    chunks = Chunks(
        store,
        parts.training,
        representation,
        model.carry * (model.chunk - model.block) + model.block,
        level,
        silence,
        data.varispeed,
        data.vary_level,
    )
    session = Session(run, representation, model, chunks, parts, None)
    session.notes += [f"left out: {name}: {why}" for name, why in store.failed]
    if chunks.too_short:
        names = ", ".join(c.clip.id for c in chunks.too_short[:3])
        more = len(chunks.too_short) - 3
        session.notes.append(
            f"left out {len(chunks.too_short)} clips shorter than a chunk of "
            f"{chunks.span / store.rate:.2f} s: {names}" + (f" and {more} more" if more > 0 else "")
        )
    if chunks.silent:
        session.notes.append(f"left out {chunks.silent:.0%} of the chunks, which are silent")
    if parts.held_out:
        held = Chunks(store, parts.held_out, representation, model.chunk, level, silence)
        session.validation = held.spread(config.training.validation_chunks)
    else:
        session.notes.append("no clip is held back: there is no held-out loss, and no best weights")
    if (run.path / "last.safetensors").is_file():
        state, saved = run.load("last")
        model.load_state(state)
        session.progress = Progress(**saved)
        run.keep_metrics(session.progress.step)
    else:
        run.keep_metrics(0)
        run.write_manifest(parts)
        if config.training.minutes is not None:
            _keep_to_time(session, config.training.minutes)
    return session


def _keep_to_time(session: Session, minutes: float) -> None:
    """Chooses the steps of a new run by the time that they take."""
    run, model, training = session.run, session.model, session.run.config.training
    before = model.state()
    timed = [
        time_steps(
            model,
            p,
            model.default_loss,
            # Drawn once for all that follow one another, as in training.
            lambda n, step: session.examples(n, 0, step, step % model.carry),
        )
        for p in training.phases
    ]
    epoch_seconds = 0.0
    if session.validation is not None:
        began = time.perf_counter()
        settings = training.phases[0].settings(model.default_loss, 0, 0.0, 0)
        _held_out_loss(model, session.validation, settings)
        epoch_seconds = time.perf_counter() - began
    model.load_state(before)
    steps = [session.steps_of(phase) for phase in training.phases]
    phases = fitted(training.phases, steps, minutes, timed, epoch_seconds)
    run.replace_plan(training.model_copy(update={"minutes": None, "phases": phases}))
    rate = len(timed) / sum(timed)
    session.notes.append(
        f"{session.total_steps} steps in {minutes:g} minutes, at {rate:.3g} steps a second"
    )


def _fit(run: Run, representation: Representation, clips: Sequence[Samples]) -> None:
    """Lets a representation that learns learn from the training clips, once a run."""
    file = run.path / "representation.safetensors"
    if not file.is_file():
        representation.fit(clips, run.config.training.seed)
        learned = representation.state()
        if learned:
            write_arrays(file, learned, {})


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
    with _interruptible() as interrupted:
        while not progress.finished:
            phase = phases[progress.phase]
            complete = _epoch(session, phase, show, saver, interrupted)
            if not complete:
                saver.save()
                return progress
            _end_epoch(session, phase)
            if saver.due() or progress.finished:
                saver.save()
                checkpointed(session)
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
        frames = session.examples(phase.batch_size, seed, progress.step, turn)
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
    if session.validation is not None:
        held_out = _held_out_loss(model, session.validation, settings)
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


def _held_out_loss(model: Model, frames: Frames, settings: Any) -> float:
    """Returns the mean loss of the held-back chunks, in batches that fit any memory."""
    size = max(1, min(16, (1 << 20) // max(1, frames.shape[1] * frames.shape[2])))
    total = sum(
        model.loss(frames[i : i + size], settings) * len(frames[i : i + size])
        for i in range(0, len(frames), size)
    )
    return total / len(frames)


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
def _interruptible() -> Iterator[threading.Event]:
    """Lets the first Ctrl-C (or SIGTERM) end training after a step; the second acts at once."""
    asked = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield asked
        return

    def ask(number: int, frame: Any) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    before = {number: signal.signal(number, ask) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
