"""Figures of what one hears, measured on samples alone: how a run plays when it runs free.

Each figure sees one way in which free-running models fail: they fall silent or grow, freeze, hiss,
go round in a loop, jump where frames meet, lose the prompt's timbre, or keep no beat. A figure by
itself is easily passed, white noise has a perfect level, and only all of them together say
something; see :mod:`lofikit.evaluation.anchors`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lofikit.evaluation.rhythm import autocorrelation, beat, tempo_steadiness
from lofikit.onsets import onset_strength
from lofikit.silence import block_length
from lofikit.spectrum import Array, Samples, Spectrum, spectrum

LEVEL_SECONDS = 0.25
"""Length of the blocks whose levels are compared."""
END_SECONDS = 5.0
"""How much of a take's end has the end level, at most."""
QUIETEST = -100.0
"""Level in dBFS that is given for silence."""
COLLAPSE_SECONDS = 2.0
"""A take has collapsed once it is too quiet or too loud for this long."""
TOO_QUIET, TOO_LOUD = -30.0, 12.0
"""Levels against the prompt's in dB below and above which a take has collapsed."""
SHORTEST_LAG, LONGEST_LAG = 0.25, 5.0
"""Lags at which repetition is looked for, in seconds."""
STILL = -40.0
"""Level in dB against the prompt's below which what moves in a block counts as nothing."""
_FLATNESS_BAND = (0.02, 0.45)  # of the rate: neither rumble nor the resampler's edge
_LEAST_HOP = 8  # shorter frames have no inside that borders could be compared with


@dataclass(frozen=True)
class Figure:
    """One thing that is measured of a take.

    Attributes:
        name: Its key in what :func:`measure` returns.
        title: Its name in tables.
        unit: Of its values; empty for shares and ratios.
        explanation: What it says, in plain words.
        bad: Which side of what real music has is bad.
    """

    name: str
    title: str
    unit: str
    explanation: str
    bad: Literal["low", "high", "both"] = "both"

    def within(self, value: float, low: float, high: float) -> bool:
        """Returns whether a value is as good as real music's, which lies in [low, high]."""
        return (self.bad == "high" or value >= low) and (self.bad == "low" or value <= high)


FIGURES = (
    Figure(
        "end_level",
        "end level",
        "dB",
        "How much louder the last seconds are than the prompt. Far below: it faded away. "
        "Far above: it ran away.",
    ),
    Figure(
        "modulation",
        "modulation",
        "dB",
        "How much the loudness goes up and down from one quarter of a second to the next. "
        "Low: a steady drone or hiss. High: it breaks off or bursts.",
    ),
    Figure(
        "flatness",
        "flatness",
        "dB",
        "How alike the spectrum is to that of white noise, which has about -2.5 dB. "
        "High: hiss. Low: a bare tone.",
    ),
    Figure(
        "flux",
        "flux",
        "dB",
        "How much the spectrum changes from one moment to the next. "
        "Low: it stands still. High: it is restless, as noise is.",
    ),
    Figure(
        "repetition",
        "repetition",
        "",
        "How exactly the waveform comes again after a quarter of a second to five seconds; "
        "1 is a loop.",
        bad="high",
    ),
    Figure(
        "near_constant",
        "near-constant",
        "",
        "Share of the time in which next to nothing moves: silence, or a value that is held.",
        bad="high",
    ),
    Figure(
        "jumps",
        "jumps",
        "",
        "How much rougher the waveform is where two frames meet than elsewhere; 1 is no rougher.",
        bad="high",
    ),
    Figure(
        "collapse",
        "collapse",
        "s",
        "When it first fell silent, or grew beyond measure, for two seconds; "
        "the whole length if it never did.",
        bad="low",
    ),
    Figure(
        "log_mel_distance",
        "timbre distance",
        "dB",
        "How far the balance of low and high tones is from the prompt's. "
        "High: it sounds like something else. Low: it plays the prompt again.",
    ),
    Figure(
        "beat",
        "beat",
        "",
        "How regularly sounds begin, at the best period between 0.3 and 2 s; 1 is a metronome.",
        bad="low",
    ),
    Figure(
        "tempo_steadiness",
        "tempo steadiness",
        "",
        "Share of eight-second stretches that have the tempo of the whole.",
        bad="low",
    ),
)
"""All figures, in the order of tables."""


def measure(
    samples: Samples, rate: int, prompt: Samples | None = None, hop: int = 1
) -> dict[str, float]:
    """Measures a take.

    Args:
        samples: The new music without its prompt, mono, shape (n,).
        rate: Sample rate in Hz.
        prompt: What it goes on from, mono, shape (m,); ``None`` if that was no music.
        hop: Samples from one frame of the run to the next; 1 if there are no frames.

    Returns:
        A value for each of :data:`FIGURES`; NaN where the take is too short for it, or where it
        compares with a prompt and there is none.
    """
    samples = np.asarray(samples, dtype=np.float32)
    seen = spectrum(samples, rate)
    levels = seen.levels()
    onsets = onset_strength(levels, seen.frame_rate)
    reference = usual_level(samples, rate) if prompt is None else level(prompt)
    nothing = float("nan")
    end_level = distance = nothing
    if prompt is not None:
        end_level = level(samples[-round(END_SECONDS * rate) :]) - reference
        distance = timbre_distance(seen, spectrum(prompt, rate))
    return {
        "end_level": end_level,
        "modulation": modulation(samples, rate),
        "flatness": flatness(seen),
        "flux": float(np.abs(np.diff(levels, axis=0)).mean()) if len(levels) > 1 else nothing,
        "repetition": repetition(samples, rate),
        "near_constant": near_constant(samples, rate, reference),
        "jumps": jumps(samples, hop),
        "collapse": collapse(samples, rate, reference),
        "log_mel_distance": distance,
        "beat": beat(onsets, seen.frame_rate),
        "tempo_steadiness": tempo_steadiness(onsets, seen.frame_rate),
    }


