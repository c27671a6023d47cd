"""Drawing a class from logits inside compiled loops, with a counter-based generator.

Draw number ``n`` of a stream is a function of the stream's key and ``n`` alone (SplitMix64,
Steele, Lea and Flood 2014), so a stream gives the same draws however its generation is cut, beside
however many other streams, on however many threads.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lofikit.streaming import vectors
from lofikit.streaming.arena import ALIGN
from lofikit.streaming.processor import compiled, inlined

_GOLDEN = 0x9E3779B97F4A7C15
_MASK = 0xFFFFFFFFFFFFFFFF
_NUCLEUS_HALVINGS = 40


def stream_keys(seed: int, streams: int) -> npt.NDArray[np.uint64]:
    """A key for each stream of a seed, unrelated between streams and between seeds."""
    return np.array(
        [_mixed(_mixed(seed & _MASK) + _GOLDEN * (index + 1)) for index in range(streams)],
        np.uint64,
    )


def _mixed(value: int) -> int:
    value &= _MASK
    value = ((value ^ (value >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    value = ((value ^ (value >> 27)) * 0x94D049BB133111EB) & _MASK
    return value ^ (value >> 31)


@inlined
def uniform(key: Any, number: int) -> float:
    """Draw ``number`` of the stream ``key``, in [0, 1) with 53 bits."""
    value = np.uint64(key) + np.uint64(number + 1) * np.uint64(_GOLDEN)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value = value ^ (value >> np.uint64(31))
    return float(value >> np.uint64(11)) * (1.0 / 9007199254740992.0)


@inlined
def draw_class(
    processor: Any, logits: Any, at: int, levels: int, temperature: float, top_p: float, draw: float
) -> int:
    """A class from ``logits[at : at + levels]``; they are overwritten by probabilities.

    The class is drawn from ``softmax(logits / temperature)`` cut to its nucleus: the most likely
    classes, as few as reach the probability ``top_p`` (Holtzman et al. 2019; classes as likely as
    the last of them stay too). Temperature 0 gives the most likely class, the first of equals.
    """
    best = 0
    highest = logits[at]
    for index in range(1, levels):
        if logits[at + index] > highest:
            highest = logits[at + index]
            best = index
    if temperature == 0.0:
        return best
    total = np.float32(0.0)
    scale = np.float32(1.0 / temperature)
    whole = levels - levels % ALIGN
    vectors.exponentials(processor, logits, at, whole, highest, scale)
    for index in range(whole, levels):
        logits[at + index] = np.float32(math.exp((logits[at + index] - highest) * scale))
    for index in range(levels):
        total += logits[at + index]
    threshold = np.float32(0.0)
    if top_p < 1.0:
        threshold = _nucleus(logits, at, levels, np.float32(top_p) * total)
        total = _mass(logits, at, levels, threshold)
    target = np.float32(draw) * total
    last = best
    for index in range(levels):
        weight = logits[at + index]
        if weight >= threshold and weight > 0.0:
            last = index
            target -= weight
            if target < 0.0:
                break
    return last


@inlined
def _mass(weights: Any, at: int, levels: int, threshold: Any) -> Any:
    """Sum of the weights that reach a threshold."""
    total = np.float32(0.0)
    for index in range(levels):
        weight = weights[at + index]
        total += weight if weight >= threshold else np.float32(0.0)
    return total


@inlined
def _nucleus(weights: Any, at: int, levels: int, wanted: Any) -> Any:
    """The highest threshold whose classes weigh ``wanted``, by halving (no sort a frame).

    The largest weight is exp(0) = 1, so the threshold lies in (0, 1].
    """
    low, high = np.float32(0.0), np.float32(1.0)
    if _mass(weights, at, levels, high) >= wanted:
        return high
    for _ in range(_NUCLEUS_HALVINGS):
        middle = np.float32(0.5) * (low + high)
        if middle <= low or middle >= high:
            break
        if _mass(weights, at, levels, middle) >= wanted:
            low = middle
        else:
            high = middle
    return low


@inlined
def draw_frame(
    processor: Any, values: Any, at: int, frame: Any, given: Any,
    levels: int, temperatures: Any, top_p: float, key: Any, number: int,
) -> None:  # fmt: skip
    """Read the next frame off a head's values; logits are drawn from, and overwritten.

    There is a temperature for each value of a frame.
    ``number`` counts the draws of the stream so far; a frame uses one a value. Where ``given`` is
    a number and not NaN, it is the value; it is empty where nothing is given.
    """
    for index in range(len(frame)):
        if len(given) > 0 and given[index] == given[index]:
            frame[index] = given[index]
        elif levels == 0:
            frame[index] = values[at + index]
        else:
            logits = at + index * levels
            draw = uniform(key, number + index)
            frame[index] = draw_class(
                processor, values, logits, levels, temperatures[index], top_p, draw
            )


@compiled
def draw_frames(
    processor: Any, values: Any, frames: Any, levels: int, temperatures: Any, top_p: float,
    keys: Any, drawn: int,
) -> None:  # fmt: skip
    """Fill frames (streams, time, size) from a head's flat values, which are overwritten."""
    streams, time, size = frames.shape
    width = size * max(1, levels)
    nothing = values[:0]
    for row in range(streams):
        for now in range(time):
            at = (row * time + now) * width
            number = drawn + now * size
            draw_frame(
                processor, values, at, frames[row, now], nothing, levels, temperatures, top_p,
                keys[row], number,
            )  # fmt: skip
