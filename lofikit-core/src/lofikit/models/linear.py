"""Autoregressive linear prediction: the baseline that every other model must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Self

import numpy as np
from pydantic import model_validator

from lofikit.errors import RunError, UnsupportedSpecError
from lofikit.models.base import Model, Outputs, Sampling, State, StepSettings, Stream
from lofikit.models.covariance import covariance_sums
from lofikit.models.logistic_mixture import Array, LogisticMixture
from lofikit.options import Options, option
from lofikit.representations.base import Frames, FrameSpec

MEMORY = 32
"""Frames whose errors tell how wrong the next prediction is likely to be."""
RIDGE = 1e-7
"""Ridge of the least squares, relative to the mean power of what is predicted from."""

_RECENT = np.arange(MEMORY, 0, -1) / (MEMORY * (MEMORY + 1) / 2)


class LinearConfig(Options):
    """Options of :class:`Linear`."""

    order: int = option(
        32, "Past frames that a prediction is made from.", unit="frames", ge=1, le=1024
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
        if self.window is not None and self.window <= self.order:
            raise ValueError(f"a window of {self.window} must exceed the order of {self.order}")
        return self


class Linear(Model):
    """Linear prediction by least squares (the covariance method; Makhoul 1975).

    Each value of a frame is predicted from its own last ``order`` values, as the sum of these
    times coefficients. The sums that the coefficients follow from are gathered over all training
    steps, so a step's optimiser and learning rate are not used: after one epoch the coefficients
    are those of all training data; before, they take the mean. Predictions are kept within the
    range seen in training, which also bounds what is generated.

    Ordinal class ids are predicted as the values that they stand for, and drawn from a
    :class:`~lofikit.models.logistic_mixture.LogisticMixture` around the prediction whose weights
    depend on how far off the last predictions were.
    """

    config: LinearConfig

    def __init__(self, config: LinearConfig, spec: FrameSpec, seed: int) -> None:
        super().__init__(config, spec, seed)
        if spec.levels is not None and (spec.size != 1 or not spec.ordinal):
            what = f"{spec.size} class ids a frame" if spec.size > 1 else "classes without an order"
            raise UnsupportedSpecError(
                f"linear prediction takes real values or one ordered class id a frame, not {what}",
                "choose the representation raw, mulaw, stft or mdct",
            )
        mixture = None
        if spec.levels is not None:
            mixture = LogisticMixture(spec.levels, config.companding == "mu-law")
        order, size = config.order, spec.size
        self._predictor = _Predictor(np.full((order, size), 1 / order), np.zeros(size), mixture)
        self._covariance = np.zeros((size, order, order))
        self._cross = np.zeros((size, order))

    @property
    def chunk(self) -> int:
        """The window, and the frame before its first prediction."""
        window = 1024 if self.spec.hop == 1 else 0
        return (self.config.window or max(window, 2 * self.config.order)) + 1

    @property
    def context(self) -> int:
        """The order; frames before the first count as zeros."""
        return self.config.order

    @property
    def receptive_field(self) -> int:
        """The order, and for classes the frames whose errors are looked at too."""
        return self.config.order + (MEMORY if self.spec.levels else 0)

    def train_step(self, frames: Frames, settings: StepSettings) -> float:
        """Adds the examples to the sums and solves for the coefficients again.

        Of the settings only ``loss`` is used, for the value that is returned.
        """
        loss = self.loss(frames, settings)
        predictor, order = self._predictor, self.config.order
        values = predictor.values(frames)
        covariance, cross = covariance_sums(values, order)
        self._covariance += covariance
        self._cross += cross
        power = np.trace(self._covariance, axis1=1, axis2=2)[:, None, None] / order
        ridge = (RIDGE * power + 1e-12) * np.eye(order)
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
        """Returns predictions, recent errors and ids of all frames but the first, flat."""
        predictor = self._predictor
        predicted, recent = predictor.predict(predictor.padded(frames[:, :-1]))
        return predicted.reshape(-1), recent.reshape(-1), frames[:, 1:].reshape(-1)

    def forward(self, frames: Frames) -> Outputs:
        """Predicts from the whole history."""
        return self._predictor.outputs(self._predictor.padded(frames))

    def stream(self, batch: int, sampling: Sampling, seed: int) -> Stream:
        """Opens streams; class ids are drawn, real values are the predictions."""
        return _LinearStream(self._predictor.copy(), batch, sampling, seed)

    def state(self) -> State:
        """Returns the coefficients, the range, the mixture, and the sums they follow from."""
        state = {
            "weights/coefficients": self._predictor.coefficients,
            "weights/peak": self._predictor.peak,
            "sums/covariance": self._covariance,
            "sums/cross": self._cross,
        }
        if self._predictor.mixture is not None:
            state["weights/mixture"] = self._predictor.mixture.weights
            state["sums/mixture"] = self._predictor.mixture.counts
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
        predictor.coefficients, predictor.peak = own["weights/coefficients"], own["weights/peak"]
        self._covariance, self._cross = own["sums/covariance"], own["sums/cross"]
        if predictor.mixture is not None:
            predictor.mixture.weights = own["weights/mixture"]
            predictor.mixture.counts = own["sums/mixture"]


@dataclass
class _Predictor:
    """What a prediction needs.

    Attributes:
        coefficients: Shape (order, size), of the latest frame first.
        peak: Largest absolute value seen in training, shape (size,).
        mixture: The distribution around a prediction, if frames are class ids.
    """

    coefficients: Array
    peak: Array
    mixture: LogisticMixture | None

    def copy(self) -> _Predictor:
        """Returns a predictor that further training leaves alone."""
        mixture = self.mixture.copy() if self.mixture is not None else None
        return _Predictor(self.coefficients.copy(), self.peak.copy(), mixture)

    @property
    def limit(self) -> Array:
        """Largest absolute value that is predicted."""
        return np.where(self.peak > 0, self.peak, np.inf)

    @property
    def past(self) -> int:
        """Frames before the first predicted from that :meth:`predict` must be given."""
        return len(self.coefficients) + MEMORY - 1

    def values(self, frames: Frames) -> Array:
        """Returns what frames stand for, float64, shape (batch, time, size)."""
        values = frames if self.mixture is None else self.mixture.values[frames]
        return np.asarray(values, dtype=np.float64)

    def padded(self, frames: Frames) -> Array:
        """Returns what frames stand for, with the zeros that lie before the first."""
        return np.pad(self.values(frames), ((0, 0), (self.past, 0), (0, 0)))

    def predict(self, values: Array) -> tuple[Array, Array]:
        """Predicts the frame after each but the first ``past`` ones.

        Returns:
            The predictions (batch, time, size), and the mean absolute error of the last ones,
            weighted towards the latest (batch, time, size).
        """
        predicted = self.predictions(values)
        errors = np.abs(values[:, len(self.coefficients) :] - predicted[:, :-1])
        time = predicted.shape[1] - MEMORY
        recent = np.zeros((values.shape[0], time, values.shape[2]))
        for lag, weight in enumerate(_RECENT if self.mixture is not None else ()):
            start = MEMORY - 1 - lag
            recent += errors[:, start : start + time] * weight
        return predicted[:, MEMORY:], recent

    def predictions(self, values: Array) -> Array:
        """Predicts the frame after each that has a whole order of frames up to it."""
        order, steps = len(self.coefficients), values.shape[1] - len(self.coefficients) + 1
        predicted = np.zeros((values.shape[0], steps, values.shape[2]))
        for lag, row in enumerate(self.coefficients):
            start = order - 1 - lag
            predicted += values[:, start : start + steps] * row
        return np.clip(predicted, -self.limit, self.limit, out=predicted)

    def outputs(self, values: Array) -> Outputs:
        """Returns predictions, or log-probabilities, of the frames after the past ones."""
        predicted, recent = self.predict(values)
        if self.mixture is None:
            return predicted.astype(np.float32)
        levels = len(self.mixture.values)
        logits = np.empty((*predicted.shape, levels), np.float32)
        flat, centre, errors = logits.reshape(-1, levels), predicted.ravel(), recent.ravel()
        block = 1 + (1 << 16) // levels  # positions at a time, to bound the memory
        for start in range(0, len(flat), block):
            part = slice(start, start + block)
            flat[part] = self.mixture.log_probabilities(centre[part], errors[part])
        return logits


class _LinearStream(Stream):
    """Holds the last frames and, of classes, how far off their predictions were."""

    def __init__(self, predictor: _Predictor, batch: int, sampling: Sampling, seed: int) -> None:
        self._predictor = predictor
        self._sampling = sampling
        self._generators = [np.random.default_rng([seed, row]) for row in range(batch)]
        size = predictor.coefficients.shape[1]
        self._values = np.zeros((batch, predictor.past + 1, size))
        self._errors = np.zeros((batch, MEMORY))

    def prime(self, frames: Frames) -> Outputs:
        predictor = self._predictor
        values = np.concatenate([self._values, predictor.values(frames)], axis=1)
        self._values = values[:, frames.shape[1] :]
        if predictor.mixture is not None:
            predicted = predictor.predictions(self._values)[:, :-1, 0]
            self._errors = np.abs(self._values[:, -MEMORY:, 0] - predicted)
        return predictor.outputs(values[:, 1:])

    def next(self, n: int) -> Frames:
        predictor, mixture = self._predictor, self._predictor.mixture
        order = len(predictor.coefficients)
        batch, known, size = self._values.shape
        values = np.concatenate([self._values, np.zeros((batch, n, size))], axis=1)
        errors = np.concatenate([self._errors, np.zeros((batch, n))], axis=1)
        draws = np.stack([generator.random(n) for generator in self._generators])
        frames = np.empty((batch, n, size), np.float32 if mixture is None else np.int32)
        oldest_first, limit = predictor.coefficients[::-1], predictor.limit
        for step in range(n):
            now = known + step
            centre = np.einsum("bos,os->bs", values[:, now - order : now], oldest_first)
            np.clip(centre, -limit, limit, out=centre)
            if mixture is not None:
                recent = errors[:, step : step + MEMORY] @ _RECENT[::-1]
                logits = mixture.log_probabilities(centre[:, 0], recent)
                frames[:, step, 0] = self._sampling.draw(logits, draws[:, step])
            else:
                frames[:, step] = centre
            values[:, now] = predictor.values(frames[:, step])
            errors[:, MEMORY + step] = np.abs(values[:, now, 0] - centre[:, 0])
        self._values, self._errors = values[:, n:], errors[:, n:]
        return frames
