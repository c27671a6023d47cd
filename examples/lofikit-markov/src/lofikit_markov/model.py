"""A Markov chain over classes, of several orders at once."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.errors import RunError, UnsupportedSpecError
from lofikit.models.base import Model, Outputs, Sampling, State, StepSettings, Stream
from lofikit.representations.base import Frames, FrameSpec
from lofikit_markov.config import ChainConfig

_MIX = np.uint64(0x9E3779B97F4A7C15)  # multiplicative hashing (Knuth, volume 3, 6.4)


class Chain(Model):
    """Predicts a class from how often it followed the same context, long or short.

    The distribution after a context of ``k`` frames is that of its counts, which weigh the more
    the more there are, mixed with the one after its last ``k - 1`` frames (a hierarchy of
    Dirichlet priors, MacKay and Peto 1995)::

        p_k(c) = (n(c) + trust * p_{k-1}(c)) / (sum(n) + trust)

    and ``p_0`` is the same for all classes. Training counts; optimiser and learning rate are not
    used. A context is the last class and, less finely, those before it; contexts are hashed into
    a table, where rare ones may meet.
    """

    config: ChainConfig

    def __init__(self, config: ChainConfig, spec: FrameSpec, seed: int) -> None:
        super().__init__(config, spec, seed)
        if spec.levels is None or spec.size > 1:
            what = "real values" if spec.levels is None else f"{spec.size} classes a frame"
            raise UnsupportedSpecError(
                f"a Markov chain takes one class a frame, not {what}",
                "choose the representation mulaw: --representation mulaw",
            )
        rows = 1 << config.bits
        counts = np.zeros((config.order, rows, spec.levels), np.float32)
        self._tables = _Tables(config, counts)

    @property
    def chunk(self) -> int:
        """The window, and the frame before its first prediction."""
        return self.config.window + 1

    @property
    def context(self) -> int:
        """The order."""
        return self.config.order

    @property
    def receptive_field(self) -> int:
        """The order."""
        return self.config.order

    def train_step(self, frames: Frames, settings: StepSettings) -> float:
        """Counts what follows each context of the examples."""
        loss = self.loss(frames, settings)
        classes = frames[:, :, 0]
        for counts, rows in zip(self._tables.counts, self._tables.rows(classes), strict=True):
            np.add.at(counts, (rows[:, :-1], classes[:, 1:]), 1.0)
        return loss

    def loss(self, frames: Frames, settings: StepSettings) -> float:
        """Returns the mean cross-entropy in nats."""
        logits = self.forward(frames[:, :-1])
        return float(-np.take_along_axis(logits, frames[:, 1:, :, None], axis=-1).mean())

    def forward(self, frames: Frames) -> Outputs:
        """Returns log-probabilities of the class after each frame."""
        return self._tables.log_probabilities(frames[:, :, 0])[:, :, None]

    def state(self) -> State:
        """Returns the counts."""
        return {"weights/counts": self._tables.counts.copy()}

    def load_state(self, state: State) -> None:
        """Takes the counts back.

        Raises:
            RunError: If they are of a chain with other options.
        """
        counts = state["weights/counts"]
        if counts.shape != self._tables.counts.shape:
            raise RunError(
                f"the counts are of another chain: {counts.shape}, not {self._tables.counts.shape}",
                "use the options and the representation that the run was trained with",
            )
        self._tables.counts[:] = counts

    def stream(self, batch: int, sampling: Sampling, seed: int) -> Stream:
        """Opens streams."""
        tables = _Tables(self.config, self._tables.counts.copy())
        return ChainStream(tables, batch, sampling, seed)


@dataclass(frozen=True)
class _Tables:
    """Counts of what followed contexts of each length.

    Attributes:
        counts: Shape (order, rows, levels), of the shortest contexts first.
    """

    config: ChainConfig
    counts: NDArray[np.float32]

    @property
    def levels(self) -> int:
        return self.counts.shape[2]

    def rows(self, classes: NDArray[Any]) -> Iterator[NDArray[Any]]:
        """Yields the row of each position's context, shape (batch, time), for each length.

        What lies before the first frame counts as silence, the class in the middle.
        """
        order, time = self.config.order, classes.shape[1]
        silence = self.levels // 2
        padded = np.pad(classes, ((0, 0), (order - 1, 0)), constant_values=silence)
        context = padded[:, order - 1 :].astype(np.uint64)
        for older in range(1, order + 1):
            yield (context * _MIX >> np.uint64(64 - self.config.bits)).astype(np.int64)
            if older < order:
                start = order - 1 - older
                past = padded[:, start : start + time].astype(np.uint64)
                coarse = past * np.uint64(self.config.detail) // np.uint64(self.levels)
                context = context * np.uint64(self.config.detail + 1) + coarse + np.uint64(1)

    def log_probabilities(self, classes: NDArray[Any]) -> Outputs:
        """Returns log-probabilities of the next class, shape (batch, time, levels)."""
        trust = self.config.trust
        shares = np.full((*classes.shape, self.levels), 1 / self.levels)
        for counts, rows in zip(self.counts, self.rows(classes), strict=True):
            seen = counts[rows]
            shares = (seen + trust * shares) / (seen.sum(axis=-1, keepdims=True) + trust)
        return np.log(shares).astype(np.float32)


class ChainStream(Stream):
    """Remembers the last classes of each stream, as many as the longest context has."""

    def __init__(self, tables: _Tables, batch: int, sampling: Sampling, seed: int) -> None:
        self._tables, self._sampling = tables, sampling
        self._past = np.full((batch, tables.config.order), tables.levels // 2, np.int32)
        self._rngs = [np.random.default_rng([seed, row]) for row in range(batch)]

    def prime(self, frames: Frames) -> Outputs:
        """Takes given frames, and returns what is predicted after each."""
        classes = np.concatenate([self._past, frames[:, :, 0]], axis=1)
        known = self._past.shape[1]
        self._past = classes[:, -known:]
        return self._tables.log_probabilities(classes)[:, known:, None]

    def next(self, n: int) -> Frames:
        """Draws the next frames, one after the other."""
        frames = np.empty((len(self._rngs), n, 1), np.int32)
        for step in range(n):
            logits = self._tables.log_probabilities(self._past)[:, -1]
            uniform = np.array([rng.random() for rng in self._rngs])
            frames[:, step, 0] = self._sampling.draw(logits, uniform)
            self._past = np.concatenate([self._past[:, 1:], frames[:, step]], axis=1)
        return frames
