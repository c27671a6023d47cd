"""Compose, play, mix: from a seed to a song and its stems."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lofikit.sources.beatmaker.arrangement import Bar, arrange, choose_key
from lofikit.sources.beatmaker.drum_kit import build_kit, play_kit
from lofikit.sources.beatmaker.drum_patterns import Drummer
from lofikit.sources.beatmaker.harmony import Key
from lofikit.sources.beatmaker.instruments import BASS, ELECTRIC_PIANO, LEADS, play
from lofikit.sources.beatmaker.parts import comp, sing, walk_bass
from lofikit.sources.beatmaker.score import Groove, Hit, Samples, random_stream
from lofikit.sources.beatmaker.tape import (
    chorus,
    duck,
    echo,
    low_pass,
    read_at,
    saturate,
    tremolo,
    wobble,
)
from lofikit.sources.beatmaker.texture import vinyl
from lofikit.sources.beatmaker.titles import draw_title

LOWEST_RATE = 4000
LEVEL = 10 ** (-16 / 20)
"""RMS of a mix: -16 dBFS, unless its peaks allow less."""
CEILING = 0.95


@dataclass(frozen=True, slots=True, eq=False)
class Song:
    """A song with everything that is known about it.

    Attributes:
        title: Its title.
        tempo: Beats per minute, 70 to 90.
        key: Tonic and mode, such as "Eb minor".
        swing: Where in an eighth note its second sixteenth falls: 0.5 is straight, 2/3 triplets.
        sample_rate: In Hz.
        beats: Times of the beats in seconds, from 0; every fourth begins a bar.
        chords: Start in seconds and name of each chord, such as (3.2, "Fm9").
        stems: "drums", "bass", "keys" (electric piano and lead) and "texture" (the record's
            noise), float32 of shape (2, samples).
    """

    title: str
    tempo: float
    key: str
    swing: float
    sample_rate: int
    beats: NDArray[np.float64]
    chords: tuple[tuple[float, str], ...]
    stems: dict[str, Samples]

    @property
    def mix(self) -> Samples:
        """The sum of the stems, within [-1, 1], shape (2, samples)."""
        return _sum(self.stems)


def compose(seed: int, seconds: float, sample_rate: int = 44100) -> Song:
    """Make a lo-fi song.

    The same arguments give the same bytes on one machine. A longer song of the same seed begins
    as a shorter one does, but for its overall level and the fade at the end.

    Args:
        seed: Which song; any integer from 0.
        seconds: Its length. At 44.1 kHz a second of song takes some 5 MB while it is made.
        sample_rate: In Hz. A lower rate gives the same song with its top cut off, sooner.

    Raises:
        ValueError: If the seed is negative, the length not a positive number, or the sample rate
            below 4000 Hz.
    """
    if seed < 0:
        raise ValueError(f"the seed of a song must be 0 or more, not {seed}")
    if not (seconds > 0 and math.isfinite(seconds)):
        raise ValueError(f"the length of a song must be more than 0 seconds, not {seconds}")
    if sample_rate < LOWEST_RATE:
        raise ValueError(
            f"the sample rate of a song must be at least {LOWEST_RATE} Hz, not {sample_rate}"
        )
    rng = random_stream(seed, "song")
    groove = Groove(round(rng.uniform(70, 90), 1), round(rng.uniform(0.54, 0.64), 3))
    key = choose_key(seed)
    bars = arrange(seed, key, math.floor(seconds / groove.bar) + 1)
    return Song(
        title=draw_title(rng),
        tempo=groove.tempo,
        key=str(key),
        swing=groove.swing,
        sample_rate=sample_rate,
        beats=np.arange(0, seconds, groove.beat),
        chords=_chord_track(bars, groove, seconds),
        stems=_record(seed, key, bars, groove, max(1, round(seconds * sample_rate)), sample_rate),
    )


def _record(
    seed: int, key: Key, bars: tuple[Bar, ...], groove: Groove, samples: int, sample_rate: int
) -> dict[str, Samples]:
    hits = Drummer(seed, groove).play(bars)
    # One tape, one wobble: everything that has a pitch is read through it.
    shift = wobble(seed, samples, sample_rate)

    drums = play_kit(build_kit(seed, sample_rate), hits, samples, sample_rate)
    drums = low_pass(saturate(drums, 1.3), 7000, sample_rate)

    bass = play(BASS, walk_bass(seed, bars, groove), samples, sample_rate)
    bass = low_pass(saturate(read_at(bass, shift), 1.5), 1500, sample_rate)

    stems = {
        "drums": drums,
        "bass": np.stack([bass, bass]),
        "keys": _keys(seed, key, bars, groove, hits, shift, sample_rate),
        "texture": vinyl(seed, samples, sample_rate),
    }
    return _levelled(stems, sample_rate)


def _keys(
    seed: int,
    key: Key,
    bars: tuple[Bar, ...],
    groove: Groove,
    hits: list[Hit],
    shift: Samples,
    sample_rate: int,
) -> Samples:
    """Electric piano and lead, ducked by the kick."""
    samples = shift.size
    rng = random_stream(seed, "keys sound")
    piano = play(ELECTRIC_PIANO, comp(seed, bars, groove), samples, sample_rate)
    voice = LEADS[rng.integers(len(LEADS))]
    lead = play(voice, sing(seed, bars, groove, key), samples, sample_rate)
    # Repeats at three sixteenths, the dotted eighth of every delay pedal.
    lead = echo(lead, 0.75 * groove.beat, sample_rate)

    stereo = chorus(saturate(piano, 1.2) + lead, shift, sample_rate)
    tremolo(stereo, rng.uniform(3.6, 5.2), rng.uniform(0.15, 0.4), sample_rate)
    stereo = low_pass(stereo, rng.uniform(2600, 4200), sample_rate)
    muffled = low_pass(stereo, 520, sample_rate)
    stereo += _darkness(bars, groove, samples, sample_rate) * (muffled - stereo)
    stereo *= duck(hits, 0.38, samples, sample_rate)
    return stereo


def _darkness(bars: tuple[Bar, ...], groove: Groove, samples: int, sample_rate: int) -> Samples:
    """How far the filter is closed at each sample: 0 is open, 1 is shut.

    It opens over the last bar of a dark section, and shuts within a sixteenth.
    """
    times, values = [0.0], [float(bars[0].section.dark)]
    for bar in bars:
        start, end = groove.time(bar.index, 0), groove.time(bar.index + 1, 0)
        if bar.section.dark and not bar.next_section.dark:
            times += [start, end]
            values += [1.0, 0.0]
        elif bar.next_section.dark and not bar.section.dark:
            times += [end, end + groove.beat / 4]
            values += [0.0, 1.0]
    return np.interp(np.arange(samples) / sample_rate, times, values).astype(np.float32)


def _levelled(stems: dict[str, Samples], sample_rate: int) -> dict[str, Samples]:
    """Fade the end, and bring the mix to its level: the same gain for all stems."""
    samples = stems["keys"].shape[-1]
    fade = min(3 * sample_rate, samples // 10)
    mix = _sum(stems)
    rms = float(np.sqrt(np.mean(np.square(mix), dtype=np.float64)))
    peak = float(np.max(np.abs(mix)))
    gain = np.float32(min(LEVEL / rms, CEILING / peak))
    envelope = np.full(samples, gain)
    envelope[samples - fade :] *= np.linspace(1, 0, fade, dtype=np.float32) ** 2
    return {name: stem * envelope for name, stem in stems.items()}


def _sum(stems: dict[str, Samples]) -> Samples:
    total = np.zeros_like(stems["keys"])
    for stem in stems.values():
        total += stem
    return total


def _chord_track(
    bars: tuple[Bar, ...], groove: Groove, seconds: float
) -> tuple[tuple[float, str], ...]:
    changes = (
        (groove.time(bar.index, change.step), change.chord.name)
        for bar in bars
        for change in bar.changes
    )
    return tuple((start, name) for start, name in changes if start < seconds)
