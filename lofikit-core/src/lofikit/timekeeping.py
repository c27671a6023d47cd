"""Keeping time: the pulse and the groove that takes go on with after their prompts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import Audio
from lofikit.beats import Beats, Pulse, track
from lofikit.models.base import Model, Sampling, Stream
from lofikit.onsets import Groove, groove, onset_curves
from lofikit.representations.base import FREE, Frames, Representation, Samples

PRIMED_VALUES = 1 << 24
"""Predicted values that priming with prompts gives at a time, to bound the memory."""
SHIFTS = tuple(0.5 * step for step in range(8))
"""By how many beats a prompt's count may be off: a tracker knows no bars, and takes off-beats for
beats."""


class Timekeeper:
    """Tells a model of several takes where in the beat they are, and how their prompts went.

    Args:
        representation: Its frames begin with ``beat``, and perhaps with ``onsets-1`` and more.
        prompts: Mono samples, shape (batch, n).
        before: Zeros that the prompts are encoded with in front of them.
        bpm: Beats a minute; ``None`` for the tempo of each prompt.
        pulse: A pulse that all takes keep, time 0 being the end of the prompts; wins over bpm.

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
    ) -> None:
        self._representation = representation
        self._padded = np.pad(prompts, ((0, 0), (before, 0)))
        self._shared = pulse is not None
        length, rate = prompts.shape[1], representation.sample_rate
        at = (np.arange(-before, length) - length) / rate
        self._counts = np.empty((len(prompts), len(at)), np.float32)
        self.pulses: list[Pulse | None] = []
        for row, prompt in enumerate(prompts):
            beats = Beats(track(Audio(prompt[None], rate)).times - length / rate)
            heard = beats.onwards(0.0)
            self._counts[row] = np.nan if heard is None else heard.count(at)
            self.pulses.append(pulse or beats.onwards(0.0, bpm))
        self._grooves: list[Groove | None] = [None] * len(prompts)
        self._bands = [name for name in representation.signals if name.startswith("onsets")]
        if self._bands:
            curves = onset_curves(prompts, rate, len(self._bands)).transpose(1, 0, 2)
            pairs = zip(curves, self._counts[:, before:], strict=True)
            self._grooves = [groove(*pair) for pair in pairs]

    def prompt_frames(self, model: Model) -> Frames:
        """Returns the frames of the prompts, counted as the model finds them likeliest.

        A tracker knows no bars, and may take off-beats for beats. A model that has learned what
        falls on which beat hears where in the bar a prompt is: the count under which it predicts
        the prompt best is taken, and gone on with.

        Args:
            model: Predicts classes; of others the count is left as it was tracked.
        """
        frames = [self._encoded(self._counts + shift) for shift in SHIFTS]
        if model.spec.levels is None or frames[0].shape[1] <= model.block:
            return frames[0]
        bits = np.stack([_surprise(model, one) for one in frames])
        best = bits.argmin(axis=0)
        for row, index in enumerate(best):
            shift = SHIFTS[index]
            pulse, swing = self.pulses[row], self._grooves[row]
            if pulse is not None and not self._shared:
                self.pulses[row] = replace(pulse, begun=pulse.begun + shift)
            if swing is not None:
                self._grooves[row] = replace(swing, counts=swing.counts + np.float32(shift))
        return np.stack([frames[index][row] for row, index in enumerate(best)])

    def _encoded(self, counts: Samples) -> Frames:
        told: Any = self._representation
        frames: Frames = told.encode(self._padded, {"beat": counts})
        return frames

    def given(self, at: NDArray[np.float64]) -> Frames | None:
        """Returns what is known of frames beforehand, or ``None`` for nothing.

        Args:
            at: When each sample of theirs is heard, in seconds from the end of the prompts.
        """
        if not any(self.pulses):
            return None
        nothing = np.full(len(at), np.nan, np.float32)
        counts = [nothing if pulse is None else pulse.count(at) for pulse in self.pulses]
        signals = {"beat": np.stack(counts)}
        if any(self._grooves):
            pairs = zip(self._grooves, counts, strict=True)
            unknown = np.tile(nothing, (len(self._bands), 1))
            strengths = np.stack([unknown if g is None else g.at(c) for g, c in pairs], axis=1)
            signals |= zip(self._bands, strengths, strict=True)
        given = self._representation.given(signals)
        given[[pulse is None for pulse in self.pulses]] = FREE
        return given


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
