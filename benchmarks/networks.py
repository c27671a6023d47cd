"""Networks of random weights to time, and the arithmetic that a frame of them takes."""

from __future__ import annotations

import numpy as np

from lofikit.streaming.network import (
    GRU,
    LSTM,
    TCN,
    Conv,
    Dense,
    EncoderDecoder,
    Input,
    LRUBlock,
    Network,
    ResidualBlock,
    Tiers,
    TransformerBlock,
    WaveNet,
)

DILATIONS = (1, 2, 4, 8, 16, 32)


class Weights:
    """Seeded layers; small heads keep the feedback from being chaotic, so that rows compare."""

    def __init__(self) -> None:
        self.rng = np.random.default_rng(0)

    def array(self, *shape: int, fan: int) -> np.ndarray:
        return self.rng.normal(scale=fan**-0.5, size=shape).astype(np.float32)

    def dense(self, inputs: int, out: int, scale: float = 1.0) -> Dense:
        return Dense(scale * self.array(inputs, out, fan=inputs), self.array(out, fan=100))

    def conv(self, kernel: int, inputs: int, out: int, dilation: int) -> Conv:
        weight = self.array(kernel, inputs, out, fan=kernel * inputs)
        return Conv(weight, self.array(out, fan=100), dilation, "tanh")

    def lstm(self, inputs: int, units: int) -> LSTM:
        kernel = self.array(inputs, 4 * units, fan=inputs + units)
        recurrent = self.array(units, 4 * units, fan=inputs + units)
        return LSTM(kernel, recurrent, self.array(4 * units, fan=100))

    def tcn(self, kernel: int, filters: int = 64) -> Network:
        blocks = []
        inputs = 1
        for dilation in DILATIONS:
            convs = (
                self.conv(kernel, inputs, filters, dilation),
                self.conv(kernel, filters, filters, dilation),
            )
            match = self.dense(inputs, filters) if inputs != filters else None
            blocks.append(ResidualBlock(convs, match, "tanh", "tanh"))
            inputs = filters
        return Network(Input(1), (TCN(tuple(blocks)),), self.dense(filters, 1, scale=0.1))


def operations(network: Network | EncoderDecoder) -> int:
    """Floating-point operations of the products of a frame."""
    if isinstance(network, EncoderDecoder):
        matrices = [network.encoder.kernel, network.encoder.recurrent]
        matrices += [network.decoder.recurrent, network.head.weight]
        size = sum(matrix.size for matrix in matrices)
        return 2 * size + 2 * network.decoder.kernel.size // network.block
    size = network.head.weight.size
    for layer in network.layers:
        if isinstance(layer, GRU | LSTM):
            size += layer.kernel.size + layer.recurrent.size
        elif isinstance(layer, Dense):
            size += layer.weight.size
        elif isinstance(layer, TransformerBlock):
            attention = layer.attention
            size += 2 * (attention.query.size + attention.key.size)
            size += layer.up.weight.size + layer.down.weight.size
            size += 2 * attention.window * attention.query.shape[1]
        elif isinstance(layer, TCN):
            size += sum(conv.weight.size for block in layer.blocks for conv in block.convs)
        elif isinstance(layer, LRUBlock):
            size += layer.recurrence.into.size + layer.recurrence.out.size + layer.gate.weight.size
        elif isinstance(layer, WaveNet):
            for block in layer.blocks:
                residual = 0 if block.residual is None else block.residual.size
                size += block.conv.weight.size + residual + block.skip.size
        elif isinstance(layer, Tiers):
            upper = layer.gru.kernel.size + layer.gru.recurrent.size + layer.conditions.size
            size += upper // layer.period + layer.recent.size
    return 2 * size
