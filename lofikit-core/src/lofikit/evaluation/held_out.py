"""Measuring runs on the clips that they were not trained on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lofikit.chunks import Chunks
from lofikit.errors import LibraryError
from lofikit.library import Library
from lofikit.models.base import Model
from lofikit.representations.base import Frames, Representation
from lofikit.run import Run
from lofikit.samples import ClipSamples, SampleStore, open_samples

SCORED = 4096
"""Frames that are scored of a stretch, after a context that is not."""


@dataclass(frozen=True)
class Score:
    """What a run's model makes of one held-back clip.

    Attributes:
        clip: Id of the clip.
        value: Bits a value for classes (less is better); prediction gain in dB for real values:
            how far the error lies below the signal (more is better).
        frames: Frames that were scored.
    """

    clip: str
    value: float
    frames: int


def held_out_scores(
    run: Run,
    library: Library,
    seconds: float = 20.0,
    progress: Callable[[str], None] = lambda clip: None,
) -> tuple[list[Score], str]:
    """Scores a run on each of its held-back clips, every frame predicted from all before it.

    The first frames of a stretch, as many as the model's context, are not scored: at the start of
    a clip no model knows anything yet. So models with different contexts are compared fairly.

    Args:
        run: A trained run.
        library: Its library.
        seconds: How much of each clip is scored at most, in stretches spread over it.
        progress: Called with each clip that is done with.

    Returns:
        A score a clip, and the unit: ``bits`` or ``dB``.

    Raises:
        LibraryError: If the library holds none of the clips that the run held back.
    """
    store, parts = held_out_clips(run, library)
    representation = run.representation()
    model = run.trained_model(representation)
    level = run.config.data.level
    return model_scores(model, representation, store, parts, level, seconds, progress)


def held_out_clips(run: Run, library: Library) -> tuple[SampleStore, list[ClipSamples]]:
    """Returns the samples of a run's library, and where the clips lie that it held back.

    Raises:
        LibraryError: If the library holds none of them.
    """
    store = open_samples(library, run.config.data.sample_rate, run.config.data.stem)
    ids = {clip["id"] for clip in run.manifest().get("held_out_clips", [])}
    parts = [part for part in store.clips if part.clip.id in ids]
    if not parts:
        raise LibraryError(
            f"{library.path} holds no clip that {run.path} held back",
            "train with --held-out 0.15, or name the run's own library with --library",
        )
    return store, parts


def model_scores(
    model: Model,
    representation: Representation,
    store: SampleStore,
    parts: Sequence[ClipSamples],
    level: float | None,
    seconds: float = 20.0,
    progress: Callable[[str], None] = lambda clip: None,
) -> tuple[list[Score], str]:
    """Scores a model on some clips; what :func:`held_out_scores` does with a run's.

    Args:
        model: The model.
        representation: Its representation.
        store: The samples of the library.
        parts: The clips.
        level: Level that clips are brought to in dBFS RMS, or ``None``.
        seconds: How much of each clip is scored at most, in stretches spread over it.
        progress: Called with each clip that is done with.

    Returns:
        A score a clip, and the unit: ``bits`` or ``dB``.

    Raises:
        LibraryError: If every clip is shorter than the model's context.
    """
    spec = representation.spec
    block = model.block
    warm_up = -(-max(model.context, block) // block) * block
    scored = max(block, min(SCORED, int(seconds * spec.frame_rate)) // block * block)
    scores = []
    for part in parts:
        span = representation.samples_for(warm_up + scored)
        if part.length < span:  # a short clip is one stretch
            scored_here = (part.length - representation.samples_for(warm_up)) // spec.hop
            scored_here = scored_here // block * block
            if scored_here < block:
                continue
        else:
            scored_here = scored
        chunks = Chunks(store, [part], representation, warm_up + scored_here, level)
        count = max(1, min(int(seconds * spec.frame_rate) // scored_here, chunks.places))
        values = [_losses(model, chunks_at, warm_up) for chunks_at in _stretches(chunks, count)]
        scores.append(_score(part.clip.id, values, spec.levels is not None))
        progress(part.clip.id)
    if not scores:
        raise LibraryError("every held-back clip is shorter than the model's context")
    return scores, "dB" if spec.levels is None else "bits"


def _stretches(chunks: Chunks, count: int) -> list[Frames]:
    frames = chunks.spread(count)
    return [frames[i : i + 1] for i in range(len(frames))]


def _losses(model: Model, frames: Frames, warm_up: int) -> tuple[float, float, int]:
    """Returns the summed error and signal (or bits, and nothing) of a stretch, and its values."""
    outputs = model.forward(frames[:, : frames.shape[1] - model.block])
    first = warm_up - model.block
    # Signals, such as the place in the beat, are no part of the sound, and are not scored.
    signals = model.spec.signals
    predicted, target = outputs[:, first:, signals:], frames[:, first + model.block :, signals:]
    if model.spec.levels is None:
        error = np.square(predicted - target, dtype=np.float64).sum()
        return float(error), float(np.square(target, dtype=np.float64).sum()), target.size
    return float(bits(predicted, target).sum()), 0.0, target.size


def bits(logits: NDArray[np.float32], ids: Frames) -> NDArray[np.float64]:
    """Returns the cross-entropy of class ids in bits, shape (batch, time, size)."""
    wide = logits.astype(np.float64)
    wide -= wide.max(axis=-1, keepdims=True)
    log_sum = np.log(np.exp(wide).sum(axis=-1))
    chosen = np.take_along_axis(wide, ids[..., None].astype(np.int64), axis=-1)[..., 0]
    return np.asarray((log_sum - chosen) / np.log(2))


def _score(clip: str, values: list[tuple[float, float, int]], classes: bool) -> Score:
    error, signal, count = (sum(column) for column in zip(*values, strict=True))
    if classes:
        return Score(clip, error / count, int(count))
    gain = 10 * np.log10(max(signal, 1e-20) / max(error, 1e-20))
    return Score(clip, float(gain), int(count))
