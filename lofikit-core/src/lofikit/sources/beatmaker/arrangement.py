"""The form of a song: sections of bars, who plays in each, and the chords of every bar."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

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
        next_section: The section of the next bar.
    """

    index: int
    position: int
    occurrence: int
    section: Section
    changes: tuple[Change, ...]
    following: Chord
    next_section: Section

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
    arranged = []
    for index, ((occurrence, section, position, chords), after) in enumerate(
        itertools.pairwise(plan)
    ):
        _, next_section, next_position, (following, *_) = after
        if next_position == 0 or (position + 1) % 4 == 0:
            rng = random_stream(seed, "turnaround", index)
            chords = _turnaround(rng, key, chords, following)
        arranged.append(
            Bar(
                index=index,
                position=position,
                occurrence=occurrence,
                section=section,
                changes=_changes(chords),
                following=following,
                next_section=next_section,
            )
        )
    return tuple(arranged)


def _sections(seed: int) -> Iterator[Section]:
    rng = random_stream(seed, "form")
    yield from INTROS[rng.integers(len(INTROS))]
    yield from itertools.cycle(CYCLES[rng.integers(len(CYCLES))])


def _bars(seed: int, key: Key) -> Iterator[tuple[int, Section, int, tuple[Chord, ...]]]:
    """Bars without end: number and section they belong to, position within it, chords."""
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
        for position in range(section.bars):
            # Counted from the section's end: one of two bars plays the second half of the loop,
            # and so leads into the start of the next.
            yield occurrence, section, position, loop[(position - section.bars) % len(loop)]


def _turnaround(
    rng: np.random.Generator, key: Key, chords: tuple[Chord, ...], following: Chord
) -> tuple[Chord, ...]:
    """Now and then, half of a loop's last bar given to a dominant of what comes next."""
    leads_already = chords[-1].root in ((following.root + 7) % 12, (following.root + 1) % 12)
    if len(chords) > 1 or leads_already or rng.random() < 0.5:
        return chords
    return (*chords, key.approach(following, rng))


def _changes(chords: tuple[Chord, ...]) -> tuple[Change, ...]:
    steps = STEPS // len(chords)
    return tuple(Change(number * steps, steps, chord) for number, chord in enumerate(chords))
