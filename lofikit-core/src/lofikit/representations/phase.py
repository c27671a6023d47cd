"""Samples from magnitude spectra that have no phase, as the spectra come.

The phase is integrated from the slopes of the magnitudes (phase gradient heap integration in real
time, Průša and Søndergaard 2016), and then bent towards what overlapping spectra agree on, by
Griffin and Lim's iteration (1984) as a chain of pipes, each of which lags behind the one before it
by the overlap of two spectra. On codes of music, two iterations after the integration sound as near
as 32 from random phases; docs/codes.md has the figures.
"""

from __future__ import annotations

import heapq
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.representations.base import Samples
from lofikit.representations.overlap import OverlapAdd, dual, hann, windows
from lofikit.streaming.processor import compiled

Magnitudes = NDArray[np.float32]
"""float32, shape (batch, time, bins)."""
Spectra = NDArray[np.complex64]
"""complex64, shape (batch, time, bins)."""

ITERATIONS = 2
"""Of Griffin and Lim; a third brings spectra nearer by 0.2 dB."""
HANN_GAMMA = 0.25645
"""Width of the Gaussian nearest to a Hann window, over its squared length (Průša 2017)."""
TINY = 1e-7
"""Magnitude that counts as silence, so that it has a logarithm."""
LEADING = 0.5
"""Bins below this share of the loudest go on in time alone. The slopes of noise over frequency mean
little, and followed everywhere they gather its energy at the middle of every window: a flutter at
the rate of the frames. With this, codes of music keep .50 of its beat of .51, and not .45."""


class PhaseFinder:
    """Gives spectra a phase and adds them up.

    Spectra are those of a Hann window (:func:`~.overlap.hann`), the first of them at sample 0.
    Samples come out when the spectrum after the last that overlaps them has passed all
    iterations: after ``1 + (iterations + 1) (window / hop - 1)`` spectra.

    Args:
        batch: Number of streams.
        window: Samples of a spectrum, even.
        hop: Samples from one spectrum to the next, at most half a window.
        iterations: Of Griffin and Lim; each holds back ``window / hop - 1`` spectra.
    """

    def __init__(self, batch: int, window: int, hop: int, iterations: int = ITERATIONS) -> None:
        self._integration = _Integration(batch, window, hop)
        self._iterations = [_Iteration(batch, window, hop) for _ in range(iterations)]
        self._add = _adder(batch, window, hop)

    def push(self, magnitudes: Magnitudes) -> Samples:
        """Takes spectra (batch, time, bins) and returns the samples (batch, n) that are final."""
        spectra = self._integration.push(magnitudes)
        for iteration in self._iterations:
            spectra = iteration.push(spectra)
        return self._add.push(spectra)

    def flush(self) -> Samples:
        """Returns the samples still held back."""
        spectra = self._integration.flush()
        for iteration in self._iterations:
            spectra = np.concatenate([iteration.push(spectra), iteration.flush()], axis=1)
        return np.concatenate([self._add.push(spectra), self._add.flush()], axis=1)


class _Integration:
    """Finds a first phase for spectra, holding back one for the slopes of the next."""

    def __init__(self, batch: int, window: int, hop: int) -> None:
        bins = window // 2 + 1
        self._window, self._hop = window, hop
        # The last spectrum that has its phase (at first, silence), and the one that waits.
        self._held = np.zeros((batch, 1, bins), np.float32)
        self._phases = np.zeros((batch, bins))

    def push(self, magnitudes: Magnitudes) -> Spectra:
        held = np.concatenate([self._held, magnitudes], axis=1)
        batch, time, bins = held.shape
        spectra = np.zeros((batch, max(0, time - 2), bins), np.complex64)
        if time > 2:
            logs = np.log(np.maximum(held, np.float32(TINY)))
            integrate(logs, held, self._phases, spectra, self._hop, self._window)
        self._held = held[:, max(0, time - 2) :]
        return spectra

    def flush(self) -> Spectra:
        waiting = self._held[:, 1:]
        return self.push(waiting)