def level(samples: Samples) -> float:
    """Returns the level of what moves, the mean being left out, in dBFS RMS."""
    deviation = float(np.std(samples, dtype=np.float64)) if len(samples) else 0.0
    return float(max(QUIETEST, 20 * np.log10(max(deviation, 1e-12))))


def block_levels(samples: Samples, rate: int, seconds: float = LEVEL_SECONDS) -> Array:
    """Returns the level of each whole block, shape (blocks,), in dBFS RMS without the mean."""
    size = max(2, round(seconds * rate))
    blocks = samples[: len(samples) // size * size].reshape(-1, size)
    deviations = blocks.std(axis=1, dtype=np.float64)
    return np.asarray(np.maximum(QUIETEST, 20 * np.log10(np.maximum(deviations, 1e-12))))


def usual_level(samples: Samples, rate: int) -> float:
    """Returns the level that nine blocks of ten stay below, in dBFS RMS."""
    levels = block_levels(samples, rate)
    return float(np.quantile(levels, 0.9)) if len(levels) else level(samples)


def modulation(samples: Samples, rate: int) -> float:
    """Returns the standard deviation of the levels of 0.25 s blocks, in dB.

    What lies further than 60 dB below the loudest block counts as that.
    """
    levels = block_levels(samples, rate)
    if len(levels) < 2:
        return float("nan")
    return float(np.std(np.maximum(levels, levels.max() - 60.0)))


def flatness(seen: Spectrum) -> float:
    """Returns the median over frames of the spectral flatness, in dB.

    The geometric over the arithmetic mean of the power of the bins (Gray and Markel, "A
    spectral-flatness measure for studying the autocorrelation method of linear prediction of
    speech analysis", IEEE Transactions on ASSP, 1974), of frames that are not silent.
    """
    rate = 2 * seen.frequencies[-1]
    low, high = (edge * rate for edge in _FLATNESS_BAND)
    power = seen.power[:, (seen.frequencies >= low) & (seen.frequencies <= high)]
    means = power.mean(axis=1, dtype=np.float64)
    sounding = means > max(1e-6 * means.max(initial=0.0), 1e-12)
    if not sounding.any():
        return QUIETEST
    logs = np.log10(np.maximum(power[sounding], 1e-10 * means[sounding, None])).mean(axis=1)
    return float(np.median(10 * logs - 10 * np.log10(means[sounding])))


def repetition(samples: Samples, rate: int) -> float:
    """Returns the highest normalised autocorrelation at lags of 0.25 to 5 s.

    Only lags of up to half the take are looked at.
    """
    longest = min(round(LONGEST_LAG * rate), len(samples) // 2)
    shortest = round(SHORTEST_LAG * rate)
    if longest < shortest:
        return float("nan")
    return float(autocorrelation(samples, longest + 1)[shortest:].max())


def near_constant(samples: Samples, rate: int, reference: float) -> float:
    """Returns the share of 50 ms blocks whose level is 40 dB below a reference, or silence."""
    size = block_length(rate)
    levels = block_levels(samples, rate, size / rate)
    if not len(levels):
        return float("nan")
    return float(np.mean(levels <= max(reference + STILL, QUIETEST + 20)))


def jumps(samples: Samples, hop: int) -> float:
    """Returns the mean curvature at frame borders over that elsewhere.

    The curvature is the absolute second difference; two of them reach across a border. Frames of
    fewer than eight samples have too little between their borders, and give 1.
    """
    if hop < _LEAST_HOP or len(samples) < 3 * hop:
        return 1.0
    curvature = np.abs(np.diff(samples.astype(np.float64), n=2))
    middle = np.arange(1, len(curvature) + 1)  # the sample that each is centred on
    border = (middle % hop == 0) | (middle % hop == hop - 1)
    elsewhere = float(curvature[~border].mean())
    return float(curvature[border].mean()) / elsewhere if elsewhere > 0 else 1.0


def collapse(samples: Samples, rate: int, reference: float) -> float:
    """Returns when a take first lies 30 dB below or 12 dB above a level for two seconds.

    Args:
        samples: The take, shape (n,).
        rate: Sample rate in Hz.
        reference: The prompt's level in dBFS RMS.

    Returns:
        Seconds from the beginning; the take's length if that never happens.
    """
    levels = block_levels(samples, rate)
    silence = max(reference + TOO_QUIET, QUIETEST + 20)
    out = (levels <= silence) | (levels >= reference + TOO_LOUD)
    most = round(COLLAPSE_SECONDS / LEVEL_SECONDS)
    if len(out) >= most:
        runs = np.lib.stride_tricks.sliding_window_view(out, most).all(axis=1)
        if runs.any():
            return float(runs.argmax() * LEVEL_SECONDS)
    return len(samples) / rate


def timbre_distance(one: Spectrum, other: Spectrum) -> float:
    """Returns how far apart two mean log-mel spectra are in dB RMS, whatever their levels."""
    means = [seen.levels().mean(axis=0, dtype=np.float64) for seen in (one, other)]
    return float(np.std(means[0] - means[1]))
