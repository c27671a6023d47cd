"""The beat, and how steady its tempo is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

SHORTEST, LONGEST = 0.3, 2.0
"""Beat periods that are looked for, in seconds: 200 to 30 beats a minute."""
WINDOW = 8.0
"""Stretches that must agree in their tempo, in seconds."""
ABOUT = 0.9
"""Share of the strongest period's autocorrelation that another one must have to be as strong."""
TOLERANCE = 0.04
"""How far apart two beat periods may be and still be called the same, as a share."""


def autocorrelation(signal: NDArray[np.floating], lags: int) -> Array:
    """Returns the normalised autocorrelation about the mean at lags below ``lags``.

    The sum at each lag is divided by the root of the energies of the two stretches that it
    compares, so that a signal which repeats has 1 at its period however short it is.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    lags = min(lags, len(signal))
    moving = signal - signal.mean()
    size = next_fast_len(len(moving) + lags, real=True)
    products = irfft(np.square(np.abs(rfft(moving, size))), size)[:lags]
    sums = np.concatenate([[0.0], np.cumsum(np.square(moving, dtype=np.float64))])
    ends = len(moving) - np.arange(lags)
    energies = sums[ends] * (sums[-1] - sums[:lags])
    least = (1e-9 * sums[-1]) ** 2 + 1e-30
    return np.where(energies > least, products / np.sqrt(np.maximum(energies, least)), 0.0)


def beat(onsets: Array, frame_rate: float) -> float:
    """Returns the highest autocorrelation of the onset strength at periods of 0.3 to 2 s.

    Args:
        onsets: Onset strength, shape (time,).
        frame_rate: Its values a second.

    Returns:
        1 for onsets that repeat exactly, about 0 for none or irregular ones; NaN for less than
        twice the longest period.
    """
    if len(onsets) < 2 * LONGEST * frame_rate:
        return float("nan")
    return float(_periodicity(onsets, frame_rate).max(initial=0.0))


def tempo_steadiness(onsets: Array, frame_rate: float) -> float:
    """Returns the share of 8 s stretches whose beat period is that of the whole.

    Half and twice the period count as the same: where the beat is clear, its octave need not be.

    Args:
        onsets: Onset strength, shape (time,).
        frame_rate: Its values a second.

    Returns:
        0 to 1; NaN for less than two stretches.
    """
    size, hop = round(WINDOW * frame_rate), round(WINDOW / 4 * frame_rate)
    if len(onsets) < 2 * size:
        return float("nan")
    first = round(SHORTEST * frame_rate)
    period = first + _period(_periodicity(onsets, frame_rate))
    agreeing = [
        _same(first + _period(found), period) and found.max() > 0
        for start in range(0, len(onsets) - size + 1, hop)
        for found in [_periodicity(onsets[start : start + size], frame_rate)]
    ]
    return float(np.mean(agreeing))


def _periodicity(onsets: Array, frame_rate: float) -> Array:
    """Returns the autocorrelation at periods from :data:`SHORTEST` to :data:`LONGEST`."""
    lags = autocorrelation(onsets, round(LONGEST * frame_rate) + 1)
    return lags[round(SHORTEST * frame_rate) :]


def _period(strengths: Array) -> int:
    """Returns the place of the shortest period that is about as strong as the strongest.

    What comes again after a beat does so after two and three of them, and chance says which of
    these is the strongest.
    """
    place = int((strengths >= ABOUT * strengths.max()).argmax())
    while place + 1 < len(strengths) and strengths[place + 1] > strengths[place]:
        place += 1
    return place


def _same(one: int, other: int) -> bool:
    """Returns whether two periods in frames are one, or one half or twice the other."""
    return any(
        abs(one * factor - other) <= max(TOLERANCE * other, factor) for factor in (0.5, 1.0, 2.0)
    )