class _Iteration:
    """Griffin and Lim's iteration on a stream: the phase of the sum, the magnitudes as given."""

    def __init__(self, batch: int, window: int, hop: int) -> None:
        self._window, self._hop = window, hop
        self._analysis = hann(window).astype(np.float32)
        self._add = _adder(batch, window, hop)
        self._samples = np.zeros((batch, 0), np.float32)
        self._given = np.zeros((batch, 0, window // 2 + 1), np.complex64)

    def push(self, spectra: Spectra) -> Spectra:
        self._given = np.concatenate([self._given, spectra], axis=1)
        return self._next(self._add.push(spectra))

    def flush(self) -> Spectra:
        return self._next(self._add.flush())

    def _next(self, samples: Samples) -> Spectra:
        """Returns the spectra that the sum is now long enough for."""
        from scipy.fft import rfft

        self._samples = np.concatenate([self._samples, samples], axis=1)
        blocks = windows(self._samples, self._window, self._hop)
        time = blocks.shape[1]
        self._samples = self._samples[:, time * self._hop :]
        given, self._given = self._given[:, :time], self._given[:, time:]
        if time == 0:
            return given
        spectra = rfft(blocks * self._analysis)
        spectra *= np.abs(given) / np.maximum(np.abs(spectra), np.float32(TINY))
        return np.asarray(spectra)


def _adder(batch: int, window: int, hop: int) -> OverlapAdd:
    """Returns what turns spectra into samples (Griffin and Lim 1984, eq. 6)."""
    synthesis = dual(hann(window), hop).astype(np.float32)

    def synthesise(spectra: Spectra) -> Samples:
        from scipy.fft import irfft

        return np.asarray(irfft(spectra, window) * synthesis)

    return OverlapAdd(synthesise, batch, window, hop)


@compiled
def integrate(logs: Any, magnitudes: Any, phases: Any, spectra: Any, hop: int, window: int) -> None:
    """Integrate the phases of spectra over time and frequency, the loudest bins first.

    The slope of the phase over time follows from that of the logarithm of the magnitudes over
    frequency, and the other way round (Průša and Søndergaard 2016, section 2)::

        hop d(phase)/dt = hop window / gamma d(log)/dm + 2 pi hop m / window
        d(phase)/dm     = -gamma / (hop window) d(log)/dn - pi

    for bin ``m`` and spectrum ``n``; the ``- pi`` is of windows that begin, and are not centred,
    at a spectrum's time. From each bin the phase goes on to its neighbours, from the loudest of
    this spectrum and the last to the quietest; those far below the loudest go on in time alone.

    Args:
        logs: Logarithms of the magnitudes, shape (streams, time + 2, bins): also of the spectra
            before and after those that are given a phase.
        magnitudes: The magnitudes, of the same shape.
        phases: Of the spectra before, shape (streams, bins); the last ones take their place.
        spectra: Takes the complex spectra, shape (streams, time, bins).
        hop: Samples between spectra.
        window: Samples of a Hann window.
    """
    streams, time, bins = spectra.shape
    gamma = HANN_GAMMA * window * window
    over_time = hop * window / gamma
    over_frequency = -gamma / (hop * window)
    tilt = np.empty(bins)
    done = np.empty(bins, np.bool_)
    for row in range(streams):
        for n in range(time):
            before, now, after = logs[row, n], logs[row, n + 1], logs[row, n + 2]
            threshold = max(now.max(), before.max()) + math.log(LEADING)
            heap = [(now[0], 0)]  # for its type; bins of the last spectrum count from -bins
            heap.clear()
            left = 0
            for m in range(bins):
                up, down = min(m + 1, bins - 1), max(m - 1, 0)
                slope = 0.25 * (now[up] - now[down] + before[up] - before[down])
                tilt[m] = over_frequency * 0.5 * (after[m] - before[m]) - math.pi
                phases[row, m] += over_time * slope + 2.0 * math.pi * hop * m / window
                done[m] = now[m] < threshold
                left += not done[m]
                if before[m] >= threshold:
                    heapq.heappush(heap, (-before[m], m - bins))
            while left:
                if not heap:  # nothing goes on from before: begin at the loudest
                    loudest = -1
                    for m in range(bins):
                        if not done[m] and (loudest < 0 or now[m] > now[loudest]):
                            loudest = m
                    heapq.heappush(heap, (-now[loudest], loudest - bins))
                _, m = heapq.heappop(heap)
                if m < 0:
                    m += bins
                    if not done[m]:
                        done[m] = True
                        left -= 1
                        heapq.heappush(heap, (-now[m], m))
                    continue
                for step in (-1, 1):
                    other = m + step
                    if 0 <= other < bins and not done[other]:
                        phases[row, other] = phases[row, m] + step * 0.5 * (tilt[m] + tilt[other])
                        done[other] = True
                        left -= 1
                        heapq.heappush(heap, (-now[other], other))
            for m in range(bins):
                angle = phases[row, m] % (2.0 * math.pi)
                phases[row, m] = angle
                size = magnitudes[row, n + 1, m]
                spectra[row, n, m] = complex(size * math.cos(angle), size * math.sin(angle))
