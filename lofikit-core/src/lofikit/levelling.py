"""Holds the level of takes: a slow gain that brings them back to where their prompts were."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

SECONDS = 6.0
"""What the level is a mean of; long enough to let bars and rests be as loud as they are."""
MOST = 2.0
"""Most that takes are amplified or softened by, as a factor (6 dB)."""
SILENCE = 1e-4
"""Level of prompts that is not held, as an RMS."""


class LevelHold:
    """Scales takes by ``prompt level / running level``, within :data:`MOST`.

    The running level is an exponential mean of the power; it begins at the prompt's, so that a
    take goes on without a step. However samples are cut into blocks, the result is the same.

    Args:
        prompts: What the takes go on from, shape (batch, n); takes of silent ones stay as they are.
        rate: Sample rate in Hz.
    """

    def __init__(self, prompts: Samples, rate: int) -> None:
        power = np.square(prompts, dtype=np.float64).mean(axis=1, keepdims=True)
        self._wanted = power
        self._held = power[:, 0] > SILENCE**2
        self._fade = 1.0 / (SECONDS * rate)
        self._state = (1.0 - self._fade) * power

    def push(self, samples: Samples) -> Samples:
        """Returns samples (batch, n) at the level of the prompts."""
        from scipy.signal import lfilter

        if not samples.shape[1]:
            return samples
        powers, self._state = lfilter(
            [self._fade],
            [1.0, self._fade - 1.0],
            np.square(samples, dtype=np.float64),
            axis=1,
            zi=self._state,
        )
        gains = np.sqrt(self._wanted / np.maximum(powers, 1e-30))
        gains = np.where(self._held[:, None], np.clip(gains, 1 / MOST, MOST), 1.0)
        return np.asarray(samples * gains, dtype=np.float32)
