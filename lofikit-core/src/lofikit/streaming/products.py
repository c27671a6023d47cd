"""Products of rows by packed matrices: the operations that take most of the time."""

from __future__ import annotations

from typing import Any

from lofikit.streaming import vectors
from lofikit.streaming.arena import PANEL, padded
from lofikit.streaming.processor import inlined

padded_width = inlined(padded)


@inlined
def product(
    processor: Any, weights: Any, state: Any,
    rows: int, inputs: int, columns: int,
    x: int, x_stride: int, weight: int, start: int, start_stride: int, out: int,
) -> None:  # fmt: skip
    """``out = start + x @ weight``: rows of the state by a packed matrix.

    Rows of out are ``columns`` apart; all rows start from the same one where ``start_stride`` is 0.
    """
    for panel in range(0, columns, PANEL):
        width = min(PANEL, columns - panel)
        matrix = weight + panel * inputs
        row = 0
        while row < rows:
            source = x + row * x_stride
            begin = start + row * start_stride + panel
            end = out + row * columns + panel
            if rows - row >= 4:
                vectors.product_4(
                    processor, weights, state, width, inputs,
                    source, x_stride, matrix, begin, start_stride, end, columns,
                )  # fmt: skip
                row += 4
            else:
                vectors.product_1(
                    processor, weights, state, width, inputs,
                    source, x_stride, matrix, begin, start_stride, end, columns,
                )  # fmt: skip
                row += 1


@inlined
def affine(processor: Any, op: Any, weights: Any, state: Any, streams: int, clock: int) -> None:
    """A dense layer, past taps for the next ``op.ahead`` frames, or a newest tap on top of them."""
    columns = op.columns
    stride = op.source_stride
    if op.keep >= 0:
        # The newest frame takes the place of the oldest, which no output needs any more.
        row = op.keep + (clock & (op.keep_frames - 1)) * streams * stride
        vectors.copy(processor, state, row, op.source, streams * stride)
    out = op.out + (clock & (op.out_frames - 1)) * streams * columns
    start, start_stride = op.start, 0
    if op.start_frames > 0:
        start += (clock & (op.start_frames - 1)) * streams * columns
        start_stride = columns
    weight = op.weight
    delay = op.delay
    for _ in range(op.taps):
        # Frames clock - delay onwards, in two spans where the ring ends between them.
        first = (clock - delay) & (op.source_frames - 1)
        frames = min(op.ahead, op.source_frames - first)
        done = 0
        while done < op.ahead:
            product(
                processor, weights, state, frames * streams, op.inputs, columns,
                op.source + first * streams * stride, stride, weight,
                start + done * streams * start_stride, start_stride,
                out + done * streams * columns,
            )  # fmt: skip
            done += frames
            frames = op.ahead - done
            first = 0
        start, start_stride = out, columns
        weight += op.inputs * columns
        delay -= op.dilation


@inlined
def affine_int8(
    processor: Any, op: Any, weights: Any, state: Any, streams: int, clock: int
) -> None:
    """A product with rounded weights, row by row."""
    columns = op.columns
    pairs = (op.inputs + 1) // 2
    first = (clock - op.delay) & (op.source_frames - 1)
    start, start_stride = op.start, 0
    if op.start_frames > 0:
        start += (clock & (op.start_frames - 1)) * streams * columns
        start_stride = columns
    for row in range(streams):
        source = op.source + (first * streams + row) * op.source_stride
        vectors.quantize(processor, state, op.rounded, source, op.source_stride, op.range)
        for panel in range(0, columns, PANEL):
            # Two bytes a pair, four a place in the arena.
            matrix = op.weight + panel * pairs // 2
            begin = start + row * start_stride + panel
            vectors.product_int8(
                processor, weights, state, min(PANEL, columns - panel), pairs,
                op.rounded, matrix, op.scales + panel, begin, op.out + row * columns + panel,
            )  # fmt: skip
