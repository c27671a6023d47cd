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

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from lofikit.streaming.arena import padded
from lofikit.streaming.attention import rotary_frequencies
from lofikit.streaming.network import (
    GRU,
    LSTM,
    TCN,
    Attention,
    Conv,
    Dense,
    DiagonalRecurrence,
    FloatArray,
    Layer,
    LRUBlock,
    Network,
    ResidualBlock,
    RMSNorm,
    Tiers,
    TransformerBlock,
    WaveNet,
)
from lofikit.streaming.operations import (
    ACTIVATION_CODES,
    ATTENTION,
    GRU_CELL,
    LSTM_CELL,
    PRODUCT,
    RESIDUAL,
    RMS_NORM,
    ROTARY,
    Packer,
    spread_gates,
)
from lofikit.streaming.packing import (
    pack_lru_block,
    pack_recurrence,
    pack_tiers,
    pack_wavenet,
)

LOOK_AHEAD_ROWS = 64
"""Rows (frames x streams) of a product computed ahead, at most: its operands stay in cache."""


_UNHEARD = -1e30
"""The score of a frame that was not heard yet: its share of an attention is nothing."""


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
    return NetworkPacker(network, streams, int8=int8).program


class NetworkPacker(Packer):
    """Lays out a whole network, layer by layer."""

    def __init__(self, network: Network, streams: int, *, int8: bool) -> None:
        super().__init__(streams)
        self._int8 = int8
        self._rotations: dict[int, int] = {}
        embedding = network.input.embedding
        rows = -1 if embedding is None else self.weights.vector(embedding.ravel())
        table = 0 if embedding is None or embedding.ndim == 2 else embedding[0].size
        width = network.input.output_width
        source = at = self.frames(width)
        packers: dict[type[Layer], Callable[[Any, int], int]] = {
            Conv: self.conv,
            Dense: self.dense,
            DiagonalRecurrence: partial(pack_recurrence, self),
            GRU: self.gru,
            LSTM: self._lstm,
            LRUBlock: partial(pack_lru_block, self),
            RMSNorm: self.rms_norm,
            TCN: self._tcn,
            Tiers: partial(pack_tiers, self),
            TransformerBlock: self._transformer_block,
            WaveNet: partial(pack_wavenet, self),
        }
        for layer in network.layers:
            at = packers[type(layer)](layer, at)
        head = self.dense(network.head, at)
        self.program = Program(
            self.cut(), self.weights.filled(), self.state.filled(), source, head, rows, table
        )

    def dense(self, layer: Dense, source: int) -> int:
        """Append a dense layer."""
        return self.affine(
            layer.weight,
            source,
            start=self.state.vector(layer.bias),
            activation=ACTIVATION_CODES[layer.activation],
        )

    def conv(self, layer: Conv, source: int, second_activation: int = 0) -> int:
        """Append a causal convolution, with the look-ahead of its past taps."""
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
                period=ahead,
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
            branch = self.conv(conv, branch)
        branch = self.conv(block.convs[-1], branch, ACTIVATION_CODES[block.branch_activation])
        unused = last and skip >= 0  # only the skips leave the stack
        if block.match is not None and not unused:
            source = self.dense(block.match, source)
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

    def gru(self, layer: GRU, source: int) -> int:
        """Append a GRU; what leaves is its hidden state."""
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

    def rms_norm(self, layer: RMSNorm, source: int) -> int:
        """Append a norm."""
        width = layer.output_width
        out = self.frames(width)
        scale = self.weights.vector(layer.scale)
        self.add(
            RMS_NORM, source=source, inputs=width, columns=padded(width), weight=scale, out=out
        )
        return out

    def _transformer_block(self, layer: TransformerBlock, source: int) -> int:
        heard = self.rms_norm(layer.attention_norm, source)
        mixed = self._attention(layer.attention, heard, source)
        hidden = self.dense(layer.up, self.rms_norm(layer.mlp_norm, mixed))
        branch = self.dense(layer.down, hidden)
        out = self.frames(layer.output_width)
        columns = padded(layer.output_width)
        self.add(RESIDUAL, source=mixed, branch=branch, out=out, columns=columns)
        return out

    def _attention(self, layer: Attention, source: int, residual: int) -> int:
        """What the attention gives of ``source``, added to ``residual``."""
        heads, kv_heads, ring = layer.heads, layer.kv_heads, padded(layer.window)
        half = padded(layer.head_width // 2)
        width = heads * 2 * half
        query = layer.query / np.float32(np.sqrt(layer.head_width))
        parts = [spread_heads(query, heads)]
        parts += [spread_heads(part, kv_heads) for part in (layer.key, layer.value)]
        into = np.concatenate(parts, axis=1)
        zeros = self.zeros(into.shape[1])
        given = self.affine(into, source, start=zeros)
        out = self.frames(width)
        caches = self.streams * kv_heads * 2 * half * ring
        self.add(
            ATTENTION,
            source=given,
            out=out,
            columns=width,
            heads=heads,
            kv_heads=kv_heads,
            half=half,
            window=layer.window,
            rotations=self._rotary(layer.head_width),
            keys=self.state.reserve(caches),
            values=self.state.reserve(caches),
            mask=self.state.vector(np.full(ring, _UNHEARD, np.float32)),
            scores=self.state.reserve(heads // kv_heads * ring),
            zeros=zeros,
        )
        mix = spread_heads(layer.output.T, heads).T
        return self.affine(mix, out, start=residual, start_frames=1)

    def _rotary(self, head_width: int) -> int:
        """The cosines and sines of a frame, which all layers of a head width share."""
        if head_width not in self._rotations:
            half = padded(head_width // 2)
            out = self.state.reserve(2 * half)
            frequencies = self.weights.vector(rotary_frequencies(head_width))
            self.add(ROTARY, out=out, columns=half, frequencies=frequencies)
            self._rotations[head_width] = out
        return self._rotations[head_width]


def spread_heads(matrix: FloatArray, heads: int) -> FloatArray:
    """Pad each half of each head of (in, heads * head_width) to a multiple of `ALIGN` columns."""
    inputs, columns = matrix.shape
    half = columns // heads // 2
    wide = np.zeros((inputs, heads, 2, padded(half)), np.float32)
    wide[..., :half] = matrix.reshape(inputs, heads, 2, half)
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
