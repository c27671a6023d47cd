"""Many takes of one run: every prompt with every seed, played side by side."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from lofikit.beats import Beats
from lofikit.generation import Samples
from lofikit.models.base import Model, Sampling
from lofikit.performers import BatchPerformer
from lofikit.representations.base import Representation

MOST_SAMPLES = 1 << 26
"""Samples that are made side by side at most, 256 MB; more seeds are played one after another."""


def generate_takes(
    model: Model,
    representation: Representation,
    prompts: Samples,
    seeds: Sequence[int],
    length: int,
    sampling: Sampling,
    show: Callable[[int], None] = lambda samples: None,
    beats: Sequence[Beats] | None = None,
) -> Iterator[Samples]:
    """Yields takes that go on from every prompt, for one seed or several after another.

    Streams that are played side by side cost much less each. What a stream draws hangs on its
    place among them, so the same call gives the same takes, and not those of ``lofikit generate``.
    A take that grows beyond all bounds is silent from there on.

    Args:
        model: The trained model.
        representation: Its representation.
        prompts: Mono samples at the training's level, shape (prompts, n).
        seeds: A seed for each take of a prompt.
        length: Samples of a take, the prompt not counted.
        sampling: Temperature and top-p.
        show: Called with the samples of all takes made so far.
        beats: Of the music that each prompt is the end of, time 0 being that end; ``None`` to hear
            them in the prompts.

    Yields:
        Takes of shape (n * prompts, length): all prompts with one seed, then with the next.
    """
    at_once = max(1, MOST_SAMPLES // (len(prompts) * length))
    done = 0
    for first in range(0, len(seeds), at_once):
        count = len(seeds[first : first + at_once])
        batch = np.tile(prompts, (count, 1))
        known = None if beats is None else [*beats] * count
        performer = BatchPerformer(
            model, representation, batch, sampling, seeds[first], beats=known
        )
        takes = np.empty((len(batch), length), np.float32)
        for start in range(0, length, performer.rate):
            block = performer.next(min(performer.rate, length - start))
            takes[:, start : start + block.shape[1]] = block
            done += block.size
            show(done)
        yield bounded(takes)


def bounded(takes: Samples) -> Samples:
    """Returns takes clipped to full scale, silent from the first value on that is not finite."""
    broken = np.logical_or.accumulate(~np.isfinite(takes), axis=1)
    return np.asarray(np.clip(np.where(broken, np.float32(0), takes), -1.0, 1.0))
