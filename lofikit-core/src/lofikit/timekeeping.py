"""Keeping time: the pulse and the groove that takes go on with after their prompts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import Audio
from lofikit.beats import NO_BEATS, Beats, Pulse, agree, same_tempo, track
from lofikit.models.base import Model, Sampling, Stream
from lofikit.onsets import Groove, groove, heard_signals
from lofikit.representations.base import FREE, Frames, Representation, Samples
from lofikit.timbre import timbre_signals

PRIMED_VALUES = 1 << 24
"""Predicted values that priming with prompts gives at a time, to bound the memory."""
AHEAD = 4
"""Frames behind the last one that signals are looked up for, since they tell of what comes."""
ENDS = 2
"""Frames at the end of a prompt that tell of moments beyond it."""
SHIFTS = range(4)
"""By how many beats a prompt's count may be off, since a tracker knows no bars."""


class Timekeeper:
    """Tells a model of several takes where in the beat they are, and how their prompts went.

    Args:
        representation: Its frames begin with ``beat``, and perhaps with onsets and the level, or
            with a timbre or other conditions.
        prompts: Mono samples, shape (batch, n).
        before: Zeros that the prompts are encoded with in front of them.
        bpm: Beats a minute; ``None`` for the tempo of each prompt.
        pulse: A pulse that all takes keep, time 0 being the end of the prompts; wins over bpm.
        beats: The beats of the music that each prompt is the end of, time 0 being that end; of a
            prompt that has another tempo itself, they are not believed. ``None`` where nothing is
            known.
        music: Whether the prompts are music, so that takes should have their timbre.

    Attributes:
        pulses: What each take keeps time by, time 0 being the end of the prompts; ``None`` for
            one without a beat.
    """

    def __init__(
        self,
        representation: Representation,
        prompts: Samples,
        before: int,
        bpm: float | None,
        pulse: Pulse | None,
        beats: Sequence[Beats] | None = None,
        music: bool = True,
    ) -> None:
        self._representation = representation
        self._prompts, self._before = prompts, before
        self._bpm, self._shared = bpm, pulse
        self._counted = False  # whether the prompts' count is known, and not to be looked for
        rate = representation.sample_rate
        self._end = prompts.shape[1] / rate
        known = [NO_BEATS] * len(prompts) if beats is None else beats
        if len(known) != len(prompts):
            raise ValueError(
                f"beats of {len(known)} prompts are given, and {len(prompts)} prompts."
            )
        self._audible: list[bool] = []  # whether prompts have beats that a groove can be made of
        self._heard = [self._hear(*pair) for pair in zip(prompts, known, strict=True)]
        heard = heard_signals(prompts, rate, representation.signals, representation.spec.hop)
        self._of_groove = tuple(heard)
        if heard:
            self._curves = np.stack(list(heard.values()), axis=1)
        timbre = timbre_signals(prompts, rate, representation.signals)
        nothing = np.full(len(prompts), np.nan, np.float32)
        self._timbre = {name: x[:, 0] if music else nothing for name, x in timbre.items()}
        self._settle(self._heard)

    def _hear(self, prompt: Samples, known: Beats) -> Pulse | None:
        """Returns the pulse of a prompt, 0 being its beginning; ``None`` without a beat."""
        if not self._representation.keeps_time:
            self._audible.append(False)
            return None
        heard = track(Audio(prompt[None], self._representation.sample_rate)).onwards(self._end)
        self._audible.append(heard is not None)
        told = known.onwards(0.0)
        if told is not None and (heard is None or same_tempo(heard, told)):
            # A stem by itself may sound as if its off-beats were beats, or have rests.
            heard = replace(told, start=self._end)
        if heard is not None and self._shared is not None:
            shared = replace(self._shared, start=self._end)
            if agree(heard, shared):  # the same music, which a part of the band has counted
                self._counted = True
                return shared
        return heard

    def _settle(self, heard: list[Pulse | None]) -> None:
        """Goes on from how the prompts are counted."""
        self.pulses: list[Pulse | None] = []
        for pulse in heard:
            begun = 0.0 if pulse is None else pulse.begun
            period = None if pulse is None else pulse.period
            if self._bpm is not None:
                period = 60.0 / self._bpm
            own = None if period is None else Pulse(0.0, begun, period)
            self.pulses.append(self._shared or own)
        self._grooves: list[Groove | None] = [None] * len(heard)
        if self._of_groove:
            counts = self._counts(heard)[:, self._before :]
            self._grooves = [
                groove(curve, count) if audible else None
                for curve, count, audible in zip(self._curves, counts, self._audible, strict=True)
            ]

    def _counts(self, heard: list[Pulse | None]) -> Samples:
        """Returns the beats passed at each sample of the padded prompts, shape (batch, n)."""
        length = self._prompts.shape[1]
        at = np.arange(-self._before, length) / self._representation.sample_rate
        counts = [np.full(len(at), np.nan) if p is None else p.count(at) for p in heard]
        return np.array(counts, np.float32)

    def prompt_frames(self, model: Model) -> Frames:
        """Returns the frames of the prompts, counted as the model finds them likeliest.

        A tracker knows no bars. A model that has learned what falls on which beat of a bar hears
        it: the count under which it predicts the prompt best is taken, and gone on with.

        Args:
            model: Predicts classes; of others the count is left as it was tracked.
        """
        told: Any = self._representation
        padded = np.pad(self._prompts, ((0, 0), (self._before, 0)))
        signals = self._signals(self._counts(self._heard))
        first: Frames = told.encode(padded, signals) if signals else told.encode(padded)
        batch = len(first)
        unsure = any(self._heard) and not self._counted
        if not unsure or model.spec.levels is None or first.shape[1] <= model.block:
            return self._ended(first)
        counted = [p and replace(p, begun=p.begun + beats) for beats in SHIFTS for p in self._heard]
        known = self._representation.given({"beat": self._counts(counted)})
        frames = np.where(known == FREE, np.tile(first, (len(SHIFTS), 1, 1)), known)
        surprise = _surprise(model, frames).reshape(len(SHIFTS), batch)
        best = surprise.argmin(axis=0) * batch + np.arange(batch)
        self._settle([counted[index] for index in best])
        return self._ended(frames[best])

    def _ended(self, frames: Frames) -> Frames:
        """Returns the prompts' frames, of which the last tell of how the takes begin."""
        known = self.given(-ENDS, ENDS)
        if known is None or frames.shape[1] < ENDS:
            return frames
        free = known == FREE if np.issubdtype(known.dtype, np.integer) else np.isnan(known)
        last = np.where(free, frames[:, -ENDS:], known)
        return np.concatenate([frames[:, :-ENDS], last], axis=1)

    def _signals(self, counts: Samples) -> dict[str, Samples]:
        """Returns what is known of samples beside the groove, given the beats passed at each."""
        timbre = {
            name: np.broadcast_to(each[:, None], counts.shape)
            for name, each in self._timbre.items()
        }
        return timbre | ({"beat": counts} if self._representation.keeps_time else {})

    def given(self, first: int, count: int) -> Frames | None:
        """Returns what is known of frames beforehand, or ``None`` for nothing.

        Args:
            first: The first of the frames, 0 being the one after the prompts.
            count: How many.
        """
        spec = self._representation.spec
        if not any(self.pulses) and not self._timbre and not spec.conditions:
            return None
        hop = spec.hop
        # A frame overlaps what comes before it by all but a hop.
        start = (first + 1) * hop - self._representation.window
        samples = np.arange(self._representation.samples_for(count + AHEAD))
        at = (start + samples) / self._representation.sample_rate
        nothing = np.full(len(at), np.nan, np.float32)
        counts = [nothing if pulse is None else pulse.count(at) for pulse in self.pulses]
        # No model has learned to draw conditions: of those unknown it is told that they are.
        conditions = self._representation.signals[: spec.conditions]
        signals = dict.fromkeys(conditions, np.tile(nothing, (len(counts), 1)))
        signals |= self._signals(np.stack(counts))
        if any(self._grooves):
            pairs = zip(self._grooves, counts, strict=True)
            unknown = np.tile(nothing, (len(self._of_groove), 1))
            curves = np.stack([unknown if g is None else g.at(c) for g, c in pairs], axis=1)
            signals |= zip(self._of_groove, curves, strict=True)
        given = self._representation.given(signals)
        free = FREE if np.issubdtype(given.dtype, np.integer) else np.nan
        without = [pulse is None for pulse in self.pulses]
        given[without, :, spec.conditions :] = free
        return given[:, :count]


