"""Samples from magnitude spectra that have no phase, as the spectra come."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.representations.base import Samples

LOOK_AHEAD = 3
ITERATIONS = 4


def hann(length: int) -> NDArray[np.float32]:
    """Returns a periodic Hann window, half a sample off the grid so that no value is zero."""
    return np.sin(np.pi * (np.arange(length) + 0.5) / length).astype(np.float32) ** 2


class RealTimeGriffinLim:
    """Real-time iterative spectrogram inversion with look-ahead (Zhu, Beauregard and Wyse 2007).

    Griffin and Lim's iteration (1984) on the newest spectra alone: what came before them is
    final, and lends them its phase where they overlap it.

    Args:
        batch: Number of streams.
        window: Samples of a spectrum, which is that of a Hann window.
        hop: Samples from one spectrum to the next, at most half a window.
    """

    def __init__(self, batch: int, window: int, hop: int) -> None:
        self._window, self._hop, self._batch = window, hop, batch
        self._analysis = hann(window)
        self._waiting: list[NDArray[Any]] = []
        self._parts = np.zeros((batch, 0, window), np.float32)  # windowed, of those waiting
        self._final = np.zeros((batch, window - hop), np.float32)  # what is final reaches so far
        self._cover = np.zeros(window - hop, np.float32)
        self._started = False

    def push(self, magnitudes: NDArray[np.float32]) -> Samples:
        """Takes spectra (batch, time, bins); returns ``hop`` samples for each that is final."""
        out = [np.zeros((self._batch, 0), np.float32)]
        for now in range(magnitudes.shape[1]):
            self._started = True
            self._waiting.append(np.asarray(magnitudes[:, now], np.float32))
            if len(self._waiting) > LOOK_AHEAD:
                out.append(self._commit())
        return np.concatenate(out, axis=1)

    def flush(self) -> Samples:
        """Returns the samples still held back."""
        out = [np.zeros((self._batch, 0), np.float32)]
        while self._waiting:
            out.append(self._commit())
        if self._started:
            out.append(self._final / np.maximum(self._cover, self._floor))
        self._started = False
        return np.concatenate(out, axis=1)

    @property
    def _floor(self) -> float:
        return float(np.square(self._analysis).sum() / self._hop) / 16

    def _commit(self) -> Samples:
        """Finds the phases of the waiting spectra, and makes the oldest final."""
        from scipy.fft import irfft, rfft

        window, hop, count = self._window, self._hop, len(self._waiting)
        wanted = np.stack(self._waiting, axis=1)
        length = window + (count - 1) * hop
        base = np.zeros((self._batch, length), np.float32)
        base[:, : window - hop] = self._final
        known = np.zeros(length, np.float32)
        known[: window - hop] = self._cover
        square = np.square(self._analysis)
        had = self._parts.shape[1]
        parts = np.concatenate(
            [self._parts, np.zeros((self._batch, count - had, window), np.float32)], axis=1
        )
        for turn in range(ITERATIONS + 1):
            present = had if turn == 0 else count
            total, cover = base.copy(), known.copy()
            for index in range(present):
                total[:, index * hop : index * hop + window] += parts[:, index] * self._analysis
                cover[index * hop : index * hop + window] += square
            total /= np.maximum(cover, self._floor)
            view = np.lib.stride_tricks.sliding_window_view(total, window, axis=1)[:, ::hop]
            spectra = rfft(view * self._analysis)
            size = np.abs(spectra)
            spectra = np.where(size > 1e-9, spectra / np.maximum(size, 1e-9), 1.0) * wanted
            parts = irfft(spectra, window)
        total, cover = base, known
        total[:, :window] += parts[:, 0] * self._analysis
        cover[:window] += square
        self._parts = parts[:, 1:]
        self._waiting.pop(0)
        self._final, self._cover = total[:, hop:window], cover[hop:window]
        return np.asarray(total[:, :hop] / np.maximum(cover[:hop], self._floor), np.float32)
