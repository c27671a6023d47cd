"""Samples of codes: spectra put together again as their books come, and a phase found for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lofikit.representations.base import Decoder, Frames, Samples

if TYPE_CHECKING:
    from lofikit.representations.codes import Codes


def delayed(ids: Frames, delays: int) -> Frames:
    """Returns frames of which book ``b`` is that of spectrum ``t + delays - b``.

    Args:
        ids: The books of each spectrum, shape (batch, spectra, books).
        delays: ``books - 1``, or 0 for the ids as they are.
    """
    if delays == 0:
        return ids
    time = max(0, ids.shape[1] - delays)
    books = [ids[:, delays - book : delays - book + time, book] for book in range(ids.shape[2])]
    return np.stack(books, axis=2)


class CodesDecoder(Decoder):
    """Waits for all books of a spectrum, and finds a phase for it.

    The first ``books - 1`` spectra lack their rough books and are silent; the last lack their
    fine ones and are decoded without them.

    Args:
        codes: The fitted representation.
        batch: Number of streams.
    """

    def __init__(self, codes: Codes, batch: int) -> None:
        from lofikit.representations.phase import PhaseFinder  # numba takes a while

        self._codes = codes
        self._delays = codes.delays
        span = codes.window - codes.delays * codes.spec.hop
        self._phase = PhaseFinder(batch, span, codes.spec.hop)
        self._silence = np.zeros((batch, codes.delays, span // 2 + 1), np.float32)
        self._told = codes.spec.signals
        self._frames: Frames = np.zeros((batch, 0, codes.config.books), np.int32)

    def push(self, frames: Frames) -> Samples:
        """Returns the samples that are final, those that no later spectrum reaches."""
        if frames.shape[1] == 0:
            return np.zeros((frames.shape[0], 0), np.float32)
        before = self._phase.push(self._silence)
        self._silence = self._silence[:, :0]
        held = np.concatenate([self._frames, frames[:, :, self._told :]], axis=1)
        time = max(0, held.shape[1] - self._delays)
        self._frames = held[:, time:]
        spectra = self._codes.magnitudes(_undelayed(held, time, self._delays))
        return np.concatenate([before, self._phase.push(spectra)], axis=1)

    def flush(self) -> Samples:
        """Returns the samples still held back, the last spectra being rough ones."""
        held, parts = self._frames, []
        while held.shape[1]:
            books = np.diagonal(held, axis1=1, axis2=2)[:, None]
            parts.append(self._phase.push(self._codes.magnitudes(books)))
            held = held[:, 1:]
        self._frames = held
        return np.concatenate([*parts, self._phase.flush()], axis=1)


def _undelayed(frames: Frames, time: int, delays: int) -> Frames:
    """Returns the books of the first ``time`` spectra that are whole in some frames."""
    lags = np.arange(frames.shape[2]) if delays else np.zeros(frames.shape[2], int)
    return np.stack([frames[:, g : g + time, b] for b, g in enumerate(lags)], axis=2)