def primed(stream: Stream, model: Model, frames: Frames) -> Iterator[tuple[int, Frames]]:
    """Primes a stream, and yields what it predicts, in pieces that need little memory.

    Yields:
        The first frame of a piece, and its predictions.
    """
    values = len(frames) * model.spec.size * (model.spec.levels or 1)
    piece = max(1, PRIMED_VALUES // (values * model.block)) * model.block
    for start in range(0, frames.shape[1], piece):
        yield start, stream.prime(frames[:, start : start + piece])


def _surprise(model: Model, frames: Frames) -> NDArray[np.float64]:
    """Returns how many nats a model needs for the sound of frames, shape (batch,)."""
    told, block = model.spec.signals, model.block
    total = np.zeros(len(frames))
    for start, logits in primed(model.stream(len(frames), Sampling(), 0), model, frames):
        wanted = frames[:, start + block : start + block + logits.shape[1], told:]
        shown = logits[:, : wanted.shape[1], told:]
        highest = shown.max(axis=-1, keepdims=True)
        sums = np.log(np.exp(shown - highest).sum(axis=-1, dtype=np.float64)) + highest[..., 0]
        taken = np.take_along_axis(shown, wanted[..., None].astype(np.int64), axis=-1)[..., 0]
        total += (sums - taken).sum(axis=(1, 2))
    return total
