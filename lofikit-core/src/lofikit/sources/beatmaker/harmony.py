"""Keys, jazz chords, four-bar loops of them, and voice leading."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

import numpy as np

FLATS = ("C", "Db", "D", "Eb", "E", "F", "Gb", "G", "Ab", "A", "Bb", "B")
SHARPS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")

# Semitones above the root of the four tones that the keys play. The bass has the root, so most
# voicings leave it out and spend the finger on a ninth or a thirteenth.
VOICINGS: dict[str, tuple[int, int, int, int]] = {
    "maj9": (4, 7, 11, 14),
    "6/9": (4, 7, 9, 14),
    "m7": (3, 7, 10, 12),
    "m9": (3, 7, 10, 14),
    "m11": (3, 10, 14, 17),
    "m6": (3, 7, 9, 12),
    "m7b5": (3, 6, 10, 12),
    "13": (4, 9, 10, 14),
    "9": (4, 7, 10, 14),
    "9sus": (5, 7, 10, 14),
    "7b9": (4, 7, 10, 13),
    "7alt": (4, 8, 10, 15),
}

# Four-bar loops, written with C as the tonic and transposed to the song's key.
LOOPS: dict[str, tuple[str, ...]] = {
    "major": (
        "Dm9 | G13 | Cmaj9 | Am9",
        "Cmaj9 | Am9 | Dm9 | G13",
        "Fmaj9 | Em7 | Dm9 | Cmaj9",
        "Fmaj9 | E7alt | Am9 | Gm9 C13",
        "Cmaj9 | Em7 | Fmaj9 | Fm6",
        "Dm9 G13 | Em7 A7alt | Dm9 G9sus | C6/9",
    ),
    "minor": (
        "Cm9 | Fm9 | Bb13 | Ebmaj9",
        "Abmaj9 | G7alt | Cm9 | Ebmaj9",
        "Dm7b5 | G7b9 | Cm9 | Cm11",
        "Cm9 | Abmaj9 | Ebmaj9 | Bb9sus",
        "Abmaj9 Bb13 | Cm9 | Fm9 | G7alt",
        "Fm9 Bb13 | Ebmaj9 Abmaj9 | Dm7b5 G7alt | Cm9",
    ),
    "dorian": (
        "Cm9 | F13 | Cm11 | F13",
        "Cm11 | Dm7 | Ebmaj9 | Dm7",
        "Cm9 | Ebmaj9 | Bbmaj9 | F13",
        "Ebmaj9 | Dm7 | Cm9 | F9sus F13",
    ),
}

PENTATONICS: dict[str, tuple[int, ...]] = {
    "major": (0, 2, 4, 7, 9),
    "minor": (0, 3, 5, 7, 10),
    "dorian": (0, 3, 5, 7, 10),
}

LOWEST, HIGHEST, CENTRE = 52, 76, 62
"""The keys' register, as MIDI notes: below E3 close voicings turn to mud."""


@dataclass(frozen=True, slots=True)
class Chord:
    """A chord: `root` as a pitch class (0 is C), `quality` a key of `VOICINGS`, `name` spelled."""

    root: int
    quality: str
    name: str

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        """The tones that the keys play, lowest of the stacked chord first."""
        return tuple((self.root + tone) % 12 for tone in VOICINGS[self.quality])

    @property
    def fifth(self) -> int:
        """Semitones from the root to the chord's fifth."""
        return {"m7b5": 6, "7alt": 8}.get(self.quality, 7)


@dataclass(frozen=True, slots=True)
class Key:
    """A tonic (pitch class, 0 is C) and a mode, a key of `LOOPS`."""

    tonic: int
    mode: str

    @property
    def spelling(self) -> tuple[str, ...]:
        """Names of the twelve pitch classes, with the accidentals of the key's signature."""
        above_relative_major = {"major": 0, "minor": 3, "dorian": 10}[self.mode]
        sharps = (7, 2, 9, 4, 11)  # G, D, A, E and B major
        return SHARPS if (self.tonic + above_relative_major) % 12 in sharps else FLATS

    def __str__(self) -> str:
        return f"{self.spelling[self.tonic]} {self.mode}"

    def chord(self, root: int, quality: str) -> Chord:
        """The chord of a quality on a pitch class, named as this key spells it."""
        root %= 12
        return Chord(root, quality, self.spelling[root] + quality)

    def loop(self, text: str) -> tuple[tuple[Chord, ...], ...]:
        """A loop of `LOOPS` in this key: the chords of each bar, sharing the bar evenly."""
        return tuple(
            tuple(self._transposed(symbol) for symbol in bar.split()) for bar in text.split("|")
        )

    def _transposed(self, symbol: str) -> Chord:
        match = re.fullmatch(r"([A-G][b#]?)(.+)", symbol)
        assert match, symbol
        root, quality = match.groups()
        pitch_class = FLATS.index(root) if root in FLATS else SHARPS.index(root)
        return self.chord(pitch_class + self.tonic, quality)

    def approach(self, target: Chord, rng: np.random.Generator) -> Chord:
        """A dominant that leads to `target`: its altered fifth, or the tritone substitute."""
        if rng.random() < 0.5:
            return self.chord(target.root + 7, "7alt")
        return self.chord(target.root + 1, "9")


def voice_lead(chord: Chord, previous: tuple[int, ...] | None) -> tuple[int, ...]:
    """Place a chord's four tones so that the voices move least from the chord before.

    Every placement in the keys' register is tried; the cost is the sum of the voices' movements,
    and smaller terms for wandering from the middle of the register, for seconds (a minor one
    grinds, a low one is mud) and for voicings wider than a hand.

    Returns:
        Four MIDI notes, ascending.
    """
    octaves = [
        [pitch for pitch in range(LOWEST, HIGHEST + 1) if pitch % 12 == tone]
        for tone in chord.pitch_classes
    ]
    voicings = (tuple(sorted(pitches)) for pitches in itertools.product(*octaves))
    return min(voicings, key=lambda voicing: (_cost(voicing, previous), voicing))


def _cost(voicing: tuple[int, ...], previous: tuple[int, ...] | None) -> float:
    movement = sum(abs(a - b) for a, b in zip(voicing, previous or voicing, strict=True))
    drift = abs(sum(voicing) / len(voicing) - CENTRE)
    gaps = [high - low for low, high in itertools.pairwise(voicing)]
    seconds = sum(
        4 * (gap == 1) + 3 * (gap <= 2 and low < 57)
        for gap, low in zip(gaps, voicing, strict=False)
    )
    # A semitone under the melody voice is the harshest place for one.
    rub = 6 * (gaps[-1] == 1)
    stretch = max(0, voicing[-1] - voicing[0] - 14)
    return movement + 0.8 * drift + seconds + rub + 2 * stretch
