"""One step of a described network in TensorFlow: its layers, and drawing the next frame."""

from __future__ import annotations

from typing import Any

from lofikit.streaming.network import Input, Logistics, Network
from lofikit_keras.cells import Chain, State
from lofikit_keras.layers import embedded
from lofikit_keras.mixture import Logistics as Mixture
from lofikit_keras.runtime import tf


class Stepper:
    """A network whose past is explicit: the state of each layer (see `lofikit_keras.cells`).

    Args:
        network: What to step; its weights are copied to the device in scope.
    """

    def __init__(self, network: Network) -> None:
        self._input = network.input
        self._layers = Chain((*network.layers, network.head))
        self._mixture: Mixture | None = None
        if isinstance(network.head, Logistics):
            guided = network.input.predictor is not None
            self._mixture = Mixture(network.head.mixtures, network.head.edges, guided)
        table = network.input.embedding
        self._embedding = None if table is None else tf.constant(table)

    def initial(self, batch: int) -> State:
        """Returns the state of an empty history."""
        return self._layers.initial(batch)

    def step(self, frame: Any, guides: Any, clock: Any, state: State) -> tuple[Any, State]:
        """Steps one frame (batch, size), number ``clock`` of the stream.

        Args:
            frame: Shape (batch, size).
            guides: What a predictor says after it (batch, 2); (batch, 0) if there is none.
            clock: The frame's number.
            state: What was left by the frame before.

        Returns:
            The head's values or logits (batch, head width), and the state after the frame.
        """
        values = tf.concat([network_inputs(frame, self._input, self._embedding), guides], axis=1)
        outputs, state = self._layers.step(values, clock, state)
        if self._mixture is not None:
            outputs = self._mixture.logits(outputs, guides)
            outputs = tf.reshape(outputs, (-1, self._input.head_width))
        return outputs, state


def network_inputs(frames: Any, spec: Input, embedding: Any) -> Any:
    """Returns frames (..., size) as the first layer takes them (..., width)."""
    if spec.levels is None:
        return frames
    if embedding is None:
        return tf.cast(frames, tf.float32) * (2.0 / (spec.levels - 1)) - 1.0
    rows = embedded(frames, embedding)
    return tf.reshape(rows, (*frames.shape[:-1], spec.size * spec.width))


def head_values(outputs: Any, spec: Input) -> Any:
    """Returns a head's outputs as logits (..., size, levels)."""
    return outputs.reshape(*outputs.shape[:-1], spec.size, spec.levels)


def draw(
    outputs: Any, uniform: Any, spec: Input, temperatures: tuple[float, ...], top_p: float
) -> Any:
    """Returns the next frames (..., size): what the head says, or classes drawn from its logits.

    Classes are drawn as `lofikit.streaming.sampling.draw_class` draws them.

    Args:
        outputs: Of the head, shape (..., head width).
        uniform: A number in [0, 1) for each value, shape (..., size).
        spec: How frames go in.
        temperatures: That of each value of a frame, above 0, or all 0 for the likeliest class.
        top_p: The probability of the nucleus.
    """
    if spec.levels is None:
        return outputs
    logits = tf.reshape(outputs, (*outputs.shape[:-1], spec.size, spec.levels))
    if not any(temperatures):
        return tf.argmax(logits, axis=-1, output_type=tf.int32)
    highest = tf.reduce_max(logits, axis=-1, keepdims=True)
    weights = tf.exp((logits - highest) / tf.constant(temperatures, tf.float32)[:, None])
    if top_p < 1:
        falling = tf.sort(weights, direction="DESCENDING")
        reached = tf.cumsum(falling, axis=-1, exclusive=True)
        wanted = top_p * tf.reduce_sum(weights, axis=-1, keepdims=True)
        # The lightest class that was needed; those as likely as it stay too.
        needed = tf.where(reached < wanted, falling, 1.0)
        weights *= tf.cast(weights >= tf.reduce_min(needed, -1, keepdims=True), tf.float32)
    reached = tf.cumsum(weights, axis=-1)
    # Kept below 1 after rounding, so that a class is always found.
    target = tf.minimum(uniform, 1.0 - 2.0**-22)[..., None] * reached[..., -1:]
    return tf.reduce_sum(tf.cast(reached <= target, tf.int32), axis=-1)
