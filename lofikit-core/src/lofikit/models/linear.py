"""Autoregressive linear prediction: the baseline that every other model must beat."""

from __future__ import annotations

from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from lofikit.errors import RunError, UnsupportedSpecError
from lofikit.models.base import Model, Outputs, Sampling, State, StepSettings, Stream
from lofikit.models.covariance import covariance_sums
from lofikit.models.linear_stream import LinearPredictor, LinearStream
from lofikit.models.logistic_mixture import Array, LogisticMixture
from lofikit.options import Options, option
from lofikit.representations.base import Frames, FrameSpec
from lofikit.streaming.bank import MEMORY, Bank, Method, designs

RIDGE = 1e-7
"""Ridge of the least squares, relative to the mean power of what is predicted from."""
ADAPTATION = 2048
"""Single samples that adaptive prediction is given before it is judged or goes on by itself."""


class LinearConfig(Options):
    """Options of :class:`Linear`."""

    order: int = option(
        32,
        "Past frames that a prediction is made from; a mix has half, once and three times as many.",
        unit="frames",
        ge=1,
        le=1024,
    )
    adaptive: Method = option(
        "none",
        "How coefficients follow what they predict, with no training: not at all; recursive least "
        "squares; Levinson's recursion on a windowed autocorrelation; a mix of four of the first.",
    )
    forgetting: float | None = option(
        None,
        "What a frame later is left of a frame's weight for rls and levinson; none for 0.995 and "
        "0.983. A mix has its own.",
        gt=0.5,
        le=1.0,
    )
    window: int | None = option(
        None,
        "Predictions of a training example; none for 1024 of single samples and for twice the "
        "order of longer frames.",
        unit="frames",
        ge=2,
    )
    companding: Literal["mu-law", "none"] = option(
        "mu-law",
        "What classes stand for: mu-law, as in the representation mulaw; none: even steps.",
    )

    @model_validator(mode="after")
    def _check_window(self) -> Self:
        longest = max(d.order for d in designs(self.adaptive, self.order))
        if self.window is not None and self.window <= longest:
            raise ValueError(f"a window of {self.window} must exceed the order of {longest}")
        return self

    @model_validator(mode="after")
    def _check_forgetting(self) -> Self:
        if self.forgetting is not None and self.adaptive in ("none", "mix"):
            raise ValueError(f"forgetting is of rls and levinson, and not of {self.adaptive}")
        return self


