"""One step of a described network in TensorFlow: its layers, and drawing the next frame."""

from __future__ import annotations

from typing import Any

from lofikit.models.base import Sampling
from lofikit.streaming.network import LSTM, TCN, Conv, Dense, Input, Network
from lofikit_keras.networks import activation, embedded
from lofikit_keras.runtime import keras, tf

State = tuple[Any, ...]


class Stepper:
    """A network whose past is explicit: a ring of frames for each convolution, an LSTM's vectors.

    Args:
        network: What to step; its weights are copied to the device in scope.
    """

    def __init__(self, network: Network) -> None:
        self._network = network
        # By identity: the description is frozen and holds each layer once.
        self._weights: dict[int, tuple[Any, ...]] = {}
        self._stateful: list[Conv | LSTM] = []
        for layer in (*network.layers, network.head):
            self._add(layer)
        table = network.input.embedding
        self._embedding = None if table is None else tf.constant(table)

    def _add(self, layer: Any) -> None:
        if isinstance(layer, TCN):
            for block in layer.blocks:
                for part in (*block.convs, block.match):
                    if part is not None:
                        self._add(part)
        elif isinstance(layer, LSTM):
            arrays = (layer.kernel, layer.recurrent, layer.bias)
            self._weights[id(layer)] = tuple(tf.constant(a) for a in arrays)
            self._stateful.append(layer)
        else:
            self._weights[id(layer)] = (tf.constant(layer.weight), tf.constant(layer.bias))
            if isinstance(layer, Conv):
                self._stateful.append(layer)

    def initial(self, batch: int) -> State:
        """Returns the state of an empty history."""
        state: list[Any] = []
        for layer in self._stateful:
            if isinstance(layer, LSTM):
                state.append((tf.zeros((batch, layer.output_width)),) * 2)
            else:
                span = (layer.kernel - 1) * layer.dilation + 1
                state.append(tf.zeros((span, batch, layer.input_width)))
        return tuple(state)

    def step(self, frame: Any, clock: Any, state: State) -> tuple[Any, State]:
        """Steps one frame (batch, size), number ``clock`` of the stream.

        Returns:
            The head's outputs (batch, head width), and the state after the frame.
        """
        past, after = iter(state), []
        values = network_inputs(frame, self._network.input, self._embedding)

        def run(layer: Conv | LSTM | Dense, x: Any) -> Any:
            weights = self._weights[id(layer)]
            if isinstance(layer, Dense):
                return _activated(x @ weights[0] + weights[1], layer.activation)
            if isinstance(layer, LSTM):
                after.append(lstm_step(x, next(past), *weights))
                return after[-1][0]
            ring, x = _conv_step(layer, x, clock, next(past), *weights)
            after.append(ring)
            return x

        for layer in self._network.layers:
            if not isinstance(layer, TCN):
                values = run(layer, values)
                continue
            skips = []
            for block in layer.blocks:
                branch = values
                for conv in block.convs:
                    branch = run(conv, branch)
                branch = _activated(branch, block.branch_activation)
                straight = values if block.match is None else run(block.match, values)
                values = _activated(straight + branch, block.activation)
                skips.append(branch)
            if layer.skips:
                values = tf.add_n(skips)
        return run(self._network.head, values), tuple(after)


def _conv_step(layer: Conv, x: Any, clock: Any, ring: Any, weight: Any, bias: Any) -> Any:
    span = ring.shape[0]
    ring = tf.tensor_scatter_nd_update(ring, [[clock % span]], x[None])
    sums = bias
    for tap in range(layer.kernel):
        delay = (layer.kernel - 1 - tap) * layer.dilation
        sums += ring[(clock - delay) % span] @ weight[tap]
    return ring, _activated(sums, layer.activation)


def lstm_step(x: Any, state: Any, kernel: Any, recurrent: Any, bias: Any) -> tuple[Any, Any]:
    """Steps an LSTM: takes and returns its hidden and its cell state (batch, units)."""
    hidden, cell = state
    gates = x @ kernel + hidden @ recurrent + bias
    into, forget, candidate, out = tf.split(gates, 4, axis=1)
    cell = tf.sigmoid(forget) * cell + tf.sigmoid(into) * tf.tanh(candidate)
    return tf.sigmoid(out) * tf.tanh(cell), cell


def network_inputs(frames: Any, spec: Input, embedding: Any) -> Any:
    """Returns frames (..., size) as the first layer takes them (..., width)."""
    if spec.levels is None:
        return frames
    if embedding is None:
        return tf.cast(frames, tf.float32) * (2.0 / (spec.levels - 1)) - 1.0
    rows = embedded(frames, embedding)
    return tf.reshape(rows, (*frames.shape[:-1], spec.output_width))


def head_values(outputs: Any, spec: Input) -> Any:
    """Returns a head's outputs as logits (..., size, levels)."""
    return outputs.reshape(*outputs.shape[:-1], spec.size, spec.levels)


def draw(outputs: Any, uniform: Any, spec: Input, sampling: Sampling) -> Any:
    """Returns the next frames (..., size): what the head says, or classes drawn from its logits.

    Classes are drawn as `lofikit.streaming.sampling.draw_class` draws them.

    Args:
        outputs: Of the head, shape (..., head width).
        uniform: A number in [0, 1) for each value, shape (..., size).
        spec: How frames go in.
        sampling: Temperature and nucleus.
    """
    if spec.levels is None:
        return outputs
    logits = tf.reshape(outputs, (*outputs.shape[:-1], spec.size, spec.levels))
    if sampling.temperature == 0:
        return tf.argmax(logits, axis=-1, output_type=tf.int32)
    highest = tf.reduce_max(logits, axis=-1, keepdims=True)
    weights = tf.exp((logits - highest) / sampling.temperature)
    if sampling.top_p < 1:
        falling = tf.sort(weights, direction="DESCENDING")
        reached = tf.cumsum(falling, axis=-1, exclusive=True)
        wanted = sampling.top_p * tf.reduce_sum(weights, axis=-1, keepdims=True)
        # The lightest class that was needed; those as likely as it stay too.
        needed = tf.where(reached < wanted, falling, 1.0)
        weights *= tf.cast(weights >= tf.reduce_min(needed, -1, keepdims=True), tf.float32)
    reached = tf.cumsum(weights, axis=-1)
    # Kept below 1 after rounding, so that a class is always found.
    target = tf.minimum(uniform, 1.0 - 2.0**-22)[..., None] * reached[..., -1:]
    return tf.reduce_sum(tf.cast(reached <= target, tf.int32), axis=-1)


def _activated(values: Any, name: str) -> Any:
    if name == "linear":
        return values
    return keras.activations.get(activation(name))(values)
