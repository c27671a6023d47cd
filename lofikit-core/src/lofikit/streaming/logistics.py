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
from lofikit.streaming.processor import inlined

padded_width = inlined(padded)


@inlined
def add_logistic(
    processor: Any, edges: Any, arena: Any, out: int, work: int, centre: float, scale: float,
    weight: float,
) -> None:  # fmt: skip
    """Add a logistic distribution to the probabilities of the classes.

    Tails are differences of the smaller sides of the distribution function, so that they keep
    their relative precision.

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
    side, cells = arena[work : work + count], arena[out : out + count + 1]
    below = 0
    for index in range(count):
        side[index] = -abs(edges[index] - middle)
        below += 1 if edges[index] < middle else 0
    vectors.exponentials(
        processor, arena, work, padded_width(count), np.float32(0.0), np.float32(1.0 / scale)
    )
    for index in range(count):
        side[index] = share * side[index] / (one + side[index])
    if below > 0:
        cells[0] += side[0]
    for index in range(1, below):
        cells[index] += side[index] - side[index - 1]
    for index in range(below + 1, count):
        cells[index] += side[index - 1] - side[index]
    if below < count:
        cells[count] += side[count - 1]
    rest = share
    if below > 0:
        rest -= side[below - 1]
    if below < count:
        rest -= side[below]
    cells[below] += rest


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
