"""A Markov chain: which class follows which, counted. Put your own model in its place."""

from __future__ import annotations

import numpy as np
from lofikit.errors import UnsupportedSpecError
from lofikit.models.base import Model, Outputs, Sampling, State, StepSettings, Stream
from lofikit.representations.base import Frames, FrameSpec

from lofikit_PACKAGE.config import CLASSConfig


class CLASS(Model):
    """Draws each class by how often it came after the one before it."""

    config: CLASSConfig
    context = receptive_field = 1

    def __init__(self, config: CLASSConfig, spec: FrameSpec, seed: int) -> None:
        super().__init__(config, spec, seed)
        if spec.levels is None or spec.size > 1:
            raise UnsupportedSpecError(
                f"PACKAGE/NAME takes one class a frame, and not {spec.size} values of "
                f"{spec.levels or 'real'} levels",
                "choose another representation: --representation mulaw",
            )
        self._counts = np.full((spec.levels, spec.levels), config.smoothing)

    @property
    def chunk(self) -> int:
        """The window, and the frame before its first prediction."""
        return self.config.window + 1

    def train_step(self, frames: Frames, settings: StepSettings) -> float:
        """Counts; a model of gradients uses the optimiser and the rate of the settings."""
        loss = self.loss(frames, settings)
        np.add.at(self._counts, (frames[:, :-1, 0], frames[:, 1:, 0]), 1.0)
        return loss

    def loss(self, frames: Frames, settings: StepSettings) -> float:
        """Returns the mean cross-entropy in nats."""
        logits = self.forward(frames[:, :-1])
        return float(-np.take_along_axis(logits, frames[:, 1:, :, None], axis=-1).mean())

    def forward(self, frames: Frames) -> Outputs:
        """Returns log-probabilities of the class after each frame."""
        return self.table()[frames]

    def table(self) -> Outputs:
        """Returns log-probabilities (class, next class)."""
        shares = self._counts / self._counts.sum(axis=1, keepdims=True)
        return np.log(shares).astype(np.float32)

    def state(self) -> State:
        """Returns the counts."""
        return {"weights/counts": self._counts.copy()}

    def load_state(self, state: State) -> None:
        """Takes the counts back."""
        self._counts[:] = state["weights/counts"]

    def stream(self, batch: int, sampling: Sampling, seed: int) -> Stream:
        """Opens streams."""
        return CLASSStream(self.table(), batch, sampling, seed)


class CLASSStream(Stream):
    """Holds the last class of each stream, and a random generator for each."""

    def __init__(self, table: Outputs, batch: int, sampling: Sampling, seed: int) -> None:
        self._table, self._sampling = table, sampling
        self._last = np.full(batch, len(table) // 2)
        self._rngs = [np.random.default_rng([seed, row]) for row in range(batch)]

    def prime(self, frames: Frames) -> Outputs:
        """Takes given frames."""
        if frames.shape[1]:
            self._last = frames[:, -1, 0]
        return self._table[frames]

    def next(self, n: int) -> Frames:
        """Draws the next frames."""
        frames = np.empty((len(self._last), n, 1), np.int32)
        for step in range(n):
            uniform = np.array([rng.random() for rng in self._rngs])
            self._last = self._sampling.draw(self._table[self._last], uniform)
            frames[:, step, 0] = self._last
        return frames
