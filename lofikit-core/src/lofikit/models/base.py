"""The interface of a generative model: what a plugin author implements.

A model predicts frames from the frames before them. Core owns everything around it: it draws
chunks, runs the phases of a plan, writes checkpoints and resumes from them, stops early, measures,
and streams audio to a file. A model says how one optimiser step is done, what its state is, and
how it goes on from a prompt.

Everything that crosses this interface is NumPy: frames are float32 values, or int32 class ids
where ``spec.levels`` is set, of shape (batch, time, size).
"""

from __future__ import annotations

import inspect
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Literal, SupportsFloat

import numpy as np
from numpy.typing import NDArray

from lofikit.errors import OptionError
from lofikit.representations.base import Frames, FrameSpec

Outputs = NDArray[np.float32]
"""Predictions: values (batch, time, size), or logits (batch, time, size, levels) of classes."""

State = dict[str, NDArray[Any]]
"""Named arrays: ``weights/...`` are the model, anything else is what training needs to go on."""

OptimiserName = Literal["adam", "adamw", "sgd", "rmsprop"]
LossName = Literal["huber", "log-cosh", "mse", "mae", "cross-entropy"]
REAL_LOSSES: tuple[LossName, ...] = ("huber", "log-cosh", "mse", "mae")


@dataclass(frozen=True)
class StepSettings:
    """How one optimiser step is done; the same for all steps of a phase but for the seed.

    Attributes:
        optimiser: Name of the optimiser.
        learning_rate: Its rate at this step.
        loss: What is minimised: the mean over batch, positions and values, in nats for
            ``cross-entropy``; Huber's delta is 1.
        momentum: Of SGD (heavy ball); others ignore it.
        weight_decay: Of AdamW (decoupled); others ignore it.
        clip_norm: Global norm that gradients are clipped to; 0 for none.
        seed: Seeds whatever is random in this step (dropout, noise), so that a resumed run draws
            the same.
        carried: Whether each example goes on where the one in its place ended in the step before,
            so that a model may carry its state over; only where :attr:`Model.carry` asks for it.
    """

    optimiser: OptimiserName = "adam"
    learning_rate: float = 1e-3
    loss: LossName = "huber"
    momentum: float = 0.0
    weight_decay: float = 0.0
    clip_norm: float = 0.0
    seed: int = 0
    carried: bool = False


