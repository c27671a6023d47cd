"""Chunks: runs of frames drawn from clips, and the split of clips into training and held back."""

from __future__ import annotations

import fnmatch
import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from lofikit.errors import LibraryError, OptionError
from lofikit.library import MIX
from lofikit.options import Options, option
from lofikit.representations.base import Frames, Representation, Samples
from lofikit.samples import ClipSamples, SampleStore
from lofikit.silence import sounding_places
from lofikit.timbre import KNOTS, equalised, timbre_signals

LOUDEST_GAIN = 30.0
"""Silence is not raised to music: no clip is made louder than by this factor (30 dB)."""
UNTOLD = 1 / 8
"""Share of the chunks of a step whose frames tell nothing of their timbre, where others do."""
_RESAMPLER_ENDS = 64
"""Samples beyond a chunk that keep the resampler's fade at the end out of it."""


class DataConfig(Options):
    """Which samples are trained on, and which are held back."""

    sample_rate: int = option(
        4410, "Rate that clips are resampled to (the paper's 4410).", unit="Hz", ge=100, le=192_000
    )
    stem: str = option(
        MIX, "Stem that is trained on, as separator/stem, or mix for the clips themselves."
    )
    held_out: float = option(
        0.15,
        "Share of clips that is held back for validation; at least one, if there are two.",
        unit="share of clips",
        ge=0.0,
        lt=1.0,
    )
    hold_out: tuple[str, ...] = option(
        (),
        "Clips to hold back instead of a share, by id, title or file name (* for anything).",
    )
    level: float | None = option(
        -20.0, "Level that each clip is brought to; none leaves clips as they are.", unit="dBFS RMS"
    )
    skip_silence: float | None = option(
        None,
        "Leave out chunks that are silent throughout, below this level in the library's audio "
        "(-60 suits stems); none keeps them.",
        unit="dBFS RMS",
        le=0.0,
    )
    varispeed: float = option(
        0.0,
        "Play each chunk of a step faster or slower, by up to this much: tempo and pitch change "
        "together, as on a tape.",
        unit="semitones",
        ge=0.0,
        le=12.0,
    )
    vary_level: float = option(
        0.0,
        "Play each chunk of a step louder or softer, by up to this much.",
        unit="dB",
        ge=0.0,
        le=24.0,
    )
    vary_timbre: float = option(
        0.0,
        "Play each chunk of a step through an equaliser, its bands set by up to this much.",
        unit="dB",
        ge=0.0,
        le=24.0,
    )


@dataclass(frozen=True)
class Split:
    """Clips to train on, and clips that are never trained on."""

    training: tuple[ClipSamples, ...]
    held_out: tuple[ClipSamples, ...]


def split(clips: Sequence[ClipSamples], config: DataConfig) -> Split:
    """Splits by clip, so that no window of a held-back clip is ever trained on.

    A share is taken by a hash of the clips' ids: it is the same on every machine, and clips that
    are added to a library later do not move others across.

    Raises:
        LibraryError: If nothing would be left to train on.
        OptionError: If a clip to hold back is not there.
    """
    if config.hold_out:
        held = {c.clip.id for name in config.hold_out for c in _named(clips, name)}
    else:
        order = sorted(clips, key=lambda c: hashlib.sha256(c.clip.id.encode()).digest())
        count = round(config.held_out * len(clips))
        if config.held_out > 0 and len(clips) > 1:
            count = min(max(count, 1), len(clips) - 1)
        held = {c.clip.id for c in order[:count]}
    training = tuple(c for c in clips if c.clip.id not in held)
    if not training:
        raise LibraryError(
            "all clips are held back, and none is left to train on",
            "lower --held-out, or name fewer clips with --hold-out",
        )
    return Split(training, tuple(c for c in clips if c.clip.id in held))


def _named(clips: Sequence[ClipSamples], name: str) -> list[ClipSamples]:
    pattern = name.casefold()
    found = [
        c
        for c in clips
        if any(
            fnmatch.fnmatchcase(text.casefold(), pattern)
            for text in (c.clip.id, c.clip.id.rsplit("-", 1)[0], c.clip.title, _stem(c.clip.key))
        )
    ]
    if not found:
        raise OptionError(
            f"--hold-out {name}: no clip has this id, title or file name",
            "see them: lofikit library LIBRARY",
        )
    return found


def _stem(key: str) -> str:
    """Returns the file's name of a key that is a path, without its suffix."""
    return PurePosixPath(key).stem


def level_gain(rms: float, level: float | None) -> float:
    """Returns the factor that brings audio of an RMS to a level in dBFS."""
    if level is None or rms <= 0:
        return 1.0
    return float(min(10 ** (level / 20) / rms, LOUDEST_GAIN))


