"""A look-ahead peak limiter: what is below its ceiling passes as it is, and nothing gets above.

The gain at a sample is made in four steps, each of which can only lower it (the peak hold and
smoothing of Signalsmith's "Designing a straightforward limiter", with a linear release):

1. what brings the sample down to the ceiling, ``min(1, ceiling / |x|)``;
2. its least value over the look-ahead, so that it falls before a peak arrives;
3. a release that rises from its last value by no more than so much a sample;
4. the mean over as many samples as the look-ahead has, so that it falls without a click. Every
   value in this mean looks ahead as far as the sample, so the mean is no higher than step 1.
"""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

CEILING = -1.0
"""Highest level in dBFS; a decibel is left for what resampling and lossy formats add."""
LOOK_AHEAD_SECONDS = 0.005
RELEASE_SECONDS = 0.2
"""Time in which the gain would rise from nothing to one."""


class Limiter:
    """Limits audio block by block; all channels get one gain, so that the image stays.

    Args:
        rate: Sample rate in Hz.
        channels: Number of channels.
        ceiling: In dBFS; no sample of the output is above it.
        look_ahead: Look-ahead in seconds, which is also the delay of the output.
        release: Time in seconds in which the gain would rise from nothing to one.

    Attributes:
        latency: Delay of the output in samples; :meth:`flush` gives the samples that it holds.
    """

    def __init__(
        self,
        rate: int,
        channels: int = 1,
        ceiling: float = CEILING,
        look_ahead: float = LOOK_AHEAD_SECONDS,
        release: float = RELEASE_SECONDS,
    ) -> None:
        self.latency = max(1, round(look_ahead * rate))
        self._ceiling = np.float32(10 ** (ceiling / 20))
        self._rise = 1.0 / max(1.0, release * rate)
        self._samples = np.zeros((channels, self.latency), np.float32)
        self._wanted = np.ones(self.latency)
        self._released = np.ones(self.latency)
        self._ahead = self.latency  # samples of silence before the first that are still to come

    def push(self, samples: NDArray[np.float32]) -> NDArray[np.float32]:
        """Takes samples (channels, n) and returns those that are ready, at most ``n``."""
        if not samples.shape[1]:
            return np.zeros_like(samples)
        delayed, self._samples = self._delay(self._samples, samples)
        peaks = np.abs(samples).max(axis=0).astype(np.float64)
        wanted = np.minimum(1.0, np.float64(self._ceiling) / np.maximum(peaks, 1e-30))
        held = np.concatenate([self._wanted, wanted])
        least = sliding_window_view(held, self.latency + 1).min(axis=1)
        self._wanted = held[-self.latency :]
        released = np.concatenate([self._released, self._release(least)])
        gain = sliding_window_view(released, self.latency + 1).mean(axis=1)
        self._released = released[-self.latency :]
        out = delayed * gain.astype(np.float32)
        np.clip(out, -self._ceiling, self._ceiling, out=out)  # the rounding of the product
        begin = min(self._ahead, out.shape[1])
        self._ahead -= begin
        ready: NDArray[np.float32] = out[:, begin:]
        return ready

    def flush(self) -> NDArray[np.float32]:
        """Returns the last samples, after which the limiter is used up."""
        return self.push(np.zeros((self._samples.shape[0], self.latency), np.float32))

    def _delay(
        self, before: NDArray[np.float32], samples: NDArray[np.float32]
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        line = np.concatenate([before, samples], axis=1)
        return line[:, : samples.shape[1]], line[:, samples.shape[1] :]

    def _release(self, least: NDArray[np.float64]) -> NDArray[np.float64]:
        """Returns the highest gain that is nowhere above ``least`` and rises no faster."""
        ramp = self._rise * np.arange(1, len(least) + 1)
        rising = np.minimum.accumulate(np.append(self._released[-1], least - ramp))[1:] + ramp
        return np.asarray(np.minimum(least, rising))
