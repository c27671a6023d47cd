"""What the parts write and the instruments read: notes, hits, the groove, and random streams."""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Samples = NDArray[np.float32]

STEPS = 16
"""Steps in a bar: sixteenth notes of a bar of four beats."""


@dataclass(frozen=True, slots=True)
class Note:
    """A pitched note.

    Attributes:
        start: Onset, in seconds from the start of the song.
        seconds: How long the key is held; the release comes after.
        pitch: MIDI note number (60 is middle C).
        velocity: How hard it is struck, in (0, 1].
    """

    start: float
    seconds: float
    pitch: int
    velocity: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A stroke on one drum of the kit; `start` in seconds, `velocity` in (0, 1]."""

    start: float
    drum: str
    velocity: float


@dataclass(frozen=True, slots=True)
class Groove:
    """The time grid that every part of a song shares.

    Attributes:
        tempo: Beats per minute.
        swing: Where in an eighth note its second sixteenth falls: 0.5 is straight, 2/3 triplets.
    """

    tempo: float
    swing: float

    @property
    def beat(self) -> float:
        """Seconds in a beat."""
        return 60.0 / self.tempo

    @property
    def bar(self) -> float:
        """Seconds in a bar of four beats."""
        return 4 * self.beat

    def time(self, bar: int, step: int) -> float:
        """Seconds from the start of the song to a sixteenth of a bar, swung.

        Args:
            bar: Index of the bar, from 0.
            step: Sixteenth within the bar; 16 and more reach into the next.
        """
        eighth, late = divmod(step, 2)
        return bar * self.bar + (eighth + late * self.swing) * self.beat / 2


def random_stream(seed: int, part: str, *index: int) -> np.random.Generator:
    """A generator that belongs to one part, and if indexed to one bar or section, of a song.

    Every part draws from streams of its own, so that no part's choices move another's and a longer
    song begins as a shorter one of the same seed does.
    """
    return np.random.default_rng([seed, zlib.crc32(part.encode()), *index])


def frequency(pitch: float) -> float:
    """Hertz of a MIDI note number, in equal temperament at A4 = 440 Hz."""
    return 440.0 * math.exp2((pitch - 69) / 12)
