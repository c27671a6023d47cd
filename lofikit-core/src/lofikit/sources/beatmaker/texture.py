"""The record under the music: hiss, crackle, a scratch that comes round, hum and rumble."""

from __future__ import annotations

import numpy as np
from scipy import signal

from lofikit.sources.beatmaker.instruments import ring
from lofikit.sources.beatmaker.score import Samples, random_stream
from lofikit.sources.beatmaker.tape import low_pass

REVOLUTION = 60 / (100 / 3)
"""Seconds that an LP of 33 1/3 revolutions a minute takes to turn."""


def vinyl(seed: int, samples: int, sample_rate: int) -> Samples:
    """The noise of one record.

    Args:
        seed: The song's seed: it chooses how worn the record is.
        samples: Length of the result.
        sample_rate: In Hz.

    Returns:
        Shape (2, samples), about 25 dB below the music.
    """
    wear = random_stream(seed, "wear")
    hiss = wear.uniform(0.6, 1.4)
    crackle = wear.uniform(0.5, 1.6)
    mains = float(wear.choice((50.0, 60.0)))
    noise = np.float32(0.009 * hiss) * _hiss(seed, samples, sample_rate)
    noise += _pops(seed, crackle, samples, sample_rate)
    noise += np.float32(0.0022) * ring(
        mains * np.arange(1, 5), (1.0, 0.6, 0.7, 0.25), np.full(4, np.inf), samples, sample_rate
    )
    return noise


def _hiss(seed: int, samples: int, sample_rate: int) -> Samples:
    """Surface noise, falling by 6 dB an octave from 1.2 kHz, and a rumble below 60 Hz."""
    rng = random_stream(seed, "hiss")
    density = np.float32(np.sqrt(sample_rate / 44100))
    # Drawn sample by sample and not side by side, so that more samples begin with the same ones.
    white = density * rng.standard_normal((samples, 2), np.float32).T
    dull = signal.butter(1, min(1200, 0.4 * sample_rate), fs=sample_rate, output="sos")
    deep = signal.butter(1, (15, 60), "bandpass", fs=sample_rate, output="sos")
    hiss: Samples = signal.sosfilt(dull.astype(np.float32), white)
    rumble: Samples = signal.sosfilt(deep.astype(np.float32), white[0])
    return np.float32(3.0) * hiss + np.float32(5.0) * rumble


def _pops(seed: int, crackle: float, samples: int, sample_rate: int) -> Samples:
    """Specks of dust at random, and one scratch that the needle meets at every turn."""
    seconds = samples / sample_rate
    rate = 14.0 * crackle
    gaps, sizes, sides, signs = (
        random_stream(seed, part) for part in ("gaps", "sizes", "sides", "signs")
    )
    count = int(rate * seconds + 6 * np.sqrt(rate * seconds) + 10)
    times = np.cumsum(gaps.exponential(1 / rate, count))
    # Heavy-tailed: mostly ticks that one barely hears, now and then a pop.
    levels = np.minimum(0.008 * crackle * sizes.lognormal(0.0, 0.9, count), 0.08)
    levels *= signs.choice((-1.0, 1.0), count)
    pan = sides.uniform(-0.8, 0.8, count)

    scratch = random_stream(seed, "scratch")
    turns = np.arange(scratch.uniform(0, REVOLUTION), seconds, REVOLUTION)
    turns = turns + scratch.normal(0, 0.0015, turns.size)
    times = np.concatenate([times, turns, turns + 0.011])
    levels = np.concatenate([levels, np.full(2 * turns.size, 0.018 * crackle)])
    pan = np.concatenate([pan, np.full(2 * turns.size, 0.3)])

    place = np.round(times * sample_rate).astype(np.int64)
    heard = (place >= 0) & (place < samples)
    clicks = np.zeros((2, samples), np.float32)
    # An impulse of constant area, which every sample rate hears as the same click.
    height = levels[heard] * sample_rate / 1800
    np.add.at(clicks[0], place[heard], height * np.sqrt((1 - pan[heard]) / 2))
    np.add.at(clicks[1], place[heard], height * np.sqrt((1 + pan[heard]) / 2))
    return low_pass(clicks, 3200, sample_rate)
