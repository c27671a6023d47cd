"""Where audio is silent: what a stem is for most of a song, if its instrument rests."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SILENCE = -60.0
"""Level in dBFS RMS below which audio is called silent where no other level is given."""
BLOCK_SECONDS = 0.05
"""Length of the blocks whose level is compared: a tone of 20 Hz goes round once in it."""
_AT_ONCE = 4096  # blocks that are read at a time, so that memory does not grow with a clip


def block_length(rate: int) -> int:
    """Returns the samples of a block at a rate in Hz."""
    return max(1, round(BLOCK_SECONDS * rate))


def sounding(
    samples: NDArray[np.float32], rate: int, threshold: float = SILENCE
) -> NDArray[np.bool_]:
    """Returns for each block whether it sounds.

    Args:
        samples: Shape (..., samples); a block of several channels sounds if their mean power does.
        rate: Sample rate in Hz.
        threshold: Level in dBFS RMS that a block must reach.

    Returns:
        One value a block; the last block may be shorter than the others.
    """
    size = block_length(rate)
    least = 10 ** (threshold / 10)
    parts = []
    for start in range(0, samples.shape[-1], size * _AT_ONCE):
        part = samples[..., start : start + size * _AT_ONCE]
        power = np.square(part, dtype=np.float64)
        power = power.mean(axis=tuple(range(power.ndim - 1))) if power.ndim > 1 else power
        edges = np.arange(0, len(power), size)
        counts = np.diff(np.append(edges, len(power)))
        parts.append(np.add.reduceat(power, edges) / counts >= least)
    return np.concatenate(parts) if parts else np.zeros(0, np.bool_)


def silent_share(samples: NDArray[np.float32], rate: int, threshold: float = SILENCE) -> float:
    """Returns the share of blocks that are silent, 1 for no samples at all."""
    blocks = sounding(samples, rate, threshold)
    return float(1.0 - blocks.mean()) if len(blocks) else 1.0


def sounding_places(
    samples: NDArray[np.float32], rate: int, threshold: float, span: int
) -> list[tuple[int, int]]:
    """Returns where windows may begin that reach into a block that sounds.

    Args:
        samples: Mono samples.
        rate: Their rate in Hz.
        threshold: Level in dBFS RMS that a block must reach.
        span: Samples of a window, at most ``len(samples)``.

    Returns:
        Half-open ranges of first samples, in order and apart from one another.
    """
    size = block_length(rate)
    blocks = np.flatnonzero(sounding(samples, rate, threshold))
    if not len(blocks):
        return []
    last = len(samples) - span
    # A block [b, b + size) is reached from b - span + 1 to b + size - 1; its ranges overlap.
    begins = np.clip(blocks * size - span + 1, 0, last)
    ends = np.clip((blocks + 1) * size, 1, last + 1)
    new = np.append(True, begins[1:] > ends[:-1])
    first = begins[new]
    final = ends[np.append(np.flatnonzero(new)[1:] - 1, len(ends) - 1)]
    return [(int(a), int(b)) for a, b in zip(first, final, strict=True)]
