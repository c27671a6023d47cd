"""The pitched parts: what the keys, the bass and the lead play over the bars of a song."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from lofikit.sources.beatmaker.arrangement import Bar, Change
from lofikit.sources.beatmaker.harmony import PENTATONICS, Chord, Key, voice_lead
from lofikit.sources.beatmaker.score import STEPS, Groove, Note, random_stream

Pattern = TypeVar("Pattern")

STEADY = 0.9
"""Share of songs whose keys, and of those whose bass, have a rhythm that comes again within a bar.

It is what gives a stem a beat of its own. In the five stems of accompaniment of three real songs
that is .27 to .95, .44 in the median (the figure of `lofikit.evaluation.rhythm`); here .57 to .64.
"""

# Comping patterns: strokes as (step, length in steps, voices from the bottom). Those of the first
# two sets are for chords that last a bar, those of the third for chords that last half of one.
Stroke = tuple[int, int, tuple[int, ...]]
ALL, UPPER = (0, 1, 2, 3), (1, 2, 3)
STEADY_COMPS: tuple[tuple[Stroke, ...], ...] = (
    ((0, 8, ALL), (8, 8, ALL)),
    ((0, 3, ALL), (4, 3, ALL), (8, 3, ALL), (12, 3, ALL)),
    ((0, 4, (0, 1)), (4, 4, UPPER), (8, 4, (0,)), (12, 4, UPPER)),
    ((0, 16, (0,)), (2, 2, UPPER), (6, 2, UPPER), (10, 2, UPPER), (14, 2, UPPER)),
    ((0, 3, ALL), (3, 5, ALL), (8, 3, ALL), (11, 5, ALL)),
    ((0, 6, ALL), (6, 2, UPPER), (8, 6, ALL), (14, 2, UPPER)),
    ((0, 8, (0, 1)), (2, 6, (2,)), (4, 4, (3,)), (8, 8, (0, 1)), (10, 6, (2,)), (12, 4, (3,))),
)
FREE_COMPS: tuple[tuple[Stroke, ...], ...] = (
    ((0, 16, ALL),),
    ((0, 6, ALL), (7, 9, ALL)),
    ((0, 10, ALL), (11, 5, UPPER)),
    ((0, 3, ALL), (3, 13, ALL)),
    ((0, 16, (0, 1)), (4, 12, (2,)), (7, 9, (3,)), (12, 4, (1,))),
    ((0, 7, ALL), (10, 2, UPPER), (12, 4, ALL)),
    ((0, 16, (0,)), (2, 14, UPPER), (11, 3, (2, 3))),
)
HALF_COMPS: tuple[tuple[Stroke, ...], ...] = (
    ((0, 8, ALL),),
    ((0, 5, ALL), (6, 2, UPPER)),
    ((0, 3, ALL), (3, 5, ALL)),
    ((0, 8, (0, 1)), (2, 6, (2,)), (4, 4, (3,))),
)
BROKEN: tuple[Stroke, ...] = tuple(
    (step, 16 - step, (voice,))
    for step, voice in zip(range(0, 16, 2), (0, 1, 2, 3, 1, 2, 3, 2), strict=True)
)

# Bass patterns: (step, degree); each note lasts until the next. "R" is the root, "5" the fifth,
# "8" the octave, "A" a tone that leads into the next chord's root, "." a rest.
BassPattern = tuple[tuple[int, str], ...]
STEADY_BASSES: tuple[BassPattern, ...] = (
    ((0, "R"), (8, "5")),
    ((0, "R"), (6, "R"), (8, "5"), (14, "A")),
    ((0, "R"), (5, "."), (7, "R"), (8, "5"), (13, "."), (15, "A")),
    ((0, "R"), (3, "8"), (6, "."), (8, "R"), (11, "A"), (14, ".")),
    ((0, "R"), (3, "."), (4, "R"), (7, "."), (8, "R"), (11, "."), (12, "A"), (15, ".")),
    tuple(zip(range(0, 16, 2), ("R", "R", "R", "R", "R", "R", "5", "A"), strict=True)),
)
FREE_BASSES: tuple[BassPattern, ...] = (
    ((0, "R"), (7, "R"), (10, "5"), (14, "A")),
    ((0, "R"), (6, "."), (7, "8"), (8, "R"), (12, "."), (14, "A")),
    ((0, "R"), (10, "R"), (14, "A")),
    ((0, "R"), (3, "R"), (6, "."), (10, "5"), (11, "8"), (14, "A")),
    ((0, "R"), (8, "5"), (12, "8"), (15, "A")),
    ((0, "R"), (5, "."), (7, "R"), (8, "."), (10, "R"), (13, "5"), (15, "A")),
)
HALF_BASSES: tuple[BassPattern, ...] = (
    ((0, "R"), (6, "A")),
    ((0, "R"), (3, "R"), (7, "A")),
    ((0, "R"), (5, "."), (6, "5")),
)
HABITUAL = (0.8, 0.15, 0.05)
"""How often a part plays each of its patterns."""
LOWEST_BASS = 31
"""G1, 49 Hz: roots lie in the octave above it."""

# Rhythms of two-bar melodies: (step, length in steps).
MOTIFS: tuple[tuple[tuple[int, int], ...], ...] = (
    ((4, 3), (7, 3), (10, 6), (20, 4), (26, 6)),
    ((2, 2), (4, 2), (6, 8), (19, 3), (22, 2), (24, 8)),
    ((6, 2), (8, 6), (14, 2), (16, 10)),
    ((0, 6), (7, 3), (10, 4), (16, 3), (19, 11)),
    ((10, 2), (12, 3), (15, 3), (18, 10)),
    ((4, 2), (6, 4), (12, 4), (17, 1), (18, 4), (23, 9)),
)
LEAD_RANGE = range(67, 87)


def _habits(
    steady: tuple[Pattern, ...], free: tuple[Pattern, ...], rng: np.random.Generator
) -> tuple[Pattern, ...]:
    """A song's patterns of one part, the usual one first; see `HABITUAL`."""
    usual = steady if rng.random() < STEADY else free
    chosen = usual[rng.integers(len(usual))]
    others = [pattern for pattern in (*steady, *free) if pattern is not chosen]
    return chosen, *(others[place] for place in rng.permutation(len(others))[:2])


