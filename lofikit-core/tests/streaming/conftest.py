"""A plain NumPy forward pass over a whole history: what streams are compared with."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from lofikit.streaming.network import (
    GRU,
    LSTM,
    TCN,
    Attention,
    Conv,
    Dense,
    DiagonalRecurrence,
    EncoderDecoder,
    GatedBlock,
    Input,
    Layer,
    LRUBlock,
    Network,
    ResidualBlock,
    RMSNorm,
    Tiers,
    TransformerBlock,
    WaveNet,
)

Array = npt.NDArray[np.float64]


def sigmoid(x: Array) -> Array:
    return 0.5 * np.tanh(0.5 * x) + 0.5


ACTIVATIONS: dict[str, Callable[[Array], Array]] = {
    "linear": lambda x: x,
    "relu": lambda x: np.maximum(x, 0),
    "tanh": np.tanh,
    "sigmoid": sigmoid,
    "elu": lambda x: np.where(x < 0, np.expm1(np.minimum(x, 0)), x),
    "selu": lambda x: (
        1.0507009873554805 * np.where(x < 0, 1.6732632423543772 * np.expm1(np.minimum(x, 0)), x)
    ),
    "gelu": lambda x: x * 0.5 * (1 + np.vectorize(math.erf)(x / math.sqrt(2))),
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))),
    "swish": lambda x: x * sigmoid(x),
    "silu": lambda x: x * sigmoid(x),
    "softplus": lambda x: np.logaddexp(x, 0),
    "leaky_relu": lambda x: np.where(x < 0, 0.2 * x, x),
}


def dense(layer: Dense, x: Array) -> Array:
    return ACTIVATIONS[layer.activation](x @ layer.weight.astype(float) + layer.bias)


def conv(layer: Conv, x: Array) -> Array:
    time, reach = x.shape[1], (layer.kernel - 1) * layer.dilation
    history = np.pad(x, ((0, 0), (reach, 0), (0, 0)))
    taps = [
        history[:, tap * layer.dilation :][:, :time] @ layer.weight[tap].astype(float)
        for tap in range(layer.kernel)
    ]
    return ACTIVATIONS[layer.activation](sum(taps) + layer.bias)


def lstm(layer: LSTM, x: Array) -> Array:
    hidden = cell = np.zeros((len(x), layer.output_width))
    states = []
    for now in range(x.shape[1]):
        gates = x[:, now] @ layer.kernel + hidden @ layer.recurrent + layer.bias
        i, f, g, o = np.split(gates, 4, axis=-1)
        cell = sigmoid(f) * cell + sigmoid(i) * np.tanh(g)
        hidden = sigmoid(o) * np.tanh(cell)
        states.append(hidden)
    return np.stack(states, axis=1)


def gru(layer: GRU, x: Array) -> Array:
    hidden = np.zeros((len(x), layer.output_width))
    states = []
    for now in range(x.shape[1]):
        x_z, x_r, x_c = np.split(x[:, now] @ layer.kernel + layer.bias, 3, axis=-1)
        h_z, h_r, h_c = np.split(hidden @ layer.recurrent + layer.recurrent_bias, 3, axis=-1)
        z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
        hidden = z * hidden + (1 - z) * np.tanh(x_c + r * h_c)
        states.append(hidden)
    return np.stack(states, axis=1)


def rms_norm(layer: RMSNorm, x: Array) -> Array:
    return layer.scale * x / np.sqrt((x**2).mean(axis=-1, keepdims=True) + 1e-6)


def rotated(x: Array) -> Array:
    """Heads (batch, time, heads, width) turned by their frames' numbers, as complex numbers."""
    time, half = x.shape[1], x.shape[3] // 2
    angles = np.arange(time)[:, None] * 10_000.0 ** (-np.arange(half) / half)
    turned = (x[..., :half] + 1j * x[..., half:]) * np.exp(1j * angles)[None, :, None]
    return np.concatenate([turned.real, turned.imag], axis=-1)


def attention(layer: Attention, x: Array) -> Array:
    batch, time, _ = x.shape
    query, key, value = (
        (x @ weight.astype(float)).reshape(batch, time, -1, layer.head_width)
        for weight in (layer.query, layer.key, layer.value)
    )
    # Head h of the queries hears head h // sharing of the keys.
    sharing = layer.heads // (layer.key.shape[1] // layer.head_width)
    key, value = np.repeat(key, sharing, axis=2), np.repeat(value, sharing, axis=2)
    query, key, value = (h.swapaxes(1, 2) for h in (rotated(query), rotated(key), value))
    scores = query @ key.swapaxes(2, 3) / layer.head_width**0.5
    distance = np.arange(time)[:, None] - np.arange(time)
    scores = np.where((distance >= 0) & (distance < layer.window), scores, -np.inf)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    shares /= shares.sum(axis=-1, keepdims=True)
    return (shares @ value).swapaxes(1, 2).reshape(batch, time, -1) @ layer.output