class LevelledClips(Sequence[Samples]):
    """The samples of clips at a training's level, each read when it is asked for.

    Args:
        store: The samples.
        clips: The clips.
        level: Level that each clip is brought to in dBFS RMS, or ``None``.
    """

    def __init__(
        self, store: SampleStore, clips: Sequence[ClipSamples], level: float | None
    ) -> None:
        self._store, self._clips, self._level = store, clips, level

    def __len__(self) -> int:
        return len(self._clips)

    @overload
    def __getitem__(self, index: int) -> Samples: ...
    @overload
    def __getitem__(self, index: slice) -> LevelledClips: ...
    def __getitem__(self, index: int | slice) -> Samples | LevelledClips:
        if isinstance(index, slice):
            return LevelledClips(self._store, self._clips[index], self._level)
        clip = self._clips[index]
        samples = self._store.of(clip) * np.float32(level_gain(clip.rms, self._level))
        return np.clip(samples, -1.0, 1.0, out=samples)


class Chunks:
    """Draws runs of frames from clips.

    Samples are drawn at any offset and encoded as they are drawn, so that frames of a long hop
    are not bound to one grid, and nothing but samples is stored.

    Args:
        store: The samples.
        clips: The clips to draw from.
        representation: Makes frames of samples.
        frames: Frames of a chunk.
        level: Level that each clip is brought to in dBFS RMS, or ``None``.
        skip_silence: Chunks that are below this level in dBFS RMS throughout, before clips are
            brought to a level, are not there; ``None`` keeps them.
        varispeed: Largest change of speed of a drawn chunk, in semitones.
        vary_level: Largest change of level of a drawn chunk, in dB.
        vary_timbre: Largest change of a band of a drawn chunk, in dB.

    Attributes:
        too_short: Clips that are shorter than a chunk.
        silent: Share of the other clips' chunks that are left out because they are silent.

    Raises:
        LibraryError: If every clip is shorter than a chunk, or silent.
    """

    def __init__(
        self,
        store: SampleStore,
        clips: Sequence[ClipSamples],
        representation: Representation,
        frames: int,
        level: float | None = None,
        skip_silence: float | None = None,
        varispeed: float = 0.0,
        vary_level: float = 0.0,
        vary_timbre: float = 0.0,
    ) -> None:
        self.frames = frames
        self._rate = store.rate
        self._varispeed, self._vary_level = varispeed, vary_level
        self._vary_timbre = vary_timbre
        self.span = representation.samples_for(frames)
        self._representation = representation
        self._data = store.data
        usable = [c for c in clips if c.length >= self.span]
        self.too_short = tuple(c for c in clips if c.length < self.span)
        if clips and not usable:
            longest = max(c.length for c in clips) / store.rate
            raise LibraryError(
                f"every clip is shorter than a chunk: a chunk of {frames} frames takes "
                f"{self.span / store.rate:.2f} s, and the longest clip has {longest:.2f} s",
                "collect longer clips, or choose a model with a shorter window or a lower "
                "--model.carry",
            )
        # Runs of places where chunks may begin: a clip is one, or several with silence between.
        runs = [
            (number, c.offset + begin, end - begin, level_gain(c.rms, level))
            for number, c in enumerate(usable)
            for begin, end in self._ranges(store, c, skip_silence)
        ]
        if usable and not runs:
            raise LibraryError(
                f"all clips are silent, below the {skip_silence:g} dBFS of --skip-silence",
                "lower it, for example --skip-silence -80, or train on another stem",
            )
        self._clips = usable
        self._of_clip = [number for number, _, _, _ in runs]
        self._offsets = np.array([offset for _, offset, _, _ in runs], dtype=np.int64)
        self._gains = np.array([gain for _, _, _, gain in runs], dtype=np.float32)
        self._ends = np.cumsum([places for _, _, places, _ in runs], dtype=np.int64)
        self._begins = self._ends - np.array([places for _, _, places, _ in runs], dtype=np.int64)
        self._beats = store.beats(usable) if representation.keeps_time else []
        self.samples = sum(places + self.span - 1 for _, _, places, _ in runs)
        every = sum(c.length - self.span + 1 for c in usable)
        self.silent = 1.0 - self.places / every if every else 0.0

    def _ranges(
        self, store: SampleStore, clip: ClipSamples, skip_silence: float | None
    ) -> list[tuple[int, int]]:
        if skip_silence is None:
            return [(0, clip.length - self.span + 1)]
        return sounding_places(store.of(clip), store.rate, skip_silence, self.span)

    @property
    def places(self) -> int:
        """How many different chunks there are."""
        return int(self._ends[-1]) if len(self._ends) else 0

    def windows(self, places: NDArray[np.int64]) -> Samples:
        """Returns the samples (n, span) of chunks given by number, below :attr:`places`."""
        runs, starts = self._found(places)
        # Every window there is, each as one opaque item, so that those asked for are copied whole
        # and not sample by sample: four times as fast.
        size = self.span * self._data.itemsize
        whole: NDArray[np.void] = np.ndarray(
            (len(self._data) - self.span + 1,), f"V{size}", self._data, strides=(4,)
        )
        samples: Samples = whole[starts].view(np.float32).reshape(len(starts), self.span)
        samples *= self._gains[runs, None]
        return np.clip(samples, -1.0, 1.0, out=samples)

    def _found(self, places: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Returns the run of each place, and the first sample of its chunk."""
        runs = np.searchsorted(self._ends, places, side="right")
        return runs, self._offsets[runs] + places - self._begins[runs]

    def draw(self, batch: int, seed: int, step: int, rank: int = 0, world: int = 1) -> Frames:
        """Draws chunks at random, the same for the same seed and step.

        Args:
            batch: Chunks of the whole batch.
            seed: The training's seed.
            step: The number of the step since training began.
            rank: Which of ``world`` processes this is; each gets its share of the batch.
            world: Number of processes.

        Returns:
            Frames of shape (batch / world, frames, size).
        """
        rng = np.random.default_rng([seed, step])
        places = rng.integers(0, self.places, batch)[rank::world]
        # A generator of its own, so that places and speeds are those of runs that tell nothing.
        told = rng.spawn(1)[0].random(batch)[rank::world] >= UNTOLD
        if not (self._varispeed or self._vary_level or self._vary_timbre):
            return self._encode(places, self.windows(places), told=told)
        speeds = 2.0 ** (rng.uniform(-1, 1, batch)[rank::world] * self._varispeed / 12)
        gains = 10.0 ** (rng.uniform(-1, 1, batch)[rank::world] * self._vary_level / 20)
        samples = self.windows(places)
        for row, (place, speed) in enumerate(zip(places, speeds, strict=True)):
            played = self._played(place, speed) if self._varispeed else None
            if played is None:
                speeds[row] = 1.0  # its clip is too short to be played faster
            else:
                samples[row] = played
        if self._vary_timbre:
            settings = rng.uniform(-1, 1, (batch, KNOTS))[rank::world] * self._vary_timbre
            samples = equalised(samples, self._rate, settings)
        samples *= gains[:, None].astype(np.float32)
        return self._encode(places, np.clip(samples, -1.0, 1.0, out=samples), speeds, told)

    def _played(self, place: np.int64, speed: float) -> Samples | None:
        """Returns a chunk's samples (span,) played at a speed, or ``None`` if they run out."""
        import soxr

        (run,), (start,) = self._found(np.array([place]))
        clip = self._clips[self._of_clip[run]]
        stop = start + math.ceil(self.span * speed) + _RESAMPLER_ENDS
        if stop > clip.offset + clip.length:
            return None
        tape = self._data[start:stop] * self._gains[run]
        return np.asarray(soxr.resample(tape, speed, 1.0)[: self.span], dtype=np.float32)

    def _encode(
        self,
        places: NDArray[np.int64],
        samples: Samples,
        speeds: NDArray[np.float64] | None = None,
        told: NDArray[np.bool_] | None = None,
    ) -> Frames:
        """Returns the frames of chunks, some of which may be told nothing of their timbre."""
        representation: Any = self._representation
        signals = timbre_signals(samples, self._rate, representation.signals)
        if told is not None:
            untold = np.where(told[:, None], np.float32(0), np.float32(np.nan))
            signals = {  # the same all along
                name: np.broadcast_to(curve[:, :1] + untold, curve.shape)
                for name, curve in signals.items()
            }
        if self._beats:
            signals["beat"] = self._counts(places, samples, speeds)
        frames: Frames = (
            representation.encode(samples, signals) if signals else representation.encode(samples)
        )
        return frames

    def _counts(
        self, places: NDArray[np.int64], samples: Samples, speeds: NDArray[np.float64] | None
    ) -> Samples:
        """Returns the beats passed at each sample of chunks."""
        runs, starts = self._found(places)
        counts = np.empty(samples.shape, np.float32)
        for row, (run, start) in enumerate(zip(runs, starts, strict=True)):
            number = self._of_clip[run]
            speed = 1.0 if speeds is None else speeds[row]
            seconds = (
                start - self._clips[number].offset + speed * np.arange(self.span)
            ) / self._rate
            counts[row] = self._beats[number].count(seconds)
        return counts

    def spread(self, count: int) -> Frames:
        """Returns chunks at fixed places, evenly spread over the clips, to validate on."""
        count = min(count, self.places)
        places = np.linspace(0, self.places - 1, count).astype(np.int64)
        return self._encode(places, self.windows(places))