def comp(seed: int, bars: tuple[Bar, ...], groove: Groove) -> list[Note]:
    """The electric piano: every chord, voice-led from the one before, in a few rhythms."""
    rng = random_stream(seed, "comping")
    habits = _habits(STEADY_COMPS, FREE_COMPS, rng)
    half_habits = rng.permutation(len(HALF_COMPS))[:2]
    notes: list[Note] = []
    voicing: tuple[int, ...] | None = None
    for bar in bars:
        rng = random_stream(seed, "keys", bar.index)
        for change in bar.changes:
            voicing = voice_lead(change.chord, voicing)
            if bar.section.name == "break" and change.steps == STEPS:
                strokes = BROKEN
            elif change.steps == STEPS:
                strokes = habits[rng.choice(len(habits), p=HABITUAL)]
            else:
                strokes = HALF_COMPS[rng.choice(half_habits, p=(0.7, 0.3))]
            for stroke in strokes:
                notes += _strum(bar, change, stroke, voicing, groove, rng)
    return notes


def _strum(
    bar: Bar,
    change: Change,
    stroke: Stroke,
    voicing: tuple[int, ...],
    groove: Groove,
    rng: np.random.Generator,
) -> list[Note]:
    step, length, voices = stroke
    step += change.step
    onset = groove.time(bar.index, step) + abs(rng.normal(0.0, 0.006))
    roll = rng.uniform(0.004, 0.016)
    force = rng.normal(0.66 if step % 8 == 0 else 0.54, 0.04)
    end = groove.time(bar.index, step + length)
    return [
        Note(
            start=onset + place * roll,
            seconds=end - onset,
            pitch=voicing[voice],
            # The top voice sings a little.
            velocity=float(np.clip(force + 0.08 * (voice == 3) + rng.normal(0, 0.03), 0.2, 1.0)),
        )
        for place, voice in enumerate(voices)
    ]


def walk_bass(seed: int, bars: tuple[Bar, ...], groove: Groove) -> list[Note]:
    """The bass: roots, fifths and octaves, and a tone that leads into each new root."""
    rng = random_stream(seed, "bass habits")
    habits = _habits(STEADY_BASSES, FREE_BASSES, rng)
    notes: list[Note] = []
    for bar in bars:
        if not bar.section.bass:
            continue
        rng = random_stream(seed, "bass", bar.index)
        targets = [change.chord for change in bar.changes[1:]] + [bar.following]
        for change, target in zip(bar.changes, targets, strict=True):
            if change.steps == STEPS:
                pattern = habits[rng.choice(len(habits), p=HABITUAL)]
            else:
                pattern = HALF_BASSES[rng.integers(len(HALF_BASSES))]
            ends = [step for step, _ in pattern[1:]] + [change.steps]
            for (step, degree), end in zip(pattern, ends, strict=True):
                if degree == ".":
                    continue
                onset = groove.time(bar.index, change.step + step)
                release = groove.time(bar.index, change.step + end)
                notes.append(
                    Note(
                        start=onset + abs(rng.normal(0.004, 0.004)),
                        seconds=0.93 * (release - onset),
                        pitch=_bass_pitch(degree, change.chord, target, rng),
                        velocity=float(
                            np.clip(rng.normal(0.85 if step == 0 else 0.68, 0.05), 0.3, 1.0)
                        ),
                    )
                )
    return notes