class Linear(Model):
    """Linear prediction by least squares (the covariance method; Makhoul 1975).

    Each value of a frame is predicted from its own last ``order`` values, as the sum of these
    times coefficients. The sums that the coefficients follow from are gathered over all training
    steps, so a step's optimiser and learning rate are not used: after one epoch the coefficients
    are those of all training data; before, they take the mean. Predictions are kept within the
    range seen in training, which also bounds what is generated.

    Adaptive coefficients (``adaptive`` other than ``none``) follow each stream by themselves, and
    need no training; what is learned is where they start. See
    :mod:`lofikit.streaming.prediction` for the formulas.

    Ordinal class ids are predicted as the values that they stand for, and drawn from a
    :class:`~lofikit.models.logistic_mixture.LogisticMixture` around the prediction whose weights
    depend on how far off the last predictions were.
    """

    config: LinearConfig

    def __init__(self, config: LinearConfig, spec: FrameSpec, seed: int) -> None:
        super().__init__(config, spec, seed)
        if spec.conditions:
            raise UnsupportedSpecError(
                f"linear prediction cannot be given values, and {spec.conditions} of each frame "
                f"always are",
                "choose another model: --model torch/gru, for example",
            )
        if spec.levels is not None and (spec.size != 1 or not spec.ordinal):
            what = f"{spec.size} class ids a frame" if spec.size > 1 else "classes without an order"
            raise UnsupportedSpecError(
                f"linear prediction takes real values or one ordered class id a frame, not {what}",
                "choose the representation raw, mulaw, stft or mdct",
            )
        mixture = None
        if spec.levels is not None:
            mixture = LogisticMixture(spec.levels, config.companding == "mu-law")
        bank = Bank(designs(config.adaptive, config.order, config.forgetting))
        size, longest = spec.size, bank.longest
        self._predictor = LinearPredictor(
            bank,
            np.full((longest, size), 1 / longest),
            np.zeros((size, longest, longest)),
            np.zeros((size, longest)),
            np.zeros(size),
            mixture,
        )
        self._covariance = np.zeros((size, longest, longest))
        self._cross = np.zeros((size, longest))
        self._frames = np.zeros(1)

    @property
    def chunk(self) -> int:
        """The window, and the frame before its first prediction."""
        window = 1024 if self.spec.hop == 1 else 0
        return (self.config.window or max(window, 2 * self._predictor.bank.longest)) + 1

    @property
    def context(self) -> int:
        """The order, and what adaptive coefficients need to find the signal.

        Frames before the first count as zeros.
        """
        bank = self._predictor.bank
        if not bank.adaptive:
            return self.config.order
        return max(ADAPTATION if self.spec.hop == 1 else 0, 2 * bank.longest)

    @property
    def receptive_field(self) -> int | None:
        """The order, and for classes the frames whose errors are looked at too.

        Adaptive coefficients have no bound.
        """
        if self._predictor.bank.adaptive:
            return None
        return self.config.order + (MEMORY if self.spec.levels else 0)

    def train_step(self, frames: Frames, settings: StepSettings) -> float:
        """Adds the examples to the sums and solves for the coefficients again.

        Of the settings only ``loss`` is used, for the value that is returned.
        """
        loss = self.loss(frames, settings)
        predictor, longest = self._predictor, self._predictor.bank.longest
        values = predictor.values(frames)
        covariance, cross = covariance_sums(values, longest)
        self._covariance += covariance
        self._cross += cross
        self._frames += values.shape[0] * (values.shape[1] - longest)
        if predictor.bank.adaptive:
            predictor.correlation = self._covariance / self._frames
            predictor.cross = self._cross / self._frames
        else:
            power = np.trace(self._covariance, axis1=1, axis2=2)[:, None, None] / longest
            ridge = (RIDGE * power + 1e-12) * np.eye(longest)
            solved = np.linalg.solve(self._covariance + ridge, self._cross[:, :, None])
            predictor.coefficients = solved[:, :, 0].T.copy()
        predictor.peak = np.maximum(predictor.peak, np.abs(values).max(axis=(0, 1)))
        if predictor.mixture is not None:
            predictor.mixture.learn(*self._targets(frames))
        return loss

    def loss(self, frames: Frames, settings: StepSettings) -> float:
        """Returns the loss over all frames but the first."""
        if self._predictor.mixture is not None:
            return self._predictor.mixture.loss(*self._targets(frames))
        error = np.abs(self.forward(frames[:, :-1]) - frames[:, 1:])
        if settings.loss == "mae":
            return float(error.mean())
        if settings.loss == "mse":
            return float(np.square(error).mean())
        if settings.loss == "huber":
            return float(np.where(error < 1, 0.5 * error**2, error - 0.5).mean())
        return float((error + np.log1p(np.exp(-2 * error)) - np.log(2)).mean())

    def _targets(self, frames: Frames) -> tuple[Array, Array, Frames]:
        """Returns predictions, likely errors and ids of all frames but the first, flat."""
        predicted, recent = self._predictor.trace(frames)
        return predicted[:, 1:].ravel(), recent[:, 1:].ravel(), frames[:, 1:].ravel()

    def forward(self, frames: Frames) -> Outputs:
        """Predicts from the whole history: linear prediction is causal, and steps through it."""
        return self.stream(len(frames), Sampling(), 0).prime(frames)

    def stream(self, batch: int, sampling: Sampling, seed: int) -> Stream:
        """Opens streams; class ids are drawn, real values are the predictions."""
        return LinearStream(self._predictor, batch, sampling, seed)

    def state(self) -> State:
        """Returns the coefficients, the range, the mixture, and the sums they follow from."""
        predictor = self._predictor
        if predictor.bank.adaptive:
            state = {
                "weights/correlation": predictor.correlation,
                "weights/cross": predictor.cross,
                "sums/frames": self._frames,
            }
        else:
            state = {"weights/coefficients": predictor.coefficients}
        state |= {
            "weights/peak": predictor.peak,
            "sums/covariance": self._covariance,
            "sums/cross": self._cross,
        }
        if predictor.mixture is not None:
            state["weights/mixture"] = predictor.mixture.weights
            state["sums/mixture"] = predictor.mixture.counts
        return {name: array.copy() for name, array in state.items()}

    def load_state(self, state: State) -> None:
        """Takes back a state; of weights alone, the sums start anew."""
        own = self.state()
        for name, array in own.items():
            if name not in state and not name.startswith("weights/"):
                array[:] = 0.0
            elif name not in state or state[name].shape != array.shape:
                raise RunError(
                    f"the weights are of another model: {name} should have the shape {array.shape}",
                    "use the options and the representation that the run was trained with",
                )
            else:
                array[:] = state[name]
        predictor = self._predictor
        predictor.peak = own["weights/peak"]
        self._covariance, self._cross = own["sums/covariance"], own["sums/cross"]
        if predictor.bank.adaptive:
            predictor.correlation, predictor.cross = (
                own["weights/correlation"],
                own["weights/cross"],
            )
            self._frames = own["sums/frames"]
        else:
            predictor.coefficients = own["weights/coefficients"]
        if predictor.mixture is not None:
            predictor.mixture.weights = own["weights/mixture"]
            predictor.mixture.counts = own["sums/mixture"]
