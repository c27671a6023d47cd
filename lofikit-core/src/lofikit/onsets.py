"""How strongly sounds begin, how loud music is, and its groove: both over some beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lofikit.spectrum import FAINTEST, RANGE, Samples, spectrum, window_size

Array = NDArray[np.float64]

RISE = 0.04
"""Time within which a sound begins, in seconds."""
LEVEL_SECONDS = 0.06
"""What a level is the mean of."""
BEATS = (8, 4)
"""Lengths of a groove in beats; the first that the music has is taken."""


def onset_strength(levels: NDArray[np.float32], frame_rate: float) -> Array:
    """Returns how much louder bands became in the last 40 ms, in dB.

    The mean over bands of what rose (Boeck and Widmer, "Maximum filter vibrato suppression for
    onset detection", DAFx 2013, without the filter).

    Args:
        levels: Levels of mel bands in dB, shape (time, bands).
        frame_rate: Frames a second.

    Returns:
        Shape (n,), ``n`` being less than ``time`` by the frames of the first 40 ms.
    """
    lag = _lag(frame_rate)
    now = levels[lag:]
    # What was silence, or nearly, had a level: 80 dB below the loudest band that there is now.
    before = np.maximum(levels[:-lag], now.max(axis=1, keepdims=True) - RANGE)
    rises = np.maximum(now - before, 0.0)
    return np.asarray(rises.mean(axis=1), dtype=np.float64)


def _lag(frame_rate: float) -> int:
    return max(1, round(RISE * frame_rate))


def onset_curves(samples: Samples, rate: int, bands: int = 1, hop: int | None = None) -> Samples:
    """Returns the onset strength at each sample, in dB.

    It depends on the samples of some 70 ms before and 30 ms after. What lies before the first
    sample and after the last is taken to be like what is nearest.

    Args:
        samples: Shape (batch, n).
        rate: Sample rate in Hz.
        bands: Bands that are told apart, of about the same width on the mel scale, the lowest
            first.
        hop: A shift of the samples by so many shifts the strengths by as many, and changes none;
            ``None`` where that does not matter.

    Returns:
        float32, shape (bands, batch, n).
    """
    batch, length = samples.shape
    curves = np.zeros((bands, batch, length), np.float32)
    usual = window_size(rate) // 4
    part_of_hop = Fraction(hop, -(-hop // usual)) if hop else usual
    for row, line in enumerate(samples):
        seen = spectrum(line, rate, part_of_hop)
        levels = seen.levels(FAINTEST)
        lag = _lag(seen.frame_rate)
        if len(levels) <= lag:
            continue
        centres = seen.centres[lag:]
        for band, part in enumerate(np.array_split(levels, bands, axis=1)):
            strength = onset_strength(part, seen.frame_rate)
            curves[band, row] = np.interp(np.arange(length), centres, strength)
    return curves


def level_curve(samples: Samples, rate: int) -> Samples:
    """Returns how loud music is about each sample, in dBFS RMS.

    Args:
        samples: Shape (batch, n). What lies beyond their ends is taken to be like what is nearest.
        rate: Sample rate in Hz.

    Returns:
        float32, shape (batch, n); -120 for silence.
    """
    from scipy.ndimage import uniform_filter1d

    if not samples.size:
        return np.zeros(samples.shape, np.float32)
    power = np.square(samples, dtype=np.float64)
    size = max(1, round(LEVEL_SECONDS * rate))
    mean = uniform_filter1d(power, size, axis=1, mode="nearest")
    return np.asarray(10 * np.log10(np.maximum(mean, 1e-12)), dtype=np.float32)


def heard_signals(
    samples: Samples, rate: int, names: Sequence[str], hop: int | None = None
) -> dict[str, Samples]:
    """Returns those signals of some names that are heard in music: onsets and level.

    Args:
        samples: Shape (batch, n).
        rate: Sample rate in Hz.
        names: Of signals; see :data:`lofikit.representations.base.Signals`.
        hop: As of :func:`onset_curves`.

    Returns:
        A curve each, shape (batch, n), in the order of the names.
    """
    bands = [name for name in names if name.startswith("onsets")]
    heard: dict[str, Samples] = {}
    if bands:
        heard |= zip(bands, onset_curves(samples, rate, len(bands), hop), strict=True)
    if "dynamics" in names:
        heard["dynamics"] = level_curve(samples, rate)
    return {name: heard[name] for name in names if name in heard}


@dataclass(frozen=True)
class Groove:
    """What is heard in some beats of music, which go round and round.

    Attributes:
        counts: Beats passed, ascending, over as many beats as the groove is long.
        curves: Onset strengths and levels there in dB, shape (signals, n).
    """

    counts: NDArray[np.float32]
    curves: NDArray[np.float32]

    def at(self, counts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the curves at any counts of beats (n,), shape (signals, n)."""
        end = float(self.counts[-1])
        beats = round(end - float(self.counts[0]))
        inside = end - beats + np.mod(np.asarray(counts, np.float64) - end, beats)
        curves = [np.interp(inside, self.counts, curve) for curve in self.curves]
        return np.array(curves, np.float32)


def groove(curves: NDArray[np.float32], counts: NDArray[np.float32]) -> Groove | None:
    """Returns the groove that music ends with: its last eight beats, or its last four.

    Args:
        curves: Onset strengths and levels at each sample in dB, shape (signals, n).
        counts: Beats passed at each sample, shape (n,); NaN where there is no beat.

    Returns:
        The groove, or ``None`` where there is no beat, or too little of it.
    """
    if not len(counts) or np.isnan(counts).any():
        return None
    for beats in BEATS:
        first = int(np.searchsorted(counts, counts[-1] - beats, side="right")) - 1
        if first >= 0:
            return Groove(counts[first:], curves[:, first:])
    return None