def transformer_block(layer: TransformerBlock, x: Array) -> Array:
    x = x + attention(layer.attention, rms_norm(layer.attention_norm, x))
    return x + dense(layer.down, dense(layer.up, rms_norm(layer.mlp_norm, x)))


def halves(x: Array) -> Array:
    """Complex numbers of real parts and, behind them, imaginary ones."""
    real, imag = np.split(x.astype(float), 2, axis=-1)
    return real + 1j * imag


def diagonal(layer: DiagonalRecurrence, x: Array) -> Array:
    given, factors = halves(x @ layer.into), halves(layer.factors)
    states = np.zeros_like(given)
    for now in range(x.shape[1]):
        states[:, now] = factors * (states[:, now - 1] if now else 0) + given[:, now]
    return np.concatenate([states.real, states.imag], axis=-1) @ layer.out


def lru_block(layer: LRUBlock, x: Array) -> Array:
    mixed = ACTIVATIONS[layer.activation](diagonal(layer.recurrence, rms_norm(layer.norm, x)))
    value, gate = np.split(dense(layer.gate, mixed), 2, axis=-1)
    return x + value * sigmoid(gate)


def wavenet(layer: WaveNet, x: Array) -> Array:
    total = np.zeros(())
    for block in layer.blocks:
        value, gate = np.split(conv(block.conv, x), 2, axis=-1)
        gated = np.tanh(value) * sigmoid(gate)
        total = total + gated @ block.skip
        x = x if block.residual is None else x + gated @ block.residual
    return ACTIVATIONS[layer.activation](total)


