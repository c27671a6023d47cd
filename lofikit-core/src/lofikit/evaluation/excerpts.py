"""Pieces of a library's music: prompts of held-back clips, and real music to compare with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lofikit.beats import Beats
from lofikit.chunks import LevelledClips
from lofikit.errors import LibraryError
from lofikit.evaluation.listening import level
from lofikit.library import Clip
from lofikit.samples import ClipSamples, SampleStore
from lofikit.spectrum import Samples

PROMPT_SECONDS = 5.0
"""Length of a prompt, unless a model's context is longer or the clips are shorter."""
KEEPING_TIME_SECONDS = 8.0
"""The same where a model keeps time: it goes on in the groove of its prompt's last eight beats."""
MOST_EXCERPTS = 200
"""Excerpts of real music that are measured at most."""
FAINT = -20.0
"""Level in dB against its clip's below which a stretch is no prompt."""
_CANDIDATES = 4  # places looked at for each prompt


@dataclass(frozen=True)
class Excerpt:
    """A stretch of a clip, brought to the level of the training.

    Attributes:
        clip: The clip.
        start: Where it begins, in seconds.
        prompt: Its first seconds, shape (n,).
        music: What follows them in the clip, shape (m,); empty if it is a prompt alone.
    """

    clip: Clip
    start: float
    prompt: Samples
    music: Samples


def spread_prompts(
    store: SampleStore,
    parts: Sequence[ClipSamples],
    target: float | None,
    count: int,
    length: int,
) -> list[Excerpt]:
    """Returns prompts evenly spread over clips, the faint places of these being passed over.

    Args:
        store: The samples of the library.
        parts: The clips.
        target: Level that clips are brought to in dBFS RMS, or ``None``.
        count: How many.
        length: Their length in samples.

    Raises:
        LibraryError: If every clip is shorter than a prompt.
    """
    parts = [part for part in parts if part.length >= length]
    if not parts:
        raise LibraryError(
            f"every held-back clip is shorter than a prompt of {length / store.rate:.2f} s",
            "hold back longer clips when you train, or measure with --bits-only",
        )
    clips = LevelledClips(store, parts, target)
    ends = np.cumsum([part.length - length + 1 for part in parts])
    candidates = max(_CANDIDATES * count, len(parts))
    places = ((np.arange(candidates) + 0.5) * ends[-1] / candidates).astype(np.int64)
    found: list[Excerpt] = []
    faint: list[Excerpt] = []
    for place in places:
        index = int(np.searchsorted(ends, place, side="right"))
        part, begin = parts[index], int(place - (ends[index - 1] if index else 0))
        samples = clips[index]
        prompt = samples[begin : begin + length]
        excerpt = Excerpt(part.clip, begin / store.rate, prompt, samples[:0])
        loud = level(prompt) >= level(samples) + FAINT
        (found if loud else faint).append(excerpt)
    found = found or faint
    return [found[(2 * i + 1) * len(found) // (2 * count)] for i in range(count)]


def excerpt_beats(
    store: SampleStore, prompts: Sequence[Excerpt], seconds: float | None = None
) -> list[Beats]:
    """Returns the beats of the clips that prompts are of, up to their ends, which become time 0.

    Args:
        store: The samples of the library.
        prompts: The prompts.
        seconds: How much of each is played; ``None`` for all.
    """
    ids = {prompt.clip.id for prompt in prompts}
    parts = [part for part in store.clips if part.clip.id in ids]
    found = {part.clip.id: beats for part, beats in zip(parts, store.beats(parts), strict=True)}
    return [
        found[one.clip.id].until(
            one.start + (len(one.prompt) / store.rate if seconds is None else seconds)
        )
        for one in prompts
    ]


def real_excerpts(
    store: SampleStore,
    parts: Sequence[ClipSamples],
    target: float | None,
    prompt: int,
    length: int,
) -> list[Excerpt]:
    """Returns stretches of real music: as many of each clip as lie in it side by side.

    Args:
        store: The samples of the library.
        parts: The clips.
        target: Level that clips are brought to in dBFS RMS, or ``None``.
        prompt: Samples of each that count as its prompt.
        length: Samples of what follows.
    """
    parts = [part for part in parts if part.length >= prompt + length]
    most = max(1, MOST_EXCERPTS // max(1, len(parts)))
    skip = max(1, -(-len(parts) // MOST_EXCERPTS))
    found = []
    parts = parts[::skip]
    for part, samples in zip(parts, LevelledClips(store, parts, target), strict=True):
        count = min(most, max(1, (part.length - prompt) // length))
        for start in np.linspace(0, part.length - prompt - length, count).astype(np.int64):
            middle, end = start + prompt, start + prompt + length
            begin = float(start) / store.rate
            found.append(Excerpt(part.clip, begin, samples[start:middle], samples[middle:end]))
    return found
