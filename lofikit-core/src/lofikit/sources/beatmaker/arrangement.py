"""The form of a song: sections of bars, who plays in each, and the chords of every bar."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

from lofikit.sources.beatmaker.harmony import LOOPS, Chord, Key
from lofikit.sources.beatmaker.score import STEPS, random_stream


@dataclass(frozen=True, slots=True)
class Section:
    """A run of bars with one line-up.

    Attributes:
        name: "intro", "verse", "hook" or "break".
        bars: Its length.
        drums: "out", "hats" (no kick or snare) or "full".
        bass: Whether the bass plays.
        lead: Whether the lead plays.
        dark: Whether the keys are heard through a closed filter.
    """

    name: str
    bars: int
    drums: str = "full"
    bass: bool = True
    lead: bool = False
    dark: bool = False


INTROS = (
    (Section("intro", 2, drums="out", bass=False, dark=True),),
    (Section("intro", 2, drums="out", bass=False, lead=True),),
    (
        Section("intro", 2, drums="out", bass=False, dark=True),
        Section("intro", 2, drums="hats", dark=True),
    ),
)
VERSE = Section("verse", 4)
HOOK = Section("hook", 4, lead=True)
LONG_HOOK = Section("hook", 8, lead=True)
BREAK = Section("break", 2, drums="out", bass=False, dark=True)
SOLO_BREAK = Section("break", 2, drums="hats", bass=False, lead=True)
BASS_BREAK = Section("break", 2, drums="out", lead=True)
# After the intro a song goes round one of these for as long as it is asked to last.
CYCLES = (
    (VERSE, HOOK, BREAK, VERSE, LONG_HOOK, SOLO_BREAK),
    (VERSE, VERSE, BASS_BREAK, LONG_HOOK, BREAK),
    (HOOK, VERSE, SOLO_BREAK, HOOK, VERSE, BREAK),
    (VERSE, LONG_HOOK, BREAK, VERSE, HOOK, BASS_BREAK),
)


@dataclass(frozen=True, slots=True)
class Change:
    """A chord and the stretch of its bar that it holds, in sixteenths."""

    step: int
    steps: int
    chord: Chord


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of the plan.

    Attributes:
        index: Its number in the song, from 0.
        position: Its number within its section, from 0.
        occurrence: Which section of the song it belongs to, counted from 0.
        section: That section.
        changes: Its chords, in order, filling the bar.
        following: The first chord of the next bar.
        next_drums: What the drums do in the next bar, as in `Section.drums`.
    """

    index: int
    position: int
    occurrence: int
    section: Section
    changes: tuple[Change, ...]
    following: Chord
    next_drums: str

    @property
    def closes_section(self) -> bool:
        """Whether this is the last bar of its section."""
        return self.position == self.section.bars - 1

    def chord_at(self, step: int) -> Chord:
        """The chord that sounds at a sixteenth of this bar."""
        return next(change.chord for change in reversed(self.changes) if change.step <= step)


def choose_key(seed: int) -> Key:
    """The key of a song."""
    rng = random_stream(seed, "key")
    mode = str(rng.choice(("major", "minor", "dorian"), p=(0.4, 0.4, 0.2)))
    return Key(int(rng.integers(12)), mode)


def arrange(seed: int, key: Key, bars: int) -> tuple[Bar, ...]:
    """The first bars of a song without end.

    Args:
        seed: The song's seed.
        key: Its key.
        bars: How many bars are wanted.
    """
    # One bar more, since every bar knows what follows it.
    plan = tuple(itertools.islice(_bars(seed, key), bars + 1))
    return tuple(
        Bar(index, position, occurrence, section, _changes(chords), after[3][0], after[2].drums)
        for index, ((position, occurrence, section, chords), after) in enumerate(
            itertools.pairwise(plan)
        )
    )


def _sections(seed: int) -> Iterator[Section]:
    rng = random_stream(seed, "form")
    yield from INTROS[rng.integers(len(INTROS))]
    yield from itertools.cycle(CYCLES[rng.integers(len(CYCLES))])


def _bars(seed: int, key: Key) -> Iterator[tuple[int, int, Section, tuple[Chord, ...]]]:
    rng = random_stream(seed, "loops")
    verse, hook = (
        key.loop(LOOPS[key.mode][choice])
        for choice in rng.choice(len(LOOPS[key.mode]), size=2, replace=False)
    )
    # Half of the songs stay on one loop throughout, as many beats do.
    if rng.random() < 0.5:
        hook = verse
    for occurrence, section in enumerate(_sections(seed)):
        loop = hook if section.name == "hook" else verse
        rng = random_stream(seed, "chords", occurrence)
        for position in range(section.bars):
            # Counted from the end: a section of two bars plays the loop's second half, so that
            # every section begins where a loop does or runs into one that does.
            chords = loop[(position - section.bars) % len(loop)]
            closing = (position - section.bars) % len(loop) == len(loop) - 1
            if closing and len(chords) == 1 and rng.random() < 0.4:
                target = loop[0][0]
                if chords[0].root not in ((target.root + 7) % 12, (target.root + 1) % 12):
                    chords = (chords[0], key.approach(target, rng))
            yield position, occurrence, section, chords


def _changes(chords: tuple[Chord, ...]) -> tuple[Change, ...]:
    steps = STEPS // len(chords)
    return tuple(Change(number * steps, steps, chord) for number, chord in enumerate(chords))
