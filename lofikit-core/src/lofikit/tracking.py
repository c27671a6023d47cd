"""Finds the beats of music that keeps a tempo, from some seconds of it on.

The period is how onsets repeat after half a beat, a beat, two, four and eight: a bar comes again
more exactly than a beat does, and a tempo in a wrong ratio has no bars. (Of 240 excerpts of 8 and
5 s, it has the tempo of 99 %, and librosa's tracker, which looks for likely beats, of 57 %: see
benchmarks/tempo.py.) Where beats fall is then where a comb of that period meets the strongest
onsets.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lofikit.onsets import RISE, onset_strength
from lofikit.spectrum import FAINTEST, Samples, spectrum

Array = NDArray[np.float64]

RATE = 11_025
"""Rate in Hz that beats are tracked at."""
HOP = 128
"""Samples from one onset strength to the next."""
BANDS = 4
"""Bands whose onsets count alike, however loud they are."""
SLOWEST_BPM, FASTEST_BPM = 56.0, 120.0
"""Tempos that are told apart from half and twice of them; wider than lo-fi's."""
USUAL_BPM = 85.0
"""Tempo that is likeliest before anything is heard: lo-fi lies between 70 and 90."""
USUAL = 0.1
"""What an octave from the usual tempo costs, as a correlation."""
REPEATS = {0.5: 0.5, 1.0: 1.0, 2.0: 1.0, 4.0: 1.5, 8.0: 1.5}
"""After how many beats onsets should come again, and how much that counts."""
SPAN = 8.0
"""Seconds that are looked at together; longer music may drift."""
DRIFT = 0.03
"""How far the period of a span may lie from that of the whole."""
LEAST = 4
"""Fewer beats than this are no beat."""
LEAST_REPEAT = 0.2
"""How much onsets come again at least; those of noise do by up to 0.18, of music from 0.4 on."""
STILL = 0.7
"""Deviation of a band's onset strength in dB below which nothing begins; of music it is above 1."""
NONE = np.zeros(0)


def find_beats(samples: Samples) -> Array:
    """Returns when the beats of music fall, in seconds, ascending; none without a beat.

    Args:
        samples: Mono, at :data:`RATE`, shape (n,).
    """
    seen = spectrum(samples, RATE, HOP)
    levels = seen.levels(FAINTEST)
    bands = np.array_split(levels, BANDS, axis=1)
    if len(levels) / seen.frame_rate < 2 * 60.0 / SLOWEST_BPM:
        return NONE
    curves = np.stack([onset_strength(band, seen.frame_rate) for band in bands])
    curves = curves[curves.std(axis=1) > STILL]
    if not len(curves):
        return NONE
    curves /= curves.std(axis=1, keepdims=True)
    # What rises over some time is seen half of that late.
    first = float(seen.centres[-curves.shape[1]]) / RATE - RISE / 2
    slowest, fastest = (seen.frame_rate * 60.0 / bpm for bpm in (SLOWEST_BPM, FASTEST_BPM))
    period = _period(curves, seen.frame_rate, fastest, slowest, LEAST_REPEAT)
    if period is None:
        return NONE
    frames = _followed(curves, seen.frame_rate, period)
    times = first + frames / seen.frame_rate
    times = times[(times >= 0) & (times < len(samples) / RATE)]
    return times if len(times) >= LEAST else NONE


def _period(
    curves: Array, frame_rate: float, shortest: float, longest: float, least: float
) -> float | None:
    """Returns the likeliest period of curves (bands, n), in frames, between two of them.

    ``None`` where they come again less than ``least`` after every period.
    """
    length = curves.shape[1]
    flat = curves - curves.mean(axis=1, keepdims=True)
    power = np.square(np.abs(np.fft.rfft(flat, 2 * length))).sum(axis=0)
    again = np.fft.irfft(power)[:length]
    periods = np.geomspace(shortest, longest, 400)
    lags = np.arange(length)
    scores = np.zeros(len(periods))
    for beats, weight in REPEATS.items():
        scores += weight * np.interp(beats * periods, lags, again / again[0], right=0.0)
    octaves = np.log2(periods * USUAL_BPM / 60.0 / frame_rate)
    best = int(np.argmax(scores - USUAL * np.square(octaves)))
    return float(periods[best]) if scores[best] >= least else None


def _followed(curves: Array, frame_rate: float, period: float) -> Array:
    """Returns beats (frames) that follow the music from span to span.

    A span whose beats lie more than a quarter of a beat off says nothing: strong off-beats look
    like beats. Which of the two are beats is what the most spans say.
    """
    strength = curves.sum(axis=0)
    size = round(SPAN * frame_rate)
    starts = range(0, max(1, len(strength) - size // 2), size // 2)
    centres, places, periods = [], [], []
    for start in starts:
        span = slice(start, start + size)
        part = curves[:, span]
        near = period / (1 + DRIFT), period * (1 + DRIFT)
        own = _period(part, frame_rate, *near, LEAST_REPEAT) or period
        centre = start + part.shape[1] / 2
        # The beat nearest to the middle, in beats from there.
        place = (start + _comb(strength[span], own) - centre) / own
        centres.append(centre)
        places.append(place)
        periods.append(own)
    walks = [_walk(centres, places, periods, shift) for shift in (0.0, 0.5)]
    counts, usual = max(walks, key=lambda walk: walk[1])[0], float(np.median(periods))
    ends = np.array([0.0, len(strength) - 1.0])
    before = counts[0] + (ends[0] - centres[0]) / usual
    after = counts[-1] + (ends[1] - centres[-1]) / usual
    known = np.array([before, *counts, after])
    whole = np.arange(np.ceil(before), np.floor(after) + 1)
    return np.asarray(np.interp(whole, known, np.array([ends[0], *centres, ends[1]])))


def _walk(
    centres: list[float], places: list[float], periods: list[float], shift: float
) -> tuple[list[float], int]:
    """Returns the beats passed at the middle of each span, and how many spans agree."""
    count, counts, agreed = shift - places[0], [], 0
    for index, place in enumerate(places):
        if index:
            apart = centres[index] - centres[index - 1]
            count += apart / float(np.median(periods[index - 1 : index + 1]))
        off = (-place - count + 0.5) % 1.0 - 0.5
        if abs(off) < 0.25:
            count += off
            agreed += 1
        counts.append(count)
    return counts, agreed


def _comb(strength: Array, period: float) -> float:
    """Returns the frame of the first tooth of a comb that meets the strongest onsets."""
    shifts = np.arange(0.0, period, 0.5)
    teeth = shifts[:, None] + period * np.arange(int((len(strength) - 1) // period) + 1)
    met = np.interp(teeth, np.arange(len(strength)), strength, right=np.nan)
    return float(shifts[np.argmax(np.nanmean(met, axis=1))])
