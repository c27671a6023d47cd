"""Described layers that step frame by frame in TensorFlow, each with its past as its state."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from typing import Any

from lofikit.streaming.layer import Layer
from lofikit.streaming.network import (
    GRU,
    LSTM,
    TCN,
    Attention,
    Conv,
    Dense,
    DiagonalRecurrence,
    Logistics,
    LRUBlock,
    RMSNorm,
    Tiers,
    TransformerBlock,
    WaveNet,
)
from lofikit_keras.bodies.transformer import UNHEARD, rotated
from lofikit_keras.layers import activation, rms_norm
from lofikit_keras.runtime import keras, tf

State = tuple[Any, ...]
"""Tensors, or states of the layers within; their shapes do not change from step to step."""


class Cell(ABC):
    """A layer that is stepped; its weights are copied to the device in scope."""

    def initial(self, batch: int) -> State:
        """Returns the state of an empty history; by default there is none."""
        return ()

    @abstractmethod
    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        """Steps the frame of number ``clock``: maps (batch, in) to (batch, out).

        Returns:
            The outputs, and the state after the frame.
        """


def cell(layer: Layer) -> Cell:
    """Returns the cell of a described layer."""
    return _CELLS[type(layer)](layer)


class Chain(Cell):
    """Layers in order."""

    def __init__(self, layers: Iterable[Layer]) -> None:
        self._cells = [cell(layer) for layer in layers]

    def initial(self, batch: int) -> State:
        """See the base."""
        return tuple(cell.initial(batch) for cell in self._cells)

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        """See the base."""
        after = []
        for inner, before in zip(self._cells, state, strict=True):
            x, left = inner.step(x, clock, before)
            after.append(left)
        return x, tuple(after)


class _DenseCell(Cell):
    def __init__(self, layer: Dense) -> None:
        self._weight, self._bias = tf.constant(layer.weight), tf.constant(layer.bias)
        self._activation = layer.activation

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        return _activated(x @ self._weight + self._bias, self._activation), state


class _ConvCell(Cell):
    """Keeps a ring of the newest frames."""

    def __init__(self, layer: Conv) -> None:
        self._layer = layer
        self._weight, self._bias = tf.constant(layer.weight), tf.constant(layer.bias)
        self._span = layer.reach + 1

    def initial(self, batch: int) -> State:
        return (tf.zeros((self._span, batch, self._layer.input_width)),)

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        ring = _written(state[0], clock, x)
        sums = self._bias
        for tap in range(self._layer.kernel):
            delay = (self._layer.kernel - 1 - tap) * self._layer.dilation
            # Not by a slice, whose place XLA would compile anew for each frame.
            sums += tf.gather(ring, (clock - delay) % self._span) @ self._weight[tap]
        return _activated(sums, self._layer.activation), (ring,)


class _TCNCell(Cell):
    def __init__(self, layer: TCN) -> None:
        self._layer = layer
        self._convs = [[cell(conv) for conv in block.convs] for block in layer.blocks]
        self._matches = [cell(block.match) if block.match else None for block in layer.blocks]

    def initial(self, batch: int) -> State:
        return tuple(conv.initial(batch) for convs in self._convs for conv in convs)

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        past, after, skips = iter(state), [], []
        for block, convs, match in zip(self._layer.blocks, self._convs, self._matches, strict=True):
            branch = x
            for conv in convs:
                branch, left = conv.step(branch, clock, next(past))
                after.append(left)
            branch = _activated(branch, block.branch_activation)
            straight = match.step(x, clock, ())[0] if match else x
            x = _activated(straight + branch, block.activation)
            skips.append(branch)
        return tf.add_n(skips) if self._layer.skips else x, tuple(after)


class _LSTMCell(Cell):
    """Keeps the hidden and the cell state."""

    def __init__(self, layer: LSTM) -> None:
        self._weights = [tf.constant(w) for w in (layer.kernel, layer.recurrent, layer.bias)]
        self._units = layer.output_width

    def initial(self, batch: int) -> State:
        return (tf.zeros((batch, self._units)),) * 2

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        after = lstm_step(x, state, *self._weights)
        return after[0], after


def lstm_step(x: Any, state: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
    """Steps an LSTM: takes and returns its hidden and its cell state (batch, units)."""
    hidden, cell = state
    gates = x @ kernel + hidden @ recurrent + bias
    into, forget, candidate, out = tf.split(gates, 4, axis=1)
    cell = tf.sigmoid(forget) * cell + tf.sigmoid(into) * tf.tanh(candidate)
    return tf.sigmoid(out) * tf.tanh(cell), cell


class _GRUCell(Cell):
    """Keeps the hidden state."""

    def __init__(self, layer: GRU) -> None:
        self._kernel, self._recurrent = tf.constant(layer.kernel), tf.constant(layer.recurrent)
        self._bias = tf.constant(layer.bias)
        self._recurrent_bias = tf.constant(layer.recurrent_bias)
        self._units = layer.output_width

    def initial(self, batch: int) -> State:
        return (tf.zeros((batch, self._units)),)

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        (hidden,) = state
        given = tf.split(x @ self._kernel + self._bias, 3, axis=1)
        kept = tf.split(hidden @ self._recurrent + self._recurrent_bias, 3, axis=1)
        update, reset = (tf.sigmoid(given[gate] + kept[gate]) for gate in range(2))
        candidate = tf.tanh(given[2] + reset * kept[2])
        hidden = update * hidden + (1.0 - update) * candidate
        return hidden, (hidden,)


class _NormCell(Cell):
    def __init__(self, layer: RMSNorm) -> None:
        self._scale = tf.constant(layer.scale)

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        return rms_norm(x, self._scale), state


class _AttentionCell(Cell):
    """Keeps rings of the window's keys, turned by their frames' angles, and values."""

    def __init__(self, layer: Attention) -> None:
        self._layer = layer
        self._query, self._key, self._value, self._output = (
            tf.constant(w) for w in (layer.query, layer.key, layer.value, layer.output)
        )

    def initial(self, batch: int) -> State:
        layer = self._layer
        return (tf.zeros((layer.window, batch, layer.kv_heads, layer.head_width)),) * 2

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        layer = self._layer
        query, key, value = (
            tf.reshape(x @ matrix, (-1, heads, layer.head_width))
            for matrix, heads in (
                (self._query, layer.heads),
                (self._key, layer.kv_heads),
                (self._value, layer.kv_heads),
            )
        )
        now = clock[None]
        query, key = (rotated(v[:, :, None], now)[:, :, 0] for v in (query, key))
        sharing = layer.heads // layer.kv_heads
        query = tf.reshape(query, (-1, layer.kv_heads, sharing, layer.head_width))
        keys, values = _written(state[0], clock, key), _written(state[1], clock, value)
        scores = tf.einsum("bhsw,tbhw->bhst", query, keys) * layer.head_width**-0.5
        # A place of the ring is not yet written where its age is above that of the stream.
        heard = (clock - tf.range(layer.window)) % layer.window <= clock
        weights = tf.nn.softmax(tf.where(heard, scores, UNHEARD))
        mixed = tf.einsum("bhst,tbhw->bhsw", weights, values)
        return tf.reshape(mixed, (-1, self._output.shape[0])) @ self._output, (keys, values)


class _TransformerCell(Cell):
    def __init__(self, layer: TransformerBlock) -> None:
        self._attention = Chain((layer.attention_norm, layer.attention))
        self._mlp = Chain((layer.mlp_norm, layer.up, layer.down))

    def initial(self, batch: int) -> State:
        return self._attention.initial(batch), self._mlp.initial(batch)

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        mixed, attended = self._attention.step(x, clock, state[0])
        x += mixed
        mapped, left = self._mlp.step(x, clock, state[1])
        return x + mapped, (attended, left)


class _RecurrenceCell(Cell):
    """Keeps the states, real parts, then imaginary ones."""

    def __init__(self, layer: DiagonalRecurrence) -> None:
        self._into, self._out = tf.constant(layer.into), tf.constant(layer.out)
        self._factors = tf.constant(layer.factors)

    def initial(self, batch: int) -> State:
        return (tf.zeros((batch, self._factors.shape[0])),)

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        a, b = tf.split(self._factors, 2)
        real, imag = tf.split(state[0], 2, axis=1)
        states = tf.concat([a * real - b * imag, a * imag + b * real], axis=1) + x @ self._into
        return states @ self._out, (states,)


class _LRUCell(Cell):
    def __init__(self, layer: LRUBlock) -> None:
        self._recurrence = Chain((layer.norm, layer.recurrence))
        self._gate, self._activation = cell(layer.gate), layer.activation

    def initial(self, batch: int) -> State:
        return self._recurrence.initial(batch)

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        mixed, after = self._recurrence.step(x, clock, state)
        gated, _ = self._gate.step(_activated(mixed, self._activation), clock, ())
        linear, gates = tf.split(gated, 2, axis=1)
        return x + linear * tf.sigmoid(gates), after


class _WaveNetCell(Cell):
    def __init__(self, layer: WaveNet) -> None:
        self._activation = layer.activation
        self._convs = [cell(block.conv) for block in layer.blocks]
        self._residuals = [
            None if block.residual is None else tf.constant(block.residual)
            for block in layer.blocks
        ]
        self._skips = [tf.constant(block.skip) for block in layer.blocks]

    def initial(self, batch: int) -> State:
        return tuple(conv.initial(batch) for conv in self._convs)

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        skips, after = [], []
        for conv, residual, skip, before in zip(
            self._convs, self._residuals, self._skips, state, strict=True
        ):
            both, left = conv.step(x, clock, before)
            value, gate = tf.split(both, 2, axis=1)
            gated = tf.tanh(value) * tf.sigmoid(gate)
            skips.append(gated @ skip)
            x = x if residual is None else x + gated @ residual
            after.append(left)
        return _activated(tf.add_n(skips), self._activation), tuple(after)


class _TiersCell(Cell):
    """Keeps a ring of the newest frames, the GRU's state, and the conditions of a period."""

    def __init__(self, layer: Tiers) -> None:
        self._layer, self._gru = layer, cell(layer.gru)
        self._conditions = tf.constant(layer.conditions)
        self._bias = tf.constant(layer.conditions_bias)
        self._recent = tf.constant(layer.recent)

    def initial(self, batch: int) -> State:
        period, inputs = self._layer.period, self._layer.input_width
        conditions = tf.zeros((period, batch, self._layer.output_width))
        return tf.zeros((period, batch, inputs)), self._gru.initial(batch), conditions

    def step(self, x: Any, clock: Any, state: State) -> tuple[Any, State]:
        period = self._layer.period
        ring = _written(state[0], clock, x)
        last = tf.gather(ring, (clock + 1 + tf.range(period)) % period)  # the oldest first

        def upper() -> tuple[Any, Any]:
            read = tf.reshape(tf.transpose(last, (1, 0, 2)), (x.shape[0], -1))
            hidden, after = self._gru.step(read, clock, state[1])
            return after, tf.einsum("bu,puo->pbo", hidden, self._conditions) + self._bias[:, None]

        hidden, conditions = tf.cond(clock % period == 0, upper, lambda: (state[1], state[2]))
        told = tf.gather(conditions, clock % period)
        sums = tf.einsum("pbi,pio->bo", last, self._recent) + told
        return _activated(sums, self._layer.activation), (ring, hidden, conditions)


def _written(ring: Any, clock: Any, x: Any) -> Any:
    """Returns a ring (span, ...) with a frame in the place of its number."""
    return tf.tensor_scatter_nd_update(ring, [[clock % ring.shape[0]]], x[None])


def _activated(values: Any, name: str) -> Any:
    if name == "linear":
        return values
    return keras.activations.get(activation(name))(values)


_CELLS: dict[type[Layer], Callable[[Any], Cell]] = {
    Dense: _DenseCell,
    Logistics: _DenseCell,
    Conv: _ConvCell,
    TCN: _TCNCell,
    LSTM: _LSTMCell,
    GRU: _GRUCell,
    RMSNorm: _NormCell,
    Attention: _AttentionCell,
    TransformerBlock: _TransformerCell,
    DiagonalRecurrence: _RecurrenceCell,
    LRUBlock: _LRUCell,
    WaveNet: _WaveNetCell,
    Tiers: _TiersCell,
}
