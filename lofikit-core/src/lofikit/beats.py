"""Where the beats of clips lie, for models that are told the place in the beat.

Beats are tracked once a clip, on its mix, so that the stems of a clip share them. A source that
knows them (``beats`` among a clip's details, in seconds) is taken at its word.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from lofikit.audio import Audio, quiet_decoders, read_mono, resample
from lofikit.library import Clip, Library
from lofikit.tracking import LEAST, RATE, find_beats

FILE = "beats-2.jsonl"
"""Of a library's samples; another way of tracking has another number."""
STEADY = 16
"""Beats that tell how music goes on."""
SAME_TEMPO, SAME_BEAT = 0.03, 0.12
"""How far apart pulses of one music may be heard: as a share of the period, and in beats."""


@dataclass(frozen=True)
class Beats:
    """The beats of a stretch of music.

    Attributes:
        times: When they fall, in seconds, ascending; empty where there is no beat.
    """

    times: NDArray[np.float64]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """The number of each beat from 0 on; those that a tracker passed over are counted too."""
        apart = np.diff(self.times)
        usual = float(np.median(apart)) if len(apart) else 1.0
        steps = np.maximum(np.rint(apart / usual), 1)
        return np.concatenate([[0], np.cumsum(steps)])[: len(self.times)].astype(np.int64)

    @property
    def period(self) -> float | None:
        """Seconds from one beat to the next, or ``None`` where there is no beat.

        The median over pairs of beats that lie half of all beats apart: a source may put each beat
        on a grid of its own, which neighbours see most of.
        """
        if len(self.times) < LEAST:
            return None
        half, numbers = len(self.times) // 2, self.numbers
        slopes = (self.times[half:] - self.times[:-half]) / (numbers[half:] - numbers[:-half])
        return float(np.median(slopes))

    @property
    def tempo(self) -> float | None:
        """Beats a minute, or ``None`` where there is no beat."""
        return None if self.period is None else 60.0 / self.period

    def count(self, seconds: NDArray[np.floating]) -> NDArray[np.float32]:
        """Returns how many beats have passed since the first, with their fractions.

        Before the first and after the last beat the count goes on at the median period.

        Args:
            seconds: Any times, of any shape.

        Returns:
            Counts of the same shape; NaN where there is no beat.
        """
        period = self.period
        if period is None:
            return np.full(np.shape(seconds), np.nan, np.float32)
        first, last = self.times[0], self.times[-1]
        inside = np.interp(seconds, self.times, self.numbers)
        before = np.minimum(np.asarray(seconds) - first, 0.0) / period
        after = np.maximum(np.asarray(seconds) - last, 0.0) / period
        return np.asarray(inside + before + after, dtype=np.float32)

    def until(self, seconds: float) -> Beats:
        """Returns the beats up to a moment, which becomes time 0.

        Args:
            seconds: The moment.
        """
        return Beats(self.times[self.times <= seconds] - seconds)

    def onwards(self, seconds: float) -> Pulse | None:
        """Returns the steady pulse that the last of these beats go on with.

        It is the line that they lie on in the median, so that one that is off moves nothing.

        Args:
            seconds: When it begins.

        Returns:
            The pulse, or ``None`` where there is no beat.
        """
        last = Beats(self.times[-STEADY:])
        if last.period is None:
            return None
        numbers = last.numbers + self.numbers[-len(last.times)]
        count = float(np.median(numbers + (seconds - last.times) / last.period))
        return Pulse(seconds, count, last.period)


@dataclass(frozen=True)
class Pulse:
    """Beats at one tempo.

    Attributes:
        start: Where it begins, in seconds.
        begun: Beats that have passed there.
        period: Seconds from one beat to the next.
    """

    start: float
    begun: float
    period: float

    def count(self, seconds: NDArray[np.floating]) -> NDArray[np.float32]:
        """Returns how many beats have passed, with their fractions, at any times."""
        return np.asarray(self.begun + (seconds - self.start) / self.period, dtype=np.float32)


def same_tempo(one: Pulse, other: Pulse) -> bool:
    """Returns whether two pulses have one tempo, as far as a tracker can tell."""
    return abs(one.period / other.period - 1) <= SAME_TEMPO


def agree(one: Pulse, other: Pulse) -> bool:
    """Returns whether two pulses are of one music.

    Their tempo is the same, and the beats of one fall on beats or off-beats of the other.

    Args:
        one: A pulse, as a tracker heard it in some bars.
        other: The other one.
    """
    if not same_tempo(one, other):
        return False
    apart = (one.begun - float(other.count(np.array(one.start)))) % 0.5
    return min(apart, 0.5 - apart) <= SAME_BEAT


NO_BEATS = Beats(np.zeros(0))


def track(audio: Audio) -> Beats:
    """Finds the beats of music; see :mod:`lofikit.tracking`.

    Args:
        audio: The music; its channels are averaged.
    """
    return _found(resample(Audio(audio.mono()[None], audio.rate), RATE).samples[0])


def _found(samples: NDArray[np.float32]) -> Beats:
    # Rounded as they are kept, so that a later run reads the very same.
    return Beats(np.round(find_beats(samples), 4))


def tracked(
    library: Library,
    clips: Sequence[Clip],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> dict[str, Beats]:
    """Returns the beats of clips by their ids, tracking those that are not known yet.

    Args:
        library: The library; beats are kept beside its samples.
        clips: The clips.
        progress: Called with the number of clips done and their total.
    """
    folder = library.path / "samples"
    file = folder / FILE
    known = _read(file)
    if any(clip.id not in known for clip in clips):
        folder.mkdir(exist_ok=True)
        with FileLock(f"{file}.lock"):
            _cut(file)
            known = _read(file)
            missing = [clip for clip in clips if clip.id not in known]
            with quiet_decoders():
                for done, clip in enumerate(missing, 1):
                    beats = known[clip.id] = _told(clip) or _heard(library, clip)
                    with file.open("a") as lines:
                        record = {"clip": clip.id, "times": beats.times.tolist()}
                        lines.write(json.dumps(record) + "\n")
                    progress(done, len(missing))
    return {clip.id: known[clip.id] for clip in clips}


def _told(clip: Clip) -> Beats | None:
    """Returns the beats that a clip's source knows, as that of synthetic music does."""
    times = clip.details.get("beats")
    return Beats(np.array(times, np.float64)) if times and len(times) >= LEAST else None


def _heard(library: Library, clip: Clip) -> Beats:
    blocks = list(read_mono(library.path / clip.file, RATE, clip.gain))
    return _found(np.concatenate(blocks)) if blocks else NO_BEATS


def _cut(file: Path) -> None:
    """Cuts off a line that a killed process left unfinished; asks for the lock."""
    text = file.read_text() if file.exists() else ""
    whole, _, rest = text.rpartition("\n")
    if rest:
        file.write_text(whole + "\n" if whole else "")


def _read(file: Path) -> dict[str, Beats]:
    """Returns the beats of a file, but for a last line that is not whole (yet)."""
    text = file.read_text() if file.exists() else ""
    records = [json.loads(line) for line in text.rpartition("\n")[0].splitlines()]
    return {r["clip"]: Beats(np.array(r["times"], np.float64)) for r in records}
