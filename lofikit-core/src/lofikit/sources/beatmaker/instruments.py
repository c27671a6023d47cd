"""Pitched instruments by modal synthesis: each note is a sum of decaying partials.

A Rhodes is near to this by nature: a struck tine, a stiff bar clamped at one end whose second
bending mode lies at 6.27 times its first (Fletcher and Rossing, The Physics of Musical
Instruments, 2.10), read by a pickup that adds harmonics, more of them the harder it is struck.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lofikit.sources.beatmaker.score import Note, Samples, frequency

BLOCK = 512
LAYERS = 5
"""Velocity layers: how many timbres of a pitch, from soft to hard, are rendered at most."""


@dataclass(frozen=True, slots=True)
class Partial:
    """One decaying sinusoid of a voice.

    Attributes:
        ratio: Its frequency, relative to the note's.
        level: Its amplitude, in a note struck at full velocity.
        decay: Seconds in which it falls by 1/e, for middle C.
        hardness: The power of the velocity that its level follows, beyond the note's own.
    """

    ratio: float
    level: float
    decay: float
    hardness: float = 0.0


@dataclass(frozen=True, slots=True)
class Voice:
    """An instrument: its partials, attack and release in seconds, and its level."""

    partials: tuple[Partial, ...]
    attack: float
    release: float
    level: float


ELECTRIC_PIANO = Voice(
    partials=(
        Partial(1.0, 0.62, 2.1),
        # A second, slightly sharp tine mode: the beating that keeps a long chord alive.
        Partial(1.0011, 0.38, 1.3),
        Partial(2.0, 0.55, 1.1, 0.6),
        Partial(3.0, 0.34, 0.7, 1.0),
        Partial(4.0, 0.22, 0.5, 1.4),
        Partial(5.0, 0.13, 0.4, 1.7),
        Partial(6.0, 0.08, 0.3, 2.0),
        Partial(6.27, 0.14, 0.10, 1.0),
        Partial(17.55, 0.03, 0.03, 1.5),
    ),
    attack=0.003,
    release=0.16,
    level=0.24,
)
BASS = Voice(
    partials=(
        Partial(1.0, 1.0, 0.9),
        Partial(2.0, 0.50, 0.45, 0.4),
        Partial(3.0, 0.24, 0.28, 0.8),
        Partial(4.0, 0.13, 0.20, 1.0),
        Partial(5.0, 0.06, 0.14, 1.4),
        Partial(7.0, 0.03, 0.06, 1.6),
    ),
    attack=0.006,
    release=0.05,
    level=0.25,
)
VIBRAPHONE = Voice(
    partials=(
        Partial(1.0, 0.8, 1.4),
        Partial(1.0013, 0.2, 1.1),
        Partial(3.98, 0.22, 0.35, 0.8),
        Partial(9.9, 0.04, 0.08, 1.2),
    ),
    attack=0.002,
    release=0.35,
    level=0.24,
)
GUITAR = Voice(
    # Plucked a fifth of the way along the string: the fifth harmonic is all but absent.
    partials=tuple(
        Partial(float(h), abs(np.sin(np.pi * h / 5.3)) / h**1.3, 0.75 / h**0.8, 0.2 * h)
        for h in range(1, 9)
    ),
    attack=0.002,
    release=0.12,
    level=0.36,
)
FLUTE = Voice(
    partials=(
        Partial(1.0, 0.9, 6.0),
        Partial(2.0, 0.16, 4.0, 0.8),
        Partial(3.0, 0.07, 3.0, 1.2),
    ),
    attack=0.06,
    release=0.14,
    level=0.17,
)
LEADS = (VIBRAPHONE, GUITAR, FLUTE)


def play(voice: Voice, notes: Iterable[Note], samples: int, sample_rate: int) -> Samples:
    """Render a part.

    Args:
        voice: The instrument.
        notes: What it plays; notes that start after the end are not heard.
        samples: Length of the result.
        sample_rate: In Hz.

    Returns:
        Mono samples, shape (samples,). Each distinct pitch and velocity layer is rendered once.
    """
    bus = np.zeros(samples, np.float32)
    by_tone: dict[tuple[int, int], list[Note]] = {}
    for note in notes:
        by_tone.setdefault((note.pitch, _layer(note.velocity)), []).append(note)
    release = _fade_out(round(voice.release * sample_rate))
    for (pitch, layer), played in by_tone.items():
        longest = max(note.seconds for note in played)
        tone = _tone(voice, pitch, layer, round(longest * sample_rate) + release.size, sample_rate)
        for note in played:
            held = round(note.seconds * sample_rate)
            start = round(note.start * sample_rate)
            heard = tone[: held + release.size] * np.float32(note.velocity)
            heard[held:] *= release[: heard.size - held]
            add_at(bus, heard, start)
    return bus


def add_at(bus: Samples, sound: Samples, start: int) -> None:
    """Add a sound to a bus in place, the last axis being time, cut off where the bus ends."""
    room = max(0, min(sound.shape[-1], bus.shape[-1] - start))
    if room:
        bus[..., start : start + room] += sound[..., :room]


def ring(
    frequencies: ArrayLike,
    levels: ArrayLike,
    decays: ArrayLike,
    samples: int,
    sample_rate: int,
) -> Samples:
    """The sum of decaying sinusoids, each starting at phase zero.

    exp(z(aB + b)) is exp(zaB)·exp(zb): the partials over blocks times the partials within a
    block, so that a note is one small matrix product instead of a sine a sample and partial.

    Args:
        frequencies: In Hz, one for each partial; those near or above Nyquist are left out.
        levels: Amplitudes.
        decays: Seconds to fall by 1/e.
        samples: Length of the result.
        sample_rate: In Hz.
    """
    hertz, level, decay = (np.asarray(a, np.float64) for a in (frequencies, levels, decays))
    audible = hertz < 0.47 * sample_rate
    rate = (2j * np.pi * hertz[audible] - 1 / decay[audible]) / sample_rate
    blocks = -(-samples // BLOCK)
    across = level[audible] * np.exp(np.outer(np.arange(blocks) * BLOCK, rate))
    within = np.exp(np.outer(rate, np.arange(BLOCK)))
    sines: Samples = (across.real @ within.imag + across.imag @ within.real).astype(np.float32)
    return sines.reshape(-1)[:samples]


def _layer(velocity: float) -> int:
    return min(LAYERS - 1, int(velocity * LAYERS))


def _tone(voice: Voice, pitch: int, layer: int, samples: int, sample_rate: int) -> Samples:
    hertz = frequency(pitch)
    hardness = (layer + 0.5) / LAYERS
    # Low strings and long tines ring longer.
    longer = (frequency(60) / hertz) ** 0.5
    tone = ring(
        [hertz * partial.ratio for partial in voice.partials],
        [voice.level * partial.level * hardness**partial.hardness for partial in voice.partials],
        [partial.decay * longer for partial in voice.partials],
        samples,
        sample_rate,
    )
    attack = min(round(voice.attack * sample_rate), samples)
    tone[:attack] *= _fade_out(attack)[::-1]
    return tone


def _fade_out(samples: int) -> Samples:
    """Half a cosine from one to zero."""
    return (0.5 + 0.5 * np.cos(np.linspace(0, np.pi, samples))).astype(np.float32)
