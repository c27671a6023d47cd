"""A network compiled to a program: a table of operations over two flat float32 arenas.

The weights' arena holds every matrix packed in panels of `PANEL` columns, in the order in which
they are used, so that a step reads it from front to back. The state's arena holds the activations
of one frame, the rings of past frames and the sums that were computed ahead; all are rows of
``streams`` x width, padded to `ALIGN`.

**Look-ahead.** Tap ``j`` of a convolution of dilation ``d`` sees the frame ``j * d`` before, so
its part in the next ``j * d`` outputs is known already. It is computed for a power of two of them
at once, as one matrix product that reads the weights once; only the newest tap is left
to a matrix-vector product a frame. Taps are always added from the oldest to the newest, however
far ahead they are computed, so the sums do not depend on the number of streams.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lofikit.streaming.arena import Arena, padded
from lofikit.streaming.network import (
    GRU,
    LSTM,
    TCN,
    Conv,
    Dense,
    FloatArray,
    Network,
    ResidualBlock,
)

LOOK_AHEAD_ROWS = 64
"""Rows (frames x streams) of a product computed ahead, at most: its operands stay in cache."""

PRODUCT, RESIDUAL, LSTM_CELL, PRODUCT_INT8, GRU_CELL = range(5)
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
            "ahead",  # frames computed at once, a power of two: done when the clock divides by it
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
            # Applied to out, one after the other
            "activation",
            "second_activation",
        )
    ]
)
"""One row of a program; places are offsets in the state, in float32 values."""


@dataclass(frozen=True)
class Program:
    """A network packed for a number of streams.

    Attributes:
        operations: Rows of `OPERATION`, in order.
        weights: The weights' arena.
        state: The state's arena before the first frame: the biases, and zeros.
        source: State offset of the first layer's input rows.
        head: State offset of the head's output rows.
        embedding: Weights offset of the embedding's rows, or -1.
        table: Values from one id's table to the next one's; 0 where they share one.
    """

    operations: npt.NDArray[np.void]
    weights: FloatArray
    state: FloatArray
    source: int
    head: int
    embedding: int
    table: int


def pack(network: Network, streams: int, *, int8: bool = False) -> Program:
    """Lay out a network's weights and state for ``streams`` streams stepped together.

    Args:
        network: The network.
        streams: Streams stepped together.
        int8: Round the recurrent matrices of LSTMs to 8 bits.

    Returns:
        The program.
    """
    return _NetworkPacker(network, streams, int8=int8).program


class Packer:
    """Lays out operations one by one, for ``streams`` streams stepped together."""

    def __init__(self, streams: int) -> None:
        self.streams = streams
        self.state = Arena()
        self.weights = Arena()
        self._rows: list[dict[str, int]] = []

    def frames(self, width: int, frames: int = 1) -> int:
        """Reserve rows of the state for a number of frames of every stream."""
        return self.state.reserve(frames * self.streams * padded(width))

    def add(self, kind: int, **fields: int) -> None:
        """Append an operation; see `OPERATION`."""
        row = {"ahead": 1, "source_frames": 1, "out_frames": 1, "taps": 1, "keep": -1, "skip": -1}
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


class _NetworkPacker(Packer):
    def __init__(self, network: Network, streams: int, *, int8: bool) -> None:
        super().__init__(streams)
        self._int8 = int8
        embedding = network.input.embedding
        rows = -1 if embedding is None else self.weights.vector(embedding.ravel())
        table = 0 if embedding is None or embedding.ndim == 2 else embedding[0].size
        width = network.input.output_width
        source = at = self.frames(width)
        for layer in network.layers:
            if isinstance(layer, TCN):
                at = self._tcn(layer, at)
            elif isinstance(layer, Conv):
                at = self._conv(layer, at)
            elif isinstance(layer, LSTM):
                at = self._lstm(layer, at)
            elif isinstance(layer, GRU):
                at = self._gru(layer, at)
            elif isinstance(layer, Dense):
                at = self._dense(layer, at)
            else:
                raise TypeError(f"no operations are known for a layer {type(layer).__name__}.")
        head = self._dense(network.head, at)
        self.program = Program(
            self.cut(), self.weights.filled(), self.state.filled(), source, head, rows, table
        )

    def _dense(self, layer: Dense, source: int) -> int:
        return self.affine(
            layer.weight,
            source,
            start=self.state.vector(layer.bias),
            activation=ACTIVATION_CODES[layer.activation],
        )

    def _conv(self, layer: Conv, source: int, second_activation: int = 0) -> int:
        past = layer.kernel - 1
        start = self.state.vector(layer.bias)
        activations = {
            "activation": ACTIVATION_CODES[layer.activation],
            "second_activation": second_activation,
        }
        if past == 0:
            return self.affine(layer.weight[0], source, start=start, **activations)
        ring_frames = 1 << (past * layer.dilation - 1).bit_length()
        ring = self.frames(layer.input_width, ring_frames)
        groups = _look_ahead(layer.kernel, layer.dilation, self.streams)
        sum_frames = groups[0][0]
        sums = self.frames(layer.output_width, sum_frames)
        start_frames = 0  # the first group starts the sums from the bias, the others add to them
        for ahead, oldest, taps in groups:
            # Tap j lies at index kernel - 1 - j, so the oldest comes first, as it is added.
            first = past - oldest
            weight = [self.weights.matrix(layer.weight[first + tap]) for tap in range(taps)]
            self.add(
                PRODUCT,
                source=ring,
                source_frames=ring_frames,
                source_stride=padded(layer.input_width),
                inputs=layer.input_width,
                columns=padded(layer.output_width),
                ahead=ahead,
                delay=oldest * layer.dilation,
                dilation=layer.dilation,
                taps=taps,
                weight=weight[0],
                start=start,
                start_frames=start_frames,
                out=sums,
                out_frames=sum_frames,
            )
            start, start_frames = sums, sum_frames
        return self.affine(
            layer.weight[-1],
            source,
            start=sums,
            start_frames=sum_frames,
            keep=ring,
            keep_frames=ring_frames,
            **activations,
        )

    def _tcn(self, layer: TCN, source: int) -> int:
        skip = self.frames(layer.output_width) if layer.skips else -1
        for number, block in enumerate(layer.blocks):
            last = number == len(layer.blocks) - 1
            source = self._block(block, source, skip, first=number == 0, last=last)
        return skip if layer.skips else source

    def _block(
        self, block: ResidualBlock, source: int, skip: int, *, first: bool, last: bool
    ) -> int:
        branch = source
        for conv in block.convs[:-1]:
            branch = self._conv(conv, branch)
        branch = self._conv(block.convs[-1], branch, ACTIVATION_CODES[block.branch_activation])
        unused = last and skip >= 0  # only the skips leave the stack
        if block.match is not None and not unused:
            source = self._dense(block.match, source)
        out = -1 if unused else self.frames(block.output_width)
        self.add(
            RESIDUAL,
            source=source,
            branch=branch,
            out=out,
            columns=padded(block.output_width),
            skip=skip,
            skip_starts=int(first),
            activation=0 if unused else ACTIVATION_CODES[block.activation],
        )
        return out

    def _lstm(self, layer: LSTM, source: int) -> int:
        units = layer.output_width
        hidden, cell = self.frames(units), self.frames(units)
        bias = self.state.vector(spread_gates(layer.bias[None], 4)[0])
        gates = self.affine(spread_gates(layer.kernel, 4), source, start=bias)
        recurrent = spread_gates(layer.recurrent, 4)
        self.recurrent(recurrent, hidden, gates, int8=self._int8, start=gates, start_frames=1)
        self.add(LSTM_CELL, source=gates, cell=cell, out=hidden, columns=padded(units))
        return hidden

    def _gru(self, layer: GRU, source: int) -> int:
        units = layer.output_width
        hidden = self.frames(units)
        bias = self.state.vector(spread_gates(layer.bias[None], 3)[0])
        gates = self.affine(spread_gates(layer.kernel, 3), source, start=bias)
        # The reset gate falls on the product of the hidden state, so the two are kept apart.
        bias = self.state.vector(spread_gates(layer.recurrent_bias[None], 3)[0])
        recurrent = spread_gates(layer.recurrent, 3)
        hidden_gates = self.recurrent(recurrent, hidden, int8=self._int8, start=bias)
        self.add(
            GRU_CELL, source=gates, hidden_gates=hidden_gates, out=hidden, columns=padded(units)
        )
        return hidden


def spread_gates(matrix: FloatArray, gates: int) -> FloatArray:
    """Pad each gate of (in, gates * units) to a multiple of `ALIGN` columns."""
    inputs, columns = matrix.shape
    units = columns // gates
    wide = np.zeros((inputs, gates, padded(units)), np.float32)
    wide[:, :, :units] = matrix.reshape(inputs, gates, units)
    return wide.reshape(inputs, -1)


def _look_ahead(kernel: int, dilation: int, streams: int) -> list[tuple[int, int, int]]:
    """Past taps grouped by how far ahead they are computed: (frames, oldest tap, taps)."""
    most = max(1, 1 << (LOOK_AHEAD_ROWS // streams).bit_length() - 1) if streams <= 64 else 1
    groups: list[tuple[int, int, int]] = []
    for tap in range(kernel - 1, 0, -1):
        ahead = min(most, 1 << (tap * dilation).bit_length() - 1)
        if groups and groups[-1][0] == ahead:
            groups[-1] = (ahead, groups[-1][1], groups[-1][2] + 1)
        else:
            groups.append((ahead, tap, 1))
    return groups
