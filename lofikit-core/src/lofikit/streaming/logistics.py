"""Mixtures of discretised logistic distributions over ordered classes, compiled.

A class has the probability that the mixture gives to its cell; the outermost cells take the tails
(PixelCNN++, Salimans et al. 2017, section 2.1).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lofikit.streaming import vectors
from lofikit.streaming.arena import padded
from lofikit.streaming.heads import LOG_SCALES
from lofikit.streaming.processor import inlined

padded_width = inlined(padded)


@inlined
def _share_between(near: Any, far: Any, width: Any) -> Any:
    """Of a logistic distribution: the share between two points of one side of its mean.

    Args:
        near: ``exp(-d)`` of the point nearer to the mean, which is ``d`` scales away.
        far: The same of the other.
        width: Scales from one to the other.
    """
    # 1 - far / near, which would lose its digits where the two are close.
    series = width * (
        np.float32(1)
        - width
        * (
            np.float32(1 / 2)
            - width * (np.float32(1 / 6) - width * (np.float32(1 / 24) - width / np.float32(120)))
        )
    )
    part = series if width < np.float32(0.25) else np.float32(1) - far / near
    return near * part / ((np.float32(1) + near) * (np.float32(1) + far))


@inlined
def add_logistic(
    processor: Any, edges: Any, arena: Any, out: int, work: int, centre: float, scale: float,
    weight: float,
) -> None:  # fmt: skip
    """Add a logistic distribution to the probabilities of the classes.

    No probability is a difference of two large numbers, so that tails and narrow cells keep their
    relative precision.

    Args:
        processor: What to compile for.
        edges: Inner edges of the cells, ascending (levels - 1,), single precision.
        arena: Holds the probabilities, and a work space of the padded width of the levels.
        out: Offset of the probabilities.
        work: Offset of the work space.
        centre: Mean of the distribution.
        scale: Scale of the distribution.
        weight: What its probabilities are multiplied by.
    """
    count = len(edges)
    middle, share, one = np.float32(centre), np.float32(weight), np.float32(1.0)
    sharp = np.float32(1.0 / scale)
    side, cells = arena[work : work + count], arena[out : out + count + 1]
    below = 0
    for index in range(count):
        side[index] = -abs(edges[index] - middle)
        below += 1 if edges[index] < middle else 0
    vectors.exponentials(processor, arena, work, padded_width(count), np.float32(0.0), sharp)
    if below > 0:
        cells[0] += share * side[0] / (one + side[0])
    for index in range(1, below):
        width = (edges[index] - edges[index - 1]) * sharp
        cells[index] += share * _share_between(side[index], side[index - 1], width)
    for index in range(below + 1, count):
        width = (edges[index] - edges[index - 1]) * sharp
        cells[index] += share * _share_between(side[index - 1], side[index], width)
    if below < count:
        cells[count] += share * side[count - 1] / (one + side[count - 1])
    inside = 1.0
    if below > 0:
        inside -= 1.0 / (1.0 + math.exp(min((middle - edges[below - 1]) / scale, 700.0)))
    if below < count:
        inside -= 1.0 / (1.0 + math.exp(min((edges[below] - middle) / scale, 700.0)))
    cells[below] += share * np.float32(inside)


@inlined
def expand_mixture(
    processor: Any, values: Any, at: int, mixtures: int, edges: Any, arena: Any, out: int,
    work: int, floor: float, centre: float, unit: float,
) -> None:  # fmt: skip
    """Write the logarithm of each class's probability by a head's values.

    Args:
        processor: What to compile for.
        values: Hold the logits of the weights, the means and the logarithms of the scales.
        at: Their offset.
        mixtures: Number of distributions.
        edges: See `add_logistic`.
        arena: Takes the results, and holds a work space.
        out: Offset of the results.
        work: Offset of the work space.
        floor: Share of the distribution that is uniform.
        centre: What is added to the means.
        unit: What means and scales are in units of.
    """
    levels = len(edges) + 1
    highest, total = values[at], 0.0
    for index in range(1, mixtures):
        highest = max(highest, values[at + index])
    for index in range(mixtures):
        total += math.exp(values[at + index] - highest)
    arena[out : out + levels] = np.float32(0.0)
    for index in range(mixtures):
        weight = math.exp(values[at + index] - highest) / total
        mean = centre + unit * float(values[at + mixtures + index])
        log_scale = float(values[at + 2 * mixtures + index])
        scale = unit * math.exp(min(max(log_scale, LOG_SCALES[0]), LOG_SCALES[1]))
        add_logistic(processor, edges, arena, out, work, mean, scale, weight)
    take_logarithms(arena, out, levels, 1.0, floor)


@inlined
def take_logarithms(arena: Any, at: int, levels: int, total: float, floor: float) -> None:
    """Replace probabilities of the classes by their logarithms.

    Args:
        arena: Holds them.
        at: Their offset.
        levels: Number of classes.
        total: What they add up to.
        floor: Share of the distribution that is uniform.
    """
    cells = arena[at : at + levels]
    share, least = np.float32((1.0 - floor) / total), np.float32(floor / levels)
    for index in range(levels):
        cells[index] = math.log(share * cells[index] + least)
