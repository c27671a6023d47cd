"""The compiled loop: operations stepped frame by frame, with the feedback inside.

Everything here is compiled by numba and works on the arenas of `lofikit.streaming.program`. No
memory is allocated and no Python runs between two frames.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lofikit.streaming import cells, rows, vectors
from lofikit.streaming.arena import ALIGN, PANEL
from lofikit.streaming.attention import NORM_EPSILON
from lofikit.streaming.bank import CENTRE
from lofikit.streaming.bank import RECENT as RUNNING_ERROR
from lofikit.streaming.heads import UNIFORM
from lofikit.streaming.logistics import expand_mixture
from lofikit.streaming.network import GUIDE_RANGE, GUIDES, SMALLEST_GUIDE
from lofikit.streaming.operations import (
    ATTENTION,
    DIAGONAL,
    GLU,
    GRU_CELL,
    LSTM_CELL,
    PRODUCT,
    PRODUCT_INT8,
    RECENT,
    RESIDUAL,
    RMS_NORM,
    ROTARY,
)
from lofikit.streaming.prediction import held, observe
from lofikit.streaming.processor import compiled, inlined
from lofikit.streaming.products import affine, affine_int8, padded_width, product
from lofikit.streaming.sampling import draw_frame


@inlined
def activate(processor: Any, arena: Any, at: int, count: int, code: int) -> None:
    """Apply the activation of a code (see `operations.ACTIVATION_CODES`) in place."""
    if code == 0:
        return
    if code == 1:
        vectors.activate_tanh(processor, arena, at, count)
    elif code == 2:
        vectors.activate_relu(processor, arena, at, count)
    elif code == 3:
        vectors.activate_sigmoid(processor, arena, at, count)
    elif code == 4:
        vectors.activate_elu(processor, arena, at, count)
    elif code == 5:
        vectors.activate_selu(processor, arena, at, count)
    elif code == 6:
        vectors.activate_gelu(processor, arena, at, count)
    elif code == 7:
        vectors.activate_gelu_tanh(processor, arena, at, count)
    elif code == 8:
        vectors.activate_swish(processor, arena, at, count)
    elif code == 9:
        vectors.activate_softplus(processor, arena, at, count)
    elif code == 10:
        vectors.activate_leaky_relu(processor, arena, at, count)


@inlined
def _residual(processor: Any, op: Any, state: Any, streams: int) -> None:
    """The end of a residual block: the sum of the skips, the block's output."""
    count = streams * op.columns
    if op.skip >= 0:
        if op.skip_starts:
            vectors.copy(processor, state, op.skip, op.branch, count)
        else:
            vectors.add(processor, state, op.skip, op.skip, op.branch, count)
    if op.out >= 0:
        vectors.add(processor, state, op.out, op.source, op.branch, count)


@inlined
def _lstm_cell(processor: Any, op: Any, state: Any, streams: int, clock: int) -> None:
    units = op.columns
    source = op.source + (clock & (op.source_frames - 1)) * streams * 4 * units
    out = op.out + (clock & (op.out_frames - 1)) * streams * units
    for row in range(streams):
        at = row * units
        cells.lstm_cell(processor, state, source + 4 * at, op.cell + at, out + at, units)


@inlined
def _gru_cell(processor: Any, op: Any, state: Any, streams: int) -> None:
    units = op.columns
    for row in range(streams):
        gates, hidden_gates = op.source + 3 * row * units, op.hidden_gates + 3 * row * units
        cells.gru_cell(processor, state, gates, hidden_gates, op.out + row * units, units)


@inlined
def _rms_norm(processor: Any, op: Any, weights: Any, state: Any, streams: int) -> None:
    whole = op.inputs - op.inputs % ALIGN
    for row in range(streams):
        source = op.source + row * op.columns
        total = rows.square_sum(processor, state, source, whole)
        for index in range(whole, op.inputs):
            total += state[source + index] * state[source + index]
        mean = total / np.float32(op.inputs) + np.float32(NORM_EPSILON)
        factor = np.float32(1.0) / np.float32(math.sqrt(mean))
        out = op.out + row * op.columns
        rows.scaled(processor, weights, state, out, source, factor, op.weight, op.columns)


@inlined
def _rotary(op: Any, weights: Any, state: Any, clock: int) -> None:
    """In float64, so that the angles stay exact in a stream of any length."""
    for index in range(op.columns):
        angle = float(clock) * float(weights[op.frequencies + index])
        state[op.out + index] = np.float32(math.cos(angle))
        state[op.out + op.columns + index] = np.float32(math.sin(angle))


