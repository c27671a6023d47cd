"""The compiled loop of linear prediction: values given or generated, one after the other."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lofikit.streaming.bank import CENTRE, RECENT
from lofikit.streaming.logistics import add_logistic, take_logarithms
from lofikit.streaming.prediction import held, observe
from lofikit.streaming.processor import compiled, inlined
from lofikit.streaming.sampling import draw_class, uniform

NEGLIGIBLE = 1e-6
"""Weight of a scale below which it is left out."""


@inlined
def expand(
    processor: Any, edges: Any, scales: Any, weights: Any, floor: float, arena: Any, width: int,
    centre: float, recent: float,
) -> None:  # fmt: skip
    """Write the logarithm of each class's probability to the arena.

    Args:
        processor: What to compile for.
        edges: Inner edges of the classes' cells (levels - 1,), single precision.
        scales: Of the logistic distributions, evenly spaced on a logarithmic axis.
        weights: Of the scales (second axis) by recent error (first), see
            `lofikit.models.logistic_mixture`.
        floor: Share of the distribution that is uniform.
        arena: Single-precision space of two spans.
        width: Of a span.
        centre: The predicted value.
        recent: The likely error.
    """
    last = len(scales) - 1
    step = math.log(scales[last] / scales[0]) / last
    place = math.log(max(recent, 1e-12) / scales[0]) / step
    place = min(max(place, 0.0), float(last))
    lower = min(int(place), last - 1)
    upper_share = place - lower
    total = 0.0
    arena[:width] = np.float32(0.0)
    for index in range(last + 1):
        weight = (1.0 - upper_share) * weights[lower, index] + upper_share * weights[
            lower + 1, index
        ]
        if weight > NEGLIGIBLE:
            total += weight
            add_logistic(processor, edges, arena, 0, width, centre, scales[index], weight)
    take_logarithms(arena, 0, len(edges) + 1, total, floor)


@compiled
def follow(
    processor: Any, predictors: Any, states: Any, longest: int, rising: bool,
    class_values: Any, edges: Any, scales: Any, weights: Any, floor: float, arena: Any,
    width: int, values: Any, ids: Any, outputs: Any, traces: Any,
    generating: bool, temperature: float, top_p: float, keys: Any, drawn: int,
) -> None:  # fmt: skip
    """Step series through values (series, time), given or generated.

    Args:
        processor: What to compile for.
        predictors: Rows of `PREDICTOR`.
        states: The state of each series (series, state).
        longest: The longest order.
        rising: Whether predictions may become as large as the largest value that came.
        class_values: What each class stands for (levels,); empty for real values.
        edges: See `expand`, as all that follow.
        scales: See `expand`.
        weights: See `expand`.
        floor: See `expand`.
        arena: See `expand`.
        width: See `expand`.
        values: Real values, or space for what classes stand for.
        ids: Classes, of the shape of ``values``, or empty.
        outputs: Takes predictions (series, time, 1) or logarithms of probabilities (series, time,
            levels) after each value; or empty.
        traces: Takes the prediction of each value and its likely error (series, time, 2), made
            before it; or empty.
        generating: Whether values are generated instead of given.
        temperature: Of the drawing of classes.
        top_p: Of the drawing of classes.
        keys: Of the series' draws.
        drawn: Draws of each series before.
    """
    levels = len(class_values)
    for row in range(values.shape[0]):
        state = states[row]
        for now in range(values.shape[1]):
            if generating and levels > 0:
                centre, narrower = state[CENTRE], 1.0
                if temperature > 0.0:
                    centre, narrower = held(predictors, state, longest)
                expand(
                    processor, edges, scales, weights, floor, arena, width,
                    centre, narrower * state[RECENT],
                )  # fmt: skip
                draw = uniform(keys[row], drawn + now)
                ids[row, now] = draw_class(processor, arena, 0, levels, temperature, top_p, draw)
            elif generating:
                values[row, now] = np.float32(state[CENTRE])
            if levels > 0:
                values[row, now] = class_values[ids[row, now]]
            if traces.shape[1] > 0:
                traces[row, now, 0], traces[row, now, 1] = state[CENTRE], state[RECENT]
            observe(predictors, state, longest, rising, values[row, now], generating)
            if outputs.shape[1] > 0 and levels > 0:
                expand(
                    processor, edges, scales, weights, floor, arena, width, state[CENTRE],
                    state[RECENT],
                )  # fmt: skip
                for index in range(levels):
                    outputs[row, now, index] = arena[index]
            elif outputs.shape[1] > 0:
                outputs[row, now, 0] = state[CENTRE]


@compiled
def guide(
    processor: Any, predictors: Any, states: Any, longest: int, values: Any, out: Any
) -> None:  # fmt: skip
    """Follow given values (series, time): the next prediction and its likely error after each.

    Args:
        processor: What to compile for.
        predictors: Rows of `PREDICTOR`.
        states: The state of each series (series, state).
        longest: The longest order.
        values: What is given.
        out: Takes both (series, time, 2).
    """
    for row in range(values.shape[0]):
        for now in range(values.shape[1]):
            observe(predictors, states[row], longest, False, values[row, now], False)
            out[row, now, 0], out[row, now, 1] = states[row, CENTRE], states[row, RECENT]