def tiers(layer: Tiers, x: Array) -> Array:
    batch, time, _ = x.shape
    period = layer.period
    padded = np.pad(x, ((0, 0), (period - 1, 0), (0, 0)))
    recent = np.stack(
        [padded[:, now : now + period].reshape(batch, -1) for now in range(time)], axis=1
    )
    hidden = gru(layer.gru, recent[:, ::period])
    out = recent @ layer.recent.reshape(recent.shape[-1], -1).astype(float)
    for now in range(time):
        place = now % period
        out[:, now] += hidden[:, now // period] @ layer.conditions[place]
        out[:, now] += layer.conditions_bias[place]
    return ACTIVATIONS[layer.activation](out)


def tcn(layer: TCN, x: Array) -> Array:
    branches = []
    for block in layer.blocks:
        branch = x
        for each in block.convs:
            branch = conv(each, branch)
        branch = ACTIVATIONS[block.branch_activation](branch)
        branches.append(branch)
        x = ACTIVATIONS[block.activation]((dense(block.match, x) if block.match else x) + branch)
    return sum(branches) if layer.skips else x


def fed(spec: Input, frames: npt.NDArray[np.generic]) -> Array:
    if spec.levels is None:
        return frames.astype(float)
    if spec.embedding is None:
        return 2 * frames / (spec.levels - 1) - 1
    tables = spec.embedding.astype(float)
    if tables.ndim == 2:
        return tables[frames].reshape(*frames.shape[:2], -1)
    rows = [table[frames[..., value]] for value, table in enumerate(tables)]
    return np.concatenate(rows, axis=-1)


def full_forward(network: Network | EncoderDecoder, frames: npt.NDArray[np.generic]) -> Array:
    """Outputs (batch, time, size) or logits (batch, time, size, levels) of a whole history."""
    spec = network.input
    x = fed(spec, frames)
    if isinstance(network, EncoderDecoder):
        blocks = []
        for start in range(0, x.shape[1], network.block):
            context = lstm(network.encoder, x[:, start : start + network.block])[:, -1:]
            blocks.append(lstm(network.decoder, np.repeat(context, network.block, axis=1)))
        x = np.concatenate(blocks, axis=1)
    else:
        functions = {
            Conv: conv,
            Dense: dense,
            DiagonalRecurrence: diagonal,
            GRU: gru,
            LRUBlock: lru_block,
            LSTM: lstm,
            RMSNorm: rms_norm,
            TCN: tcn,
            Tiers: tiers,
            TransformerBlock: transformer_block,
            WaveNet: wavenet,
        }
        for layer in network.layers:
            x = functions[type(layer)](layer, x)
    outputs = dense(network.head, x)
    if spec.levels is None:
        return outputs
    return outputs.reshape(*outputs.shape[:2], spec.size, spec.levels)


class Builder:
    """Layers with seeded random weights, scaled to keep activations of order one."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)

    def array(self, *shape: int, scale: float) -> npt.NDArray[np.float32]:
        return self.rng.normal(scale=scale, size=shape).astype(np.float32)

    def dense(self, inputs: int, out: int, activation: str = "linear") -> Dense:
        weight = self.array(inputs, out, scale=inputs**-0.5)
        return Dense(weight, self.array(out, scale=0.1), activation)

    def conv(
        self, kernel: int, inputs: int, out: int, dilation: int = 1, activation: str = "tanh"
    ) -> Conv:
        weight = self.array(kernel, inputs, out, scale=(kernel * inputs) ** -0.5)
        return Conv(weight, self.array(out, scale=0.1), dilation, activation)

    def lstm(self, inputs: int, units: int) -> LSTM:
        scale = (inputs + units) ** -0.5
        kernel, recurrent = (self.array(n, 4 * units, scale=scale) for n in (inputs, units))
        return LSTM(kernel, recurrent, self.array(4 * units, scale=0.1))

    def gru(self, inputs: int, units: int) -> GRU:
        scale = (inputs + units) ** -0.5
        kernel, recurrent = (self.array(n, 3 * units, scale=scale) for n in (inputs, units))
        bias, recurrent_bias = (self.array(3 * units, scale=0.1) for _ in range(2))
        return GRU(kernel, recurrent, bias, recurrent_bias)

    def rms_norm(self, width: int) -> RMSNorm:
        return RMSNorm(1 + self.array(width, scale=0.1))

    def diagonal(self, inputs: int, states: int, out: int) -> DiagonalRecurrence:
        factors = self.rng.uniform(0.5, 0.99, states) * np.exp(1j * self.rng.uniform(0, 3, states))
        gain = (1 - np.abs(factors) ** 2) ** 0.5 * inputs**-0.5
        return DiagonalRecurrence(
            self.array(inputs, 2 * states, scale=1.0) * np.tile(gain, 2),
            np.concatenate([factors.real, factors.imag]),
            self.array(2 * states, out, scale=states**-0.5),
        )

    def lru_block(self, width: int, states: int, activation: str = "gelu") -> LRUBlock:
        return LRUBlock(
            self.rms_norm(width),
            self.diagonal(width, states, width),
            self.dense(width, 2 * width),
            activation,
        )

    def wavenet(
        self,
        inputs: int,
        channels: int,
        skips: int,
        kernel: int,
        dilations: Sequence[int],
        activation: str = "relu",
    ) -> WaveNet:
        blocks = []
        for index, dilation in enumerate(dilations):
            residual = self.array(channels, inputs, scale=channels**-0.5)
            last = index == len(dilations) - 1
            blocks.append(
                GatedBlock(
                    self.conv(kernel, inputs, 2 * channels, dilation, "linear"),
                    None if last else residual,
                    self.array(channels, skips, scale=channels**-0.5),
                )
            )
        return WaveNet(tuple(blocks), activation)

    def tiers(
        self, inputs: int, period: int, units: int, out: int, activation: str = "relu"
    ) -> Tiers:
        return Tiers(
            self.gru(period * inputs, units),
            self.array(period, units, out, scale=units**-0.5),
            self.array(period, out, scale=0.1),
            self.array(period, inputs, out, scale=(period * inputs) ** -0.5),
            activation,
        )

    def attention(
        self, width: int, heads: int, head_width: int, window: int, sharing: int = 1
    ) -> Attention:
        inner = heads * head_width
        query = self.array(width, inner, scale=width**-0.5)
        key, value = (self.array(width, inner // sharing, scale=width**-0.5) for _ in range(2))
        return Attention(
            query, key, value, self.array(inner, width, scale=inner**-0.5), heads, window
        )

    def transformer_block(
        self,
        width: int,
        heads: int,
        head_width: int,
        window: int,
        activation: str = "gelu",
        sharing: int = 1,
    ) -> TransformerBlock:
        return TransformerBlock(
            self.rms_norm(width),
            self.attention(width, heads, head_width, window, sharing),
            self.rms_norm(width),
            self.dense(width, 2 * width, activation),
            self.dense(2 * width, width),
        )

    def tcn(
        self,
        inputs: int,
        filters: int,
        kernel: int,
        dilations: Sequence[int],
        *,
        activation: str = "tanh",
        skips: bool = True,
        convs: int = 2,
    ) -> TCN:
        blocks = []
        for dilation in dilations:
            widths = [inputs] + [filters] * convs
            layers = tuple(
                self.conv(kernel, a, b, dilation, activation) for a, b in pairwise(widths)
            )
            match = self.dense(inputs, filters) if inputs != filters else None
            blocks.append(ResidualBlock(layers, match, activation, activation))
            inputs = filters
        return TCN(tuple(blocks), skips)

    def network(self, spec: Input, *layers: Layer) -> Network:
        width = layers[-1].output_width if layers else spec.output_width
        return Network(spec, layers, self.dense(width, spec.head_width))

    def paper_tcn(self, kernel: int = 2, levels: int | None = None) -> Network:
        """The paper's TCN: 64 filters, dilations 1 to 32, tanh."""
        layer = self.tcn(1, 64, kernel, (1, 2, 4, 8, 16, 32))
        return self.network(Input(1, levels), layer)

    def frames(self, spec: Input, batch: int, time: int) -> npt.NDArray[np.generic]:
        shape = (batch, time, spec.size)
        if spec.levels is None:
            return self.rng.uniform(-1, 1, shape).astype(np.float32)
        return self.rng.integers(0, spec.levels, shape).astype(np.int32)


@pytest.fixture(scope="session")
def forward() -> Callable[[Network | EncoderDecoder, npt.NDArray[np.generic]], Array]:
    return full_forward


@pytest.fixture(scope="session")
def builder() -> type[Builder]:
    return Builder
