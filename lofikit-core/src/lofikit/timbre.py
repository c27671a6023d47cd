"""Timbre, the balance of low and high tones: heard in music, and varied in training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lofikit.levelling import MOST, SILENCE
from lofikit.spectrum import Samples, mel_middles, spectrum

KNOTS = 8
"""Bands of the equaliser, evenly spread over the mel scale."""
MOST_BANDS = 32
"""Bands of timbre, of which each has mel bands of its own."""
HALF_KNOWN = 8.0
"""Seconds of music of which half the difference from other music is that of its notes."""
_RINGING = 0.05  # seconds that a filter rings before and after, at most


def is_timbre(name: str) -> bool:
    """Whether a signal of this name tells of timbre."""
    return name.startswith("timbre-")


def timbre_signals(samples: Samples, rate: int, names: Sequence[str]) -> dict[str, Samples]:
    """Returns the signals of a timbre that some names ask for, the same all along.

    Each is how loud a band is against the mean of all: of levels of mel bands in dB, and the mean
    over time of these, as the timbre distance compares them.

    Args:
        samples: Shape (batch, n).
        rate: Sample rate in Hz.
        names: Of signals; ``timbre-1``, ``timbre-2`` and so on are bands from low to high, of
            which there can be :data:`MOST_BANDS`.

    Returns:
        A read-only curve each, shape (batch, n).
    """
    wanted = [name for name in names if is_timbre(name)]
    if not wanted:
        return {}
    if len(wanted) > MOST_BANDS:
        raise ValueError(f"{len(wanted)} bands of timbre: there can be {MOST_BANDS} at most")
    means = [spectrum(line, rate).levels().mean(axis=0, dtype=np.float64) for line in samples]
    balance = np.array([line - line.mean() for line in means])
    bands = [part.mean(axis=1) for part in np.array_split(balance, len(wanted), axis=1)]
    return {
        name: np.broadcast_to(band.astype(np.float32)[:, None], samples.shape)
        for name, band in zip(wanted, bands, strict=True)
    }


def equalised(samples: Samples, rate: int, settings: NDArray[np.float64]) -> Samples:
    """Returns music as an equaliser plays it, at the level that it had.

    Args:
        samples: Shape (batch, n).
        rate: Sample rate in Hz.
        settings: Gains in dB from the lowest frequency to the highest, evenly spread over the mel
            scale, shape (batch, knots); between them gains go on in straight lines.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    length = samples.shape[1]
    # Zeros at the end, or the filter would ring from there into the beginning.
    size = next_fast_len(length + round(_RINGING * rate), real=True)
    mels = np.log1p(np.arange(size // 2 + 1) * (rate / size) / 700)  # of a scale without a unit
    knots = np.linspace(0, mels[-1], settings.shape[1])
    gains = np.array([np.interp(mels, knots, row) for row in settings])
    factors = (10 ** (gains / 20)).astype(np.float32)
    played = irfft(rfft(samples, size) * factors, size)[:, :length]
    before, after = (np.sqrt(np.square(x).mean(axis=1, keepdims=True)) for x in (samples, played))
    return np.asarray(played * (before / np.maximum(after, 1e-9)), dtype=np.float32)


def restoring_gains(
    original: Samples, heard: Samples, rate: int, frequencies: NDArray[np.floating]
) -> Samples:
    """Returns what brings music back to the balance of low and high that it had, or towards it.

    What a stretch of music lost in some band it lost for good, or in a few of its notes. The
    longer it is the more is taken to be for good: half of what was lost in :data:`HALF_KNOWN`.

    Args:
        original: The music, shape (batch, n).
        heard: The same after some loss, shape (batch, n).
        rate: Sample rate in Hz.
        frequencies: In Hz, ascending.

    Returns:
        A factor for each frequency, within :data:`lofikit.levelling.MOST`, shape (batch,
        frequencies): of the mean levels of mel bands in dB, and between their middles straight
        lines. They leave the level about as it was. 1 for silence, and for no music at all.
    """
    gains = np.ones((len(original), len(frequencies)), np.float32)
    seconds = original.shape[1] / rate
    known, most = seconds / (seconds + HALF_KNOWN), 20 * np.log10(MOST)
    for row, pair in enumerate(zip(original, heard, strict=True)):
        if min(np.sqrt(np.square(x).mean()) if len(x) else 0.0 for x in pair) < SILENCE:
            continue
        had, has = (spectrum(x, rate).levels().mean(axis=0, dtype=np.float64) for x in pair)
        lost = had - has
        lost -= np.average(lost, weights=10 ** (has / 10))
        decibels = np.clip(known * lost, -most, most)
        gains[row] = 10 ** (np.interp(frequencies, mel_middles(rate), decibels) / 20)
    return gains