@inlined
def _attention(processor: Any, op: Any, weights: Any, state: Any, streams: int, clock: int) -> None:
    """Each head's queries against the keys of the last frames, which lie in a ring."""
    half, width, ring = op.half, 2 * op.half, padded_width(op.window)
    sharing = op.heads // op.kv_heads
    given = op.columns + 2 * op.kv_heads * width
    slot = clock % op.window
    state[op.mask + slot] = np.float32(0.0)
    # Keys: frames are columns, in panels; values: frames are rows, in panels of a head's values.
    panel = slot // PANEL * PANEL
    panel_width = min(PANEL, ring - panel)
    for head in range(streams * op.kv_heads):
        row, number = head // op.kv_heads, head % op.kv_heads
        queries = op.source + row * given + number * sharing * width
        key = op.source + row * given + op.columns + number * width
        value = key + op.kv_heads * width
        rows.rotate(processor, state, key, op.rotations, op.rotations + half, half)
        for shared in range(sharing):
            at = queries + shared * width
            rows.rotate(processor, state, at, op.rotations, op.rotations + half, half)
        keys, values = op.keys + head * width * ring, op.values + head * width * ring
        column = keys + panel * width + slot - panel
        for index in range(width):
            state[column + index * panel_width] = state[key + index]
        for first in range(0, width, PANEL):
            count = min(PANEL, width - first)
            place = values + first * ring + slot * count
            vectors.copy(processor, state, place, value + first, count)
        product(
            processor, state, state, sharing, width, ring,
            queries, width, keys, op.mask, 0, op.scores,
        )  # fmt: skip
        for shared in range(sharing):
            rows.softmax(processor, state, op.scores + shared * ring, ring)
        out = op.out + row * op.columns + number * sharing * width
        product(
            processor, state, state, sharing, ring, width,
            op.scores, ring, values, op.zeros, 0, out,
        )  # fmt: skip


@inlined
def _diagonal(processor: Any, op: Any, weights: Any, state: Any, streams: int) -> None:
    for row in range(streams):
        at = 2 * row * op.columns
        cells.diagonal_cell(
            processor, weights, state, op.weight, op.source + at, op.out + at, op.columns
        )


@inlined
def _gate(processor: Any, op: Any, state: Any, streams: int) -> None:
    for row in range(streams):
        source, out = op.source + 2 * row * op.columns, op.out + row * op.columns
        if op.kind == GLU:
            cells.glu(processor, state, source, out, op.columns)
        else:
            cells.tanh_gate(processor, state, source, out, op.columns)


@inlined
def _recent(op: Any, state: Any, streams: int) -> None:
    width, source_stride = op.inputs, padded_width(op.inputs)
    older = (op.taps - 1) * width
    for row in range(streams):
        out = op.out + row * op.columns
        for index in range(older):
            state[out + index] = state[out + index + width]
        for index in range(width):
            state[out + older + index] = state[op.source + row * source_stride + index]


@inlined
def step(
    processor: Any, operations: Any, weights: Any, state: Any, streams: int, clock: int
) -> None:
    """One frame of every stream through the network."""
    for index in range(len(operations)):
        op = operations[index]
        if clock & (op.period - 1) != 0:
            continue
        if op.kind == PRODUCT:
            affine(processor, op, weights, state, streams, clock)
        elif op.kind == RESIDUAL:
            _residual(processor, op, state, streams)
        elif op.kind == PRODUCT_INT8:
            affine_int8(processor, op, weights, state, streams, clock)
        elif op.kind == LSTM_CELL:
            _lstm_cell(processor, op, state, streams, clock)
        elif op.kind == GRU_CELL:
            _gru_cell(processor, op, state, streams)
        elif op.kind == RMS_NORM:
            _rms_norm(processor, op, weights, state, streams)
        elif op.kind == ROTARY:
            _rotary(op, weights, state, clock)
        elif op.kind == ATTENTION:
            _attention(processor, op, weights, state, streams, clock)
        elif op.kind == DIAGONAL:
            _diagonal(processor, op, weights, state, streams)
        elif op.kind == RECENT:
            _recent(op, state, streams)
        else:
            _gate(processor, op, state, streams)
        count = op.ahead * streams * op.columns
        code = op.activation
        for _ in range(2):
            activate(processor, state, op.out, count, code)
            code = op.second_activation