@dataclass(frozen=True)
class Sampling:
    """How a class is drawn from its distribution; real-valued heads feed back what they predict.

    Attributes:
        temperature: Logits are divided by it; 0 takes the likeliest class.
        top_p: Only the likeliest classes that together have this probability are drawn from
            (nucleus sampling, Holtzman et al. 2020); 1 for all.
        fine: Factor on the temperature of the values of a frame after its first: of codes, the
            fine books. Less lets them flicker less, with the same freedom of the rough one.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    fine: float = 1.0

    def __post_init__(self) -> None:
        if not 0 <= self.temperature <= 100:
            raise OptionError(
                f"--temperature {self.temperature}: must lie between 0 and 100",
                "1 samples as the model was trained, less is tamer, 0 takes the likeliest class",
            )
        if not 0 < self.top_p <= 1:
            raise OptionError(
                f"--top-p {self.top_p}: must be above 0 and at most 1", "1 draws from all classes"
            )
        if not 0 < self.fine <= 10:
            raise OptionError(
                f"--fine {self.fine}: must be above 0 and at most 10",
                "1 treats all values of a frame alike, 0.6 draws fine codes more tamely",
            )

    def temperatures(self, spec: FrameSpec) -> tuple[float, ...]:
        """Returns the temperature of each value of a frame; signals have that of the first."""
        alike = min(spec.size, spec.signals + 1)
        rest = self.temperature * self.fine
        return (self.temperature,) * alike + (rest,) * (spec.size - alike)

    def draw(self, logits: NDArray[Any], uniform: NDArray[Any]) -> NDArray[Any]:
        """Draws a class for each row.

        Args:
            logits: Shape (n, levels), of the first value of frames; divide those of other values
                by :attr:`fine` before.
            uniform: A number in [0, 1) for each row, shape (n,), from the stream's own generator.

        Returns:
            Class ids, shape (n,).
        """
        if self.temperature == 0:
            return np.asarray(logits.argmax(axis=1))
        weights = np.exp((logits - logits.max(axis=1, keepdims=True)) / self.temperature)
        if self.top_p < 1:
            ranked = -np.sort(-weights, axis=1)
            sums = np.cumsum(ranked, axis=1)
            last = (sums < self.top_p * sums[:, -1:]).sum(axis=1)
            weights[weights < ranked[np.arange(len(last)), last][:, None]] = 0.0
        sums = np.cumsum(weights, axis=1)
        return np.asarray((sums <= uniform[:, None] * sums[:, -1:]).sum(axis=1))


class Stream(ABC):
    """A model at work on a batch of streams, with its state carried from frame to frame."""

    @abstractmethod
    def prime(self, frames: Frames) -> Outputs:
        """Feeds given frames, and returns what the model predicts after each.

        May be called again and again; together the calls see one history.

        Args:
            frames: Shape (batch, time, size); ``time`` a multiple of the model's ``block``.

        Returns:
            What :meth:`Model.forward` gives for the same positions of the whole history.
        """

    @abstractmethod
    def next(self, n: int, given: Frames | None = None) -> Frames:
        """Generates the next ``n`` frames (batch, n, size), feeding each prediction back.

        However the calls are cut, the frames are the same: ``next(3)`` and ``next(5)`` give
        what ``next(8)`` gives.

        Args:
            n: How many frames.
            given: Values that are not the model's to choose, above all the signals of
                :attr:`~lofikit.representations.base.FrameSpec.signals`; shape (batch, n, size),
                :data:`~lofikit.representations.base.FREE` in place of class ids that the model is
                to draw, and NaN in place of real values. They come out as they are, and what
                follows depends on them as if they had been primed. Core leaves the argument out
                where nothing is given, so a stream that takes no values may take ``n`` alone.

        Raises:
            OptionError: If this stream cannot be given values.
        """


def refuse_given(given: Frames | None, what: str) -> None:
    """Refuses given values for a stream that cannot use them.

    Raises:
        OptionError: If there are any.
    """
    if given is not None:
        raise _deaf(what)


def check_takes_given(stream: Stream, what: str) -> None:
    """Refuses a stream whose :meth:`Stream.next` has no argument for given values.

    Raises:
        OptionError: If it has none.
    """
    if "given" not in inspect.signature(stream.next).parameters:
        raise _deaf(what)


def _deaf(what: str) -> OptionError:
    return OptionError(
        f"{what} cannot be given values of the frames that it generates",
        "choose a model of one frame after the other: --model torch/gru, for example",
    )


class Model(ABC):
    """A generative model of frames.

    Args:
        config: The model's options.
        spec: The frames that it will be given. A model that cannot take them raises
            :class:`~lofikit.errors.UnsupportedSpecError` here, before anything is trained.
        seed: Seeds the initial weights: the same seed gives the same model.
    """

    block: int = 1
    """Frames that one prediction yields: 1, unless the model predicts whole blocks."""

    def __init__(self, config: Any, spec: FrameSpec, seed: int) -> None:
        self.config = config
        self.spec = spec
        self.seed = seed

    @property
    @abstractmethod
    def chunk(self) -> int:
        """Frames of one training example, inputs and targets together."""

    @property
    def carry(self) -> int:
        """Training examples that follow one another, for a state that is carried; usually 1.

        An example then begins where the inputs of the one before ended, ``chunk - block`` frames
        later, and :attr:`StepSettings.carried` says so. What is carried belongs into
        :meth:`state`, beside what the optimiser keeps, so that a run can be resumed. The held-out
        loss is that of examples by themselves. A model of core's families whose backend can carry
        returns what its options say.
        """
        return 1

    @property
    @abstractmethod
    def context(self) -> int:
        """Frames that a prompt must have to prime the model; a multiple of ``block``."""

    @property
    def receptive_field(self) -> int | None:
        """Past frames that a prediction depends on; ``None`` if there is no bound."""
        return None

    @property
    def default_loss(self) -> LossName:
        """The loss of a phase that names none."""
        return "huber" if self.spec.levels is None else "cross-entropy"

    def check_settings(self, settings: StepSettings) -> None:
        """Refuses a loss that does not fit the frames; called before training starts.

        Raises:
            OptionError: If the settings cannot be used with this model.
        """
        fitting = REAL_LOSSES if self.spec.levels is None else ("cross-entropy",)
        if settings.loss not in fitting:
            kind = "real values" if self.spec.levels is None else f"{self.spec.levels} classes"
            raise OptionError(
                f"the loss {settings.loss!r} does not fit frames of {kind}",
                f"choose one of: {', '.join(fitting)}",
            )

    @abstractmethod
    def train_step(self, frames: Frames, settings: StepSettings) -> SupportsFloat:
        """Does one optimiser step.

        Args:
            frames: Examples of shape (batch, chunk, size); not to be changed.
            settings: How the step is done.

        Returns:
            The loss before the step; anything that ``float()`` takes, so that an accelerator
            need not be waited for.
        """

    @abstractmethod
    def loss(self, frames: Frames, settings: StepSettings) -> float:
        """Returns the loss of examples (batch, chunk, size) without learning from them.

        Dropout and noise are off.
        """

    @abstractmethod
    def forward(self, frames: Frames) -> Outputs:
        """Predicts from the whole history, the slow and plain way: what a stream must equal.

        Args:
            frames: Shape (batch, time, size); ``time`` a multiple of ``block``.

        Returns:
            Output ``i`` predicts frame ``i + block``, and depends on frames up to ``i`` (of a
            model of blocks: on the block that frame ``i`` lies in, and those before it).
        """

    @abstractmethod
    def state(self) -> State:
        """Returns copies of all arrays that make the model and its optimiser."""

    @abstractmethod
    def load_state(self, state: State) -> None:
        """Takes back what :meth:`state` gave; the next step equals an uninterrupted one.

        A state of weights alone (``weights/...``) leaves the optimiser new.
        """

    @abstractmethod
    def stream(self, batch: int, sampling: Sampling, seed: int) -> Stream:
        """Opens ``batch`` streams that start from an empty history.

        The same seed gives the same frames. A stream keeps the weights that the model had when
        it was opened.
        """
