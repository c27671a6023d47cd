"""What a training works with: a run's samples, components and plan, new or taken up again."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass, field

from lofikit.budget import fitted, time_steps
from lofikit.chunks import Chunks, LevelledClips, Split, split
from lofikit.errors import OptionError
from lofikit.library import Library
from lofikit.models.base import Model, Sampling, StepSettings, check_takes_given
from lofikit.models.configs import CarriedConfig
from lofikit.plan import Phase
from lofikit.representations.base import Frames, Representation, Samples
from lofikit.run import Run, write_arrays
from lofikit.samples import open_samples

FEW_STEPS = 20
"""Steps below which a budget of time holds no training worth the name."""

_Draw = tuple[int, int, int]
"""What chunks are drawn by: the batch, the seed, and the number of the step."""


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
    _drawn: tuple[_Draw, Frames] | None = None
    _coming: tuple[_Draw, Future[Frames]] | None = None
    _drawing: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, "chunks"))

    def steps_of(self, phase: Phase) -> int:
        """Returns the steps of an epoch: the phase's, or one reading of the training clips."""
        if phase.steps is not None:
            return phase.steps
        read = phase.batch_size * self.chunks.span / self.model.carry
        return max(1, math.ceil(self.chunks.samples / read))

    def examples(
        self, batch: int, seed: int, step: int, turn: int = 0, more: bool = False
    ) -> Frames:
        """Returns the frames of a step (batch, the model's chunk, size).

        Args:
            batch: Examples of a step.
            seed: The training's seed.
            step: The number of the step since training began.
            turn: Which of the examples that follow one another these are, below the model's
                ``carry``; all of them are drawn at the first.
            more: Whether the steps after these will be asked for: their examples are drawn on
                another core, while the model learns from these.
        """
        key = (batch, seed, step - turn)
        if self._drawn is None or self._drawn[0] != key:
            self._drawn = key, self._draw(key)
            if more:
                self._coming = self._begun((batch, seed, step - turn + self.model.carry))
        first = turn * (self.model.chunk - self.model.block)
        return self._drawn[1][:, first : first + self.model.chunk]

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """Leaves no chunks that are still being drawn, however the block ends."""
        try:
            yield
        finally:
            self._rest()

    def _rest(self) -> None:
        """Waits for what is being drawn ahead, and leaves it."""
        if self._coming is not None:
            wait([self._coming[1]])
            self._coming = None

    def _begun(self, key: _Draw) -> tuple[_Draw, Future[Frames]]:
        # Everything is drawn on one thread, so that what a representation keeps by thread is one.
        return key, self._drawing.submit(self.chunks.draw, *key)

    def _draw(self, key: _Draw) -> Frames:
        if self._coming is None or self._coming[0] != key:
            self._rest()
            self._coming = self._begun(key)
        coming = self._coming[1]
        self._rest()
        return coming.result()

    def held_out_loss(self, settings: StepSettings) -> float | None:
        """Returns the mean loss of the held-back clips, in batches that fit any memory."""
        frames = self.validation
        if frames is None:
            return None
        size = max(1, min(16, (1 << 20) // max(1, frames.shape[1] * frames.shape[2])))
        total = sum(
            self.model.loss(frames[i : i + size], settings) * len(frames[i : i + size])
            for i in range(0, len(frames), size)
        )
        return total / len(frames)

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
            "leave out --model.carry, or choose the same model of another package, if there is one",
        )
    if representation.spec.conditions:
        check_takes_given(model.stream(1, Sampling(), 0), config.model.name)
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
        data.vary_timbre,
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
    with session.drawing():
        timed = [
            time_steps(
                model,
                p,
                model.default_loss,
                # Drawn as in training: once for all that follow one another, and ahead.
                lambda n, step: session.examples(n, 0, step, step % model.carry, more=True),
            )
            for p in training.phases
        ]
    settings = training.phases[0].settings(model.default_loss, 0, 0.0, 0)
    session.held_out_loss(settings)  # the first one compiles
    began = time.perf_counter()
    session.held_out_loss(settings)
    session.examples(training.phases[0].batch_size, 1, 0)  # an epoch's first are waited for
    epoch_seconds = time.perf_counter() - began
    model.load_state(before)
    steps = [session.steps_of(phase) for phase in training.phases]
    phases = fitted(training.phases, steps, minutes, timed, epoch_seconds)
    run.replace_plan(training.model_copy(update={"minutes": None, "phases": phases}))
    rate = len(timed) / sum(timed)
    session.notes.append(
        f"{session.total_steps} steps in {minutes:g} minutes, at {rate:.3g} steps a second"
    )
    if session.total_steps < FEW_STEPS:
        session.notes.append(
            "that is hardly a training: give more --minutes, or look at fewer --validation-chunks"
        )


def _fit(run: Run, representation: Representation, clips: Sequence[Samples]) -> None:
    """Lets a representation that learns learn from the training clips, once a run."""
    file = run.path / "representation.safetensors"
    if not file.is_file():
        representation.fit(clips, run.config.training.seed)
        learned = representation.state()
        if learned:
            write_arrays(file, learned, {})