def _bass_pitch(degree: str, chord: Chord, target: Chord, rng: np.random.Generator) -> int:
    root = _bass_root(chord)
    if degree == "R":
        return root
    if degree == "8":
        return root + 12
    if degree == "5":
        # The nearer of the fifths above and below that the register has room for.
        below = root + chord.fifth - 12
        return below if below >= LOWEST_BASS else root + chord.fifth
    goal = _bass_root(target)
    if goal == root:
        return root + int(rng.choice((-2, chord.fifth)))
    side = 1 if root > goal else -1
    return goal + side * int(rng.choice((1, 2)))


def _bass_root(chord: Chord) -> int:
    return LOWEST_BASS + (chord.root - LOWEST_BASS) % 12


@dataclass(frozen=True, slots=True)
class _Motif:
    """A two-bar melody: its rhythm, and its contour in steps of the scale from note to note."""

    rhythm: tuple[tuple[int, int], ...]
    contour: tuple[int, ...]

    @classmethod
    def draw(cls, rng: np.random.Generator) -> _Motif:
        rhythm = MOTIFS[rng.integers(len(MOTIFS))]
        steps = rng.choice((-2, -1, 0, 1, 2), p=(0.13, 0.32, 0.1, 0.3, 0.15), size=len(rhythm))
        return cls(rhythm, tuple(int(step) for step in steps))

    def varied(self, rng: np.random.Generator) -> _Motif:
        """The same rhythm, perhaps a note shorter, and another turn of the contour."""
        contour = list(self.contour)
        contour[rng.integers(len(contour))] = int(rng.choice((-2, -1, 1, 2)))
        keep = len(self.rhythm) - int(rng.random() < 0.4)
        return _Motif(self.rhythm[:keep], tuple(contour[:keep]))


def sing(seed: int, bars: tuple[Bar, ...], groove: Groove, key: Key) -> list[Note]:
    """The lead: two-bar calls on the key's pentatonic, varied answers, and rests between them."""
    rng = random_stream(seed, "motif")
    motif = _Motif.draw(rng)
    scale = [pitch for pitch in LEAD_RANGE if (pitch - key.tonic) % 12 in PENTATONICS[key.mode]]
    home = len(scale) // 2 + int(rng.integers(-1, 2))
    notes: list[Note] = []
    for bar in bars:
        # Phrases take two bars: those that start one decide for both.
        if not bar.section.lead or bar.position % 2:
            continue
        rng = random_stream(seed, "lead", bar.index)
        call = bar.position % 4 == 0
        if not call and rng.random() < 0.3:
            continue
        phrase = motif if call and rng.random() < 0.6 else motif.varied(rng)
        place = home if call else home + int(rng.integers(-1, 2))
        for (step, length), move in zip(phrase.rhythm, phrase.contour, strict=True):
            place = int(np.clip(place + move, 0, len(scale) - 1))
            here = bar.index + step // STEPS
            if here >= len(bars):
                break
            pitch = scale[place]
            if length >= 4:
                pitch = _nearest(pitch, bars[here].chord_at(step % STEPS))
            onset = groove.time(bar.index, step) + rng.normal(0.01, 0.006)
            notes.append(
                Note(
                    start=max(onset, 0.0),
                    seconds=groove.time(bar.index, step + length) - onset,
                    pitch=pitch,
                    velocity=float(np.clip(rng.normal(0.62, 0.07), 0.3, 1.0)),
                )
            )
    return notes


def _nearest(pitch: int, chord: Chord) -> int:
    """The chord tone nearest to a pitch: what a melody may rest on."""
    return min(
        (other for other in range(pitch - 3, pitch + 4) if other % 12 in chord.pitch_classes),
        key=lambda other: (abs(other - pitch), other),
        default=pitch,
    )
