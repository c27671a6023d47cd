"""Streams of linear prediction, and what they start from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lofikit.models.base import Outputs, Sampling, Stream, refuse_given
from lofikit.models.logistic_mixture import Array, LogisticMixture
from lofikit.representations.base import Frames
from lofikit.streaming.arena import aligned_zeros, padded
from lofikit.streaming.bank import Bank
from lofikit.streaming.heads import UNIFORM

_NO_VALUES: Array = np.zeros(0)
_NO_WEIGHTS: Array = np.zeros((2, 2))


@dataclass
class LinearPredictor:
    """What a prediction needs.

    Attributes:
        bank: The predictors of a value.
        coefficients: Of a fixed predictor, shape (order, size), of the latest frame first.
        correlation: Mean products of the last values in training with each other, from which
            adaptive predictors start (size, longest order, longest order).
        cross: Mean products of the last values with the one that followed (size, longest order).
        peak: Largest absolute value seen in training, shape (size,).
        mixture: The distribution around a prediction, if frames are class ids.
    """

    bank: Bank
    coefficients: Array
    correlation: Array
    cross: Array
    peak: Array
    mixture: LogisticMixture | None

    def values(self, frames: Frames) -> Array:
        """Returns what frames stand for, float64, shape (batch, time, size)."""
        values = frames if self.mixture is None else self.mixture.values[frames]
        return np.asarray(values, dtype=np.float64)

    def states(self, batch: int) -> Array:
        """Returns the states of all values of a batch of streams (batch * size, state)."""
        rows = []
        for value, peak in enumerate(self.peak):
            # Fixed coefficients may be unstable: what they predict stays in the range of
            # training. What adapts may go as far as what it was given.
            limit = float(peak) if peak > 0 or self.bank.adaptive else np.inf
            if self.mixture is not None and self.bank.adaptive:
                limit = 1.0
            fixed, correlation = self.coefficients[:, value], self.correlation[value]
            rows.append(self.bank.state(fixed, correlation, self.cross[value], limit))
        return np.tile(rows, (batch, 1))

    def trace(self, frames: Frames) -> tuple[Array, Array]:
        """Returns the prediction of each frame, and its likely absolute error, both (batch, n)."""
        stream = LinearStream(self, len(frames), Sampling(), 0)
        traces = stream.trace(frames)
        return traces[..., 0], traces[..., 1]


class LinearStream(Stream):
    """Predicts each value of a frame by itself; class ids are drawn, real values predicted."""

    def __init__(
        self, predictor: LinearPredictor, batch: int, sampling: Sampling, seed: int
    ) -> None:
        from lofikit.streaming.processor import this_processor
        from lofikit.streaming.sampling import stream_keys

        self._predictor = predictor
        self._sampling = sampling
        self._batch, self._size = batch, len(predictor.peak)
        self._states = predictor.states(batch)
        self._keys = stream_keys(seed, batch * self._size)
        self._drawn = 0
        self._processor = this_processor()
        mixture = predictor.mixture
        # Copies: the model may learn on while the stream plays.
        self._table = (_NO_VALUES, _NO_VALUES.astype(np.float32), _NO_VALUES, _NO_WEIGHTS)
        if mixture is not None:
            edges = mixture.edges.astype(np.float32)
            self._table = (mixture.values, edges, mixture.scales, mixture.weights.copy())
        self._width = padded(len(self._table[0]))
        self._arena = aligned_zeros(2 * self._width)

    @property
    def _levels(self) -> int:
        return len(self._table[0])

    def prime(self, frames: Frames) -> Outputs:
        """Feeds given frames; see :meth:`Stream.prime`."""
        batch, time, size = frames.shape
        width = self._levels or 1
        outputs = np.zeros((batch * size, time, width), np.float32)
        self._follow(frames, outputs=outputs)
        by_frame = outputs.reshape(batch, size, time, width).transpose(0, 2, 1, 3)
        return np.ascontiguousarray(by_frame if self._levels else by_frame[..., 0])

    def trace(self, frames: Frames) -> Array:
        """Feeds given frames; returns predictions and likely errors (batch, time, size, 2)."""
        batch, time, size = frames.shape
        traces = np.zeros((batch * size, time, 2))
        self._follow(frames, traces=traces)
        return traces.reshape(batch, size, time, 2).transpose(0, 2, 1, 3)

    def next(self, n: int, given: Frames | None = None) -> Frames:
        """Generates frames; see :meth:`Stream.next`."""
        refuse_given(given, "linear prediction")
        frames = np.zeros((self._batch, n, self._size), np.int32 if self._levels else np.float32)
        series = self._follow(frames, generating=True)
        self._drawn += n
        by_frame = series.reshape(self._batch, self._size, n).transpose(0, 2, 1)
        return np.ascontiguousarray(by_frame, frames.dtype)

    def _follow(
        self,
        frames: Frames,
        *,
        outputs: NDArray[np.float32] | None = None,
        traces: Array | None = None,
        generating: bool = False,
    ) -> NDArray[np.float64] | NDArray[np.int32]:
        """Steps through frames, and returns them as series (batch * size, time)."""
        from lofikit.streaming.linear import follow

        rows = self._batch * self._size
        time = frames.shape[1]
        series = np.ascontiguousarray(frames.transpose(0, 2, 1)).reshape(rows, time)
        ids = series.astype(np.int32) if self._levels else np.zeros((rows, 0), np.int32)
        values = np.zeros(series.shape) if self._levels else series.astype(np.float64)
        class_values, edges, scales, weights = self._table
        bank = self._predictor.bank
        follow(
            self._processor,
            bank.predictors,
            self._states,
            bank.longest,
            bank.adaptive and not self._levels,
            class_values,
            edges,
            scales,
            weights,
            UNIFORM,
            self._arena,
            self._width,
            values,
            ids,
            np.zeros((rows, 0, 1), np.float32) if outputs is None else outputs,
            np.zeros((rows, 0, 2)) if traces is None else traces,
            generating,
            float(self._sampling.temperature),
            float(self._sampling.top_p),
            self._keys,
            self._drawn,
        )
        return ids if self._levels else values
