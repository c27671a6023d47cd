"""How strongly sounds begin, and the groove of music: its onsets over some beats."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from lofikit.spectrum import FAINTEST, RANGE, Samples, spectrum, window_size

Array = NDArray[np.float64]

RISE = 0.04
"""Time within which a sound begins, in seconds."""
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


@dataclass(frozen=True)
class Groove:
    """The onsets of some beats of music, which go round and round.

    Attributes:
        counts: Beats passed, ascending, over as many beats as the groove is long.
        strengths: Onset strength there in dB, shape (bands, n).
    """

    counts: NDArray[np.float32]
    strengths: NDArray[np.float32]

    def at(self, counts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Returns the onset strength at any counts of beats (n,), shape (bands, n)."""
        end = float(self.counts[-1])
        beats = round(end - float(self.counts[0]))
        inside = end - beats + np.mod(np.asarray(counts, np.float64) - end, beats)
        curves = [np.interp(inside, self.counts, band) for band in self.strengths]
        return np.array(curves, np.float32)


def groove(strengths: NDArray[np.float32], counts: NDArray[np.float32]) -> Groove | None:
    """Returns the groove that music ends with: its last eight beats, or its last four.

    Args:
        strengths: Onset strength at each sample in dB, shape (bands, n).
        counts: Beats passed at each sample, shape (n,); NaN where there is no beat.

    Returns:
        The groove, or ``None`` where there is no beat, or too little of it.
    """
    if not len(counts) or np.isnan(counts).any():
        return None
    for beats in BEATS:
        first = int(np.searchsorted(counts, counts[-1] - beats, side="right")) - 1
        if first >= 0:
            return Groove(counts[first:], strengths[:, first:])
    return None