@inlined
def feed(
    weights: Any, state: Any, at: int, frame: Any,
    levels: int, embedding: int, table: int, width: int,
) -> None:  # fmt: skip
    """Write one frame as the first layer's input: values, scaled class ids or embedded ones."""
    for index in range(len(frame)):
        if levels == 0:
            state[at + index] = frame[index]
        elif embedding < 0:
            state[at + index] = np.float32(2.0) * frame[index] / np.float32(levels - 1) - 1
        else:
            row = embedding + index * table + int(frame[index]) * width
            for column in range(width):
                state[at + index * width + column] = weights[row + column]


@inlined
def _logits(
    processor: Any, values: Any, at: int, size: int, mixtures: int, edges: Any, logits: Any,
    centre: float, unit: float,
) -> None:  # fmt: skip
    """Write a frame's logits (size, levels) from a head's mixtures of logistic distributions."""
    levels = len(edges) + 1
    for index in range(size):
        expand_mixture(
            processor, values, at + 3 * mixtures * index, mixtures, edges,
            logits, index * levels, size * levels, UNIFORM, centre, unit,
        )  # fmt: skip


@inlined
def _feed_guides(state: Any, at: int, bank: Any) -> None:
    """Write a prediction and its running error as inputs; see `network.Predictor`."""
    state[at] = np.float32(bank[CENTRE])
    error = math.log(max(bank[RUNNING_ERROR], SMALLEST_GUIDE))
    state[at + 1] = np.float32(1.0 + error / GUIDE_RANGE)


@compiled
def run(
    processor: Any, operations: Any, weights: Any, state: Any,
    source: int, head: int, embedding: int, table: int, levels: int, width: int,
    mixtures: int, edges: Any, logits: Any,
    predictors: Any, banks: Any, longest: int, class_values: Any,
    clock: int, frames: Any, outputs: Any,
    generating: bool, given: Any, temperatures: Any, top_p: float, keys: Any, drawn: int,
) -> None:  # fmt: skip
    """Step a group of streams through frames (streams, time, size).

    Generating, each frame is drawn from the head's outputs before, but for the values that are
    ``given`` (see `draw_frame`), and written to ``frames``; else ``frames`` are there. The head's
    values after each are written to ``outputs`` (streams, time, values), whose last axis is empty
    where nobody wants them. Frames of size 0 step without any input. Where the
    head gives ``mixtures`` of logistic distributions over cells with inner ``edges``, ``logits`` is
    a space for a frame's logits and one padded row more. Where ``predictors`` guide them,
    ``banks`` (streams, values) are their states, and ``class_values`` what classes stand for.
    """
    streams, time, size = frames.shape
    guided = len(predictors) > 0
    source_stride = padded_width(size * width + (GUIDES if guided else 0))
    head_stride = padded_width(size * (3 * mixtures if mixtures > 0 else max(1, levels)))
    for now in range(time):
        for row in range(streams):
            frame = frames[row, now]
            at = head + row * head_stride
            if generating:
                number = drawn + now * size
                if mixtures > 0:
                    centre, unit = 0.0, 1.0
                    if guided:
                        bank = banks[row]
                        centre, unit = bank[CENTRE], max(bank[RUNNING_ERROR], SMALLEST_GUIDE)
                        if temperatures[0] > 0.0:
                            centre, narrower = held(predictors, bank, longest)
                            unit *= narrower
                    _logits(processor, state, at, size, mixtures, edges, logits, centre, unit)
                    draw_frame(
                        processor, logits, 0, frame, given[row, now],
                        levels, temperatures, top_p, keys[row], number,
                    )  # fmt: skip
                else:
                    draw_frame(
                        processor, state, at, frame, given[row, now],
                        levels, temperatures, top_p, keys[row], number,
                    )  # fmt: skip
            at = source + row * source_stride
            feed(weights, state, at, frame, levels, embedding, table, width)
            if guided:
                value = class_values[int(frame[0])]
                observe(predictors, banks[row], longest, False, value, generating)
                _feed_guides(state, at + width, banks[row])
        step(processor, operations, weights, state, streams, clock + now)
        for row in range(streams):
            at = head + row * head_stride
            if mixtures > 0 and outputs.shape[2] > 0:
                centre, unit = 0.0, 1.0
                if guided:
                    centre, unit = (
                        banks[row, CENTRE],
                        max(banks[row, RUNNING_ERROR], SMALLEST_GUIDE),
                    )
                _logits(processor, state, at, size, mixtures, edges, logits, centre, unit)
                for index in range(outputs.shape[2]):
                    outputs[row, now, index] = logits[index]
            else:
                for index in range(outputs.shape[2]):
                    outputs[row, now, index] = state[at + index]
