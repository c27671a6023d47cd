"""The operations of a program: their kinds, what they are told, and how they are laid out."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import numpy.typing as npt

from lofikit.streaming.arena import Arena, padded
from lofikit.streaming.layer import FloatArray

(
    PRODUCT,
    RESIDUAL,
    LSTM_CELL,
    PRODUCT_INT8,
    GRU_CELL,
    RMS_NORM,
    ROTARY,
    ATTENTION,
    DIAGONAL,
    GLU,
    TANH_GATE,
    RECENT,
) = range(12)
"""Kinds of operation."""

ACTIVATION_CODES: dict[str, int] = {
    "linear": 0,
    "tanh": 1,
    "relu": 2,
    "sigmoid": 3,
    "elu": 4,
    "selu": 5,
    "gelu": 6,
    "gelu_tanh": 7,
    "swish": 8,
    "silu": 8,
    "softplus": 9,
    "leaky_relu": 10,
}

OPERATION = np.dtype(
    [
        (name, np.int64)
        for name in (
            "kind",
            "period",  # a power of two: done when the clock divides by it
            "ahead",  # frames computed at once
            "columns",  # padded values a row that come out
            # PRODUCT: out = start + source @ weight, tap by tap
            "source",  # rows that go in: a ring of frames, or one frame
            "source_frames",  # frames in it, a power of two
            "source_stride",
            "inputs",  # values a row that are read
            "delay",  # frames from the oldest tap to the first output
            "dilation",
            "taps",
            "weight",  # in the weights: the oldest tap's packed matrix
            "start",  # what is added to: a ring of sums, or the bias
            "start_frames",  # frames in it, a power of two; 0 for a bias
            "out",
            "out_frames",  # frames in it, a power of two
            "keep",  # ring of past frames that the source is copied to, or -1
            "keep_frames",
            # PRODUCT_INT8: as PRODUCT with one tap, the source rounded to 16 bits first
            "range",  # what 1 becomes
            "rounded",  # the rounded row
            "scales",  # in the weights: a factor a column
            # RESIDUAL: skip += branch; out = source + branch
            "branch",
            "skip",  # the sum of the skips, or -1
            "skip_starts",  # 1 where the sum starts here
            # LSTM_CELL: gates in source, hidden state in out
            "cell",
            # GRU_CELL: gates in source, those of the hidden state, which is in out, here
            "hidden_gates",
            # RMS_NORM: inputs values of source to out, scaled by the weights' row
            # ROTARY: cosines of the clock's angles to out, and behind them the sines
            "frequencies",  # in the weights: columns angles a frame
            # ATTENTION: queries, keys and values in source, one after the other, to out
            "heads",  # of queries
            "kv_heads",  # of keys and values, which as many heads of queries each share
            "half",  # padded values of half a head
            "window",
            "rotations",  # from ROTARY
            "keys",  # of a stream's head: (2 * half, padded window), packed as a matrix is
            "values",  # of a stream's head: (padded window, 2 * half), likewise
            "mask",  # padded window: 0 where a frame is, else far below any score
            "scores",  # a padded window for each query of a head of keys
            "zeros",
            # DIAGONAL: states in out, what is added in source, factors in the weights; all halves
            # of columns values
            # GLU, TANH_GATE: halves in source
            # RECENT: out, the last frames of source side by side, moves by one
            # Applied to out, one after the other
            "activation",
            "second_activation",
        )
    ]
)
"""One row of a program; places are offsets in the state, in float32 values."""


class Packer:
    """Lays out operations one by one, for ``streams`` streams stepped together."""

    def __init__(self, streams: int) -> None:
        self.streams = streams
        self.state = Arena()
        self.weights = Arena()
        self._rows: list[dict[str, int]] = []
        self._period = 1

    @contextmanager
    def every(self, period: int) -> Iterator[None]:
        """Operations that are added are done once a period, a power of two of frames."""
        self._period = period
        yield
        self._period = 1

    def zeros(self, width: int) -> int:
        """Reserve a row of the state that stays zero, for products to start from."""
        return self.state.reserve(padded(width))

    def frames(self, width: int, frames: int = 1) -> int:
        """Reserve rows of the state for a number of frames of every stream."""
        return self.state.reserve(frames * self.streams * padded(width))

    def add(self, kind: int, **fields: int) -> None:
        """Append an operation; see `OPERATION`."""
        row = {"period": self._period, "ahead": 1, "source_frames": 1, "out_frames": 1, "taps": 1}
        row |= {"keep": -1, "skip": -1}
        self._rows.append({"kind": kind, **row, **fields})

    def affine(self, weight: FloatArray, source: int, out: int = -1, **fields: int) -> int:
        """Append a product with one matrix (in, out), by default of the newest frame."""
        inputs, columns = weight.shape
        if out < 0:
            out = self.frames(columns)
        self.add(
            PRODUCT,
            source=source,
            source_stride=padded(inputs),
            inputs=inputs,
            columns=padded(columns),
            weight=self.weights.matrix(weight),
            out=out,
            **fields,
        )
        return out

    def recurrent(
        self, weight: FloatArray, source: int, out: int = -1, *, int8: bool, **fields: int
    ) -> int:
        """Append a product of values within [-1, 1], an LSTM's hidden state, or its int8 form."""
        if not int8:
            return self.affine(weight, source, out, **fields)
        inputs, columns = weight.shape
        # Sums of `inputs` products must fit in 31 bits, and a rounded value in 15.
        most = min(32767, (2**31 - 1) // (127 * inputs))
        matrix, scales = self.weights.int8_matrix(weight, most)
        if out < 0:
            out = self.frames(columns)
        self.add(
            PRODUCT_INT8,
            source=source,
            source_stride=padded(inputs),
            inputs=inputs,
            columns=padded(columns),
            weight=matrix,
            scales=scales,
            range=most,
            rounded=self.state.reserve(padded(inputs)),
            out=out,
            **fields,
        )
        return out

    def cut(self) -> npt.NDArray[np.void]:
        """The operations added since the last cut."""
        operations = np.zeros(len(self._rows), OPERATION)
        for index, row in enumerate(self._rows):
            for name, value in row.items():
                operations[index][name] = value
        self._rows = []
        return operations


def spread_gates(matrix: FloatArray, gates: int) -> FloatArray:
    """Pad each gate of (in, gates * units) to a multiple of `ALIGN` columns."""
    inputs, columns = matrix.shape
    units = columns // gates
    wide = np.zeros((inputs, gates, padded(units)), np.float32)
    wide[:, :, :units] = matrix.reshape(inputs, gates, units)
    return wide.reshape(inputs, -1)
