"""How gated layers and those of two clocks are laid out as operations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lofikit.streaming.arena import padded
from lofikit.streaming.network import (
    Conv,
    Dense,
    DiagonalRecurrence,
    FloatArray,
    LRUBlock,
    Tiers,
    WaveNet,
)
from lofikit.streaming.operations import (
    ACTIVATION_CODES,
    DIAGONAL,
    GLU,
    RECENT,
    RESIDUAL,
    TANH_GATE,
    spread_gates,
)

if TYPE_CHECKING:
    from lofikit.streaming.program import NetworkPacker


def pack_recurrence(
    packer: NetworkPacker, layer: DiagonalRecurrence, source: int, activation: str = "linear"
) -> int:
    """Append a diagonal recurrence; what leaves goes through an activation."""
    half = padded(len(layer.factors) // 2)
    given = packer.affine(spread_gates(layer.into, 2), source, start=packer.zeros(2 * half))
    states = packer.frames(2 * half)
    factors = packer.weights.vector(spread_gates(layer.factors[None], 2)[0])
    packer.add(DIAGONAL, source=given, weight=factors, out=states, columns=half)
    return packer.affine(
        spread_gates(layer.out.T, 2).T,
        states,
        start=packer.zeros(layer.output_width),
        activation=ACTIVATION_CODES[activation],
    )


def pack_lru_block(packer: NetworkPacker, layer: LRUBlock, source: int) -> int:
    """Append a block of linear recurrences."""
    heard = packer.rms_norm(layer.norm, source)
    mixed = pack_recurrence(packer, layer.recurrence, heard, layer.activation)
    gate = layer.gate
    spread = Dense(spread_gates(gate.weight, 2), _spread(gate.bias), gate.activation)
    halves = packer.dense(spread, mixed)
    columns = padded(layer.output_width)
    branch, out = packer.frames(columns), packer.frames(columns)
    packer.add(GLU, source=halves, out=branch, columns=columns)
    packer.add(RESIDUAL, source=source, branch=branch, out=out, columns=columns)
    return out


def pack_wavenet(packer: NetworkPacker, layer: WaveNet, source: int) -> int:
    """Append a stack of gated blocks.

    The residual and the skips are added to where products start from, so that neither takes an
    operation of its own.
    """
    skip = packer.frames(layer.output_width)
    start = {"start": packer.zeros(layer.output_width), "start_frames": 0}
    for block in layer.blocks:
        conv = block.conv
        taps = np.stack([spread_gates(tap, 2) for tap in conv.weight])
        halves = packer.conv(Conv(taps, _spread(conv.bias), conv.dilation, conv.activation), source)
        channels = len(block.skip)
        gated = packer.frames(channels)
        packer.add(TANH_GATE, source=halves, out=gated, columns=padded(channels))
        if block is layer.blocks[-1]:
            start["activation"] = ACTIVATION_CODES[layer.activation]
        elif block.residual is not None:
            source = packer.affine(block.residual, gated, start=source, start_frames=1)
        packer.affine(block.skip, gated, skip, **start)
        start = {"start": skip, "start_frames": 1}
    return skip


def pack_tiers(packer: NetworkPacker, layer: Tiers, source: int) -> int:
    """Append two clocks: the GRU and its conditions are stepped once a period."""
    period, inputs, width = layer.recent.shape
    recent = packer.frames(period * inputs)
    columns = padded(period * inputs)
    packer.add(RECENT, source=source, inputs=inputs, taps=period, out=recent, columns=columns)
    conditions = packer.frames(width, period)
    with packer.every(period):
        hidden = packer.gru(layer.gru, recent)
        for now in range(period):
            out = conditions + now * packer.streams * padded(width)
            bias = packer.state.vector(layer.conditions_bias[now])
            packer.affine(layer.conditions[now], hidden, out, start=bias)
    return packer.affine(
        layer.recent.reshape(period * inputs, width),
        recent,
        start=conditions,
        start_frames=period,
        activation=ACTIVATION_CODES[layer.activation],
    )


def _spread(bias: FloatArray) -> FloatArray:
    """Two halves of a vector, each padded."""
    return spread_gates(bias[None], 2).ravel()
