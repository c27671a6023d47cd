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
    """Scales takes by ``prompt level / running level``, within :data:`MOST`, and by ``makeup``.

    The running level is an exponential mean of the power; it begins at that of the prompt as the
    model heard it, which is also what takes are held at, so that a take goes on without a step.
    However samples are cut into blocks, the result is the same.

    Args:
        prompts: What the takes go on from, shape (batch, n); takes of silent ones stay as they are.
        heard: The same decoded again, shape (batch, m), which may be softer: codes of music unlike
            what they were learned from lose 2 dB and more.
        rate: Sample rate in Hz.

    Attributes:
        makeup: What brings the prompts as they were heard to the level that they had, as a factor
            within :data:`MOST`, shape (batch, 1); takes are scaled by it too.
    """

    def __init__(self, prompts: Samples, heard: Samples, rate: int) -> None:
        original, power = (
            np.square(x, dtype=np.float64).mean(axis=1, keepdims=True) for x in (prompts, heard)
        )
        self._wanted = power
        self._held = power[:, 0] > SILENCE**2
        makeup = np.clip(np.sqrt(original / np.maximum(power, 1e-30)), 1 / MOST, MOST)
        self.makeup = np.where(self._held[:, None], makeup, 1.0).astype(np.float32)
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
        return np.asarray(samples * gains * self.makeup, dtype=np.float32)
