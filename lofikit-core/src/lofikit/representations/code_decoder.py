"""Samples of codes: spectra put together again as their books come, and a phase found for them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lofikit.representations.base import Decoder, Frames, Samples
from lofikit.representations.code_signals import onset_strengths

if TYPE_CHECKING:
    from lofikit.representations.codes import Codes

STEP = 128 / 4410
"""Seconds between spectra, for :data:`RISE` and :data:`FALL`."""
RATES = (4410, 22050)
"""Sample rates in Hz that the smoothing is given for; in between it lies in between."""
RISE, FALL = (0.15, 0.1), (0.15, 0.6)
"""How far spectra rise and fall of themselves, as shares of the way; less is smoother."""
STROKE = (6.0, 2.0)
"""Onset strength from which on nothing is smoothed, in dB."""


def smoothing_at(rate: int) -> tuple[float, float, float]:
    """Returns the rise, the fall and the stroke of a rate.

    At a low rate codes are further from the music, and flicker more.

    Args:
        rate: Sample rate in Hz.
    """
    rise, fall, stroke = (
        float(np.exp(np.interp(np.log(rate), np.log(RATES), np.log(pair))))
        for pair in (RISE, FALL, STROKE)
    )
    return rise, fall, stroke


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
    fine ones and are decoded without them. Where frames tell how strongly sounds begin, spectra
    between strokes are smoothed.

    Args:
        codes: The fitted representation.
        batch: Number of streams.

    Attributes:
        gains: Factors of the bins of all spectra, shape (batch, bins); ``None`` for none.
    """

    gains: NDArray[np.float32] | None = None

    def __init__(self, codes: Codes, batch: int) -> None:
        from lofikit.representations.phase import PhaseFinder  # numba takes a while

        self._codes = codes
        self._delays = codes.delays
        self._phase = PhaseFinder(batch, codes.span, codes.spec.hop)
        self._silence = np.zeros((batch, codes.delays, codes.span // 2 + 1), np.float32)
        self._told = codes.spec.signals
        self._smoothing = Smoothing(codes, batch) if codes.config.onsets else None
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
        if self._smoothing is not None:
            self._smoothing.hear(frames[:, :, : self._told])
        spectra = self._spectra(_undelayed(held, time, self._delays))
        return np.concatenate([before, self._phase.push(spectra)], axis=1)

    def flush(self) -> Samples:
        """Returns the samples still held back, the last spectra being rough ones."""
        held, parts = self._frames, []
        while held.shape[1]:
            books = np.diagonal(held, axis1=1, axis2=2)[:, None]
            parts.append(self._phase.push(self._spectra(books)))
            held = held[:, 1:]
        self._frames = held
        return np.concatenate([*parts, self._phase.flush()], axis=1)

    def _spectra(self, books: Frames) -> NDArray[np.float32]:
        """Returns the next spectra, of which these are the books side by side."""
        spectra = self._codes.magnitudes(books)
        if self.gains is not None:
            spectra *= self.gains[:, None]
        return spectra if self._smoothing is None else self._smoothing.push(spectra)


class Smoothing:
    """Smooths spectra over time as far as no sounds are told to begin.

    Codes of a sound that goes on flicker from one spectrum to the next, as music does not, and
    hide its strokes. Each bin goes :data:`RISE` or :data:`FALL` of the way from where it was to
    what the codes say, all of it where a :data:`STROKE` begins, and in proportion between. It may
    fall more freely than it rises, since sounds end without being told.

    Args:
        codes: The representation; its bands of onsets are smoothed each by itself.
        batch: Number of streams.
    """

    def __init__(self, codes: Codes, batch: int) -> None:
        self._columns = [codes.signals.index(f"onsets-{n + 1}") for n in range(codes.config.onsets)]
        self._bands = codes.bands_of_bins()
        self._last: NDArray[np.float32] | None = None
        hop = codes.spec.hop
        steps = hop / codes.sample_rate / STEP
        rise, fall, self._stroke = smoothing_at(codes.sample_rate)
        self._rise, self._fall = (np.float32(1 - (1 - x) ** steps) for x in (rise, fall))
        # A stroke is told of when it is a quarter of a window in, and spectra swell further.
        self._held = -(-codes.span // (4 * hop))
        # Of the first spectrum no frame before it tells anything.
        self._strokes = np.ones((batch, 1 + self._held, codes.config.onsets), np.float32)

    def hear(self, signals: Frames) -> None:
        """Takes the signals of more frames, each of which tells of the spectrum after its own."""
        strengths = onset_strengths(signals[:, :, self._columns]) / self._stroke
        strokes = np.where(np.isnan(strengths), 1, np.minimum(strengths, 1))
        self._strokes = np.concatenate([self._strokes, strokes], axis=1).astype(np.float32)

    def push(self, spectra: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the next spectra (batch, time, bins), whose strokes have been heard of."""
        time = spectra.shape[1]
        near = [self._strokes[:, lag : lag + time] for lag in range(1 + self._held)]
        strokes = np.max(near, axis=0)[:, :, self._bands]
        self._strokes = self._strokes[:, time:]
        smoothed = np.sqrt(np.sqrt(spectra))
        for t in range(time):
            if self._last is not None:
                change = smoothed[:, t] - self._last
                least = np.where(change > 0, self._rise, self._fall)
                smoothed[:, t] = self._last + (least + (1 - least) * strokes[:, t]) * change
            self._last = smoothed[:, t]
        return np.asarray(np.square(np.square(smoothed)))


def _undelayed(frames: Frames, time: int, delays: int) -> Frames:
    """Returns the books of the first ``time`` spectra that are whole in some frames."""
    lags = np.arange(frames.shape[2]) if delays else np.zeros(frames.shape[2], int)
    return np.stack([frames[:, g : g + time, b] for b, g in enumerate(lags)], axis=2)
