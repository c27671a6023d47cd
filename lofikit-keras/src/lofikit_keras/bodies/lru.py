"""Blocks of diagonal linear recurrences."""

from __future__ import annotations

from typing import Any

from lofikit.models.configs import LRUConfig
from lofikit.models.families.lru import block_names
from lofikit_keras.bodies.base import Body, dense_variables, dropped
from lofikit_keras.layers import RMSNorm
from lofikit_keras.runtime import keras, tf

CHUNK = 32
"""Frames of a Toeplitz product: time is cut into about its square root, twice."""


def lru(config: LRUConfig, width: int) -> Body:
    """Builds an entry and blocks, with spatial dropout of each one's branch."""
    inputs = keras.Input((None, width))
    entry = keras.layers.Dense(config.width)
    values, variables = entry(inputs), dense_variables("entry", entry)
    before, after = [], []
    for name in block_names(config):
        norm, recurrence = RMSNorm(config.width), DiagonalRecurrence(config.width, config.states)
        gate = keras.layers.Dense(2 * config.width)
        before.append(keras.Input((2 * config.states,)))
        recurred, left = recurrence(norm(values), before[-1])
        after.append(left)
        mixed = keras.activations.gelu(recurred)
        linear, gates = keras.ops.split(gate(mixed), 2, axis=-1)
        branch = linear * keras.ops.sigmoid(gates)
        values += dropped(branch, config.dropout, whole_channels=True)
        variables[f"{name}.norm"] = norm.scale
        variables[f"{name}.decay"] = recurrence.decay
        variables[f"{name}.angle"] = recurrence.angle
        variables[f"{name}.input.weight"] = recurrence.into
        variables[f"{name}.output.weight"] = recurrence.out
        variables |= dense_variables(f"{name}.gate", gate)
    return keras.Model([inputs, *before], [values, *after]), variables


class DiagonalRecurrence(keras.layers.Layer):
    """Projections around a recurrence of complex states; see `lofikit.models.families.lru`.

    Always in float32: factors so near to 1 are not to be told from it in bfloat16.

    Args:
        width: Values a frame, in and out.
        states: Complex numbers that it keeps.
    """

    def __init__(self, width: int, states: int) -> None:
        super().__init__(dtype="float32")
        self.decay = self.add_weight(shape=(states,), name="decay")
        self.angle = self.add_weight(shape=(states,), name="angle")
        self.into = self.add_weight(shape=(width, 2 * states), name="input")
        self.out = self.add_weight(shape=(2 * states, width), name="output")
        self.built = True

    def call(self, x: Any, before: Any) -> tuple[Any, Any]:
        """Maps (batch, time, width) to the same shape, and the state before to the last one."""
        # In float64, as products over many frames multiply what is lost in a factor.
        rate = tf.exp(tf.cast(self.decay, tf.float64))
        turn = tf.exp(tf.cast(self.angle, tf.float64))
        gain = tf.cast(tf.sqrt(-tf.math.expm1(-2.0 * rate)), tf.float32)
        values = (x @ self.into) * tf.tile(gain, (2,))
        states = diagonal_recurrence(values, rate, turn, before)
        return states @ self.out, states[:, -1]

    def compute_output_spec(self, x: Any, before: Any) -> tuple[Any, Any]:
        """Returns the shapes of what :meth:`call` gives."""
        return keras.KerasTensor(x.shape), keras.KerasTensor(before.shape)


def diagonal_recurrence(values: Any, rate: Any, turn: Any, before: Any) -> Any:
    """Computes ``state[t] = exp(-rate + i turn) * state[t - 1] + values[t]``.

    Within a chunk, states are a Toeplitz product of values; so are the chunks' last states.

    Args:
        values: Real parts, then imaginary ones, shape (batch, time, 2 * n).
        rate: Shape (n,), float64.
        turn: Radians a frame, shape (n,), float64.
        before: The state before the first value, shape (batch, 2 * n).

    Returns:
        The states, in the shape of the values.
    """
    batch, time, half = tf.shape(values)[0], tf.shape(values)[1], values.shape[2] // 2
    chunks = -(-time // CHUNK)
    padded = tf.pad(values, ((0, 0), (0, chunks * CHUNK - time), (0, 0)))
    x = tf.reshape(tf.complex(*tf.split(padded, 2, axis=2)), (batch, chunks, CHUNK, half))

    def powers(steps: Any) -> Any:
        """The factors to the power of steps (count,), shape (n, count)."""
        exponents = tf.cast(steps, tf.float64)
        radius, angle = tf.exp(-rate[:, None] * exponents), turn[:, None] * exponents
        real, imag = radius * tf.cos(angle), radius * tf.sin(angle)
        return tf.complex(tf.cast(real, tf.float32), tf.cast(imag, tf.float32))

    inside = tf.einsum("nts,bcsn->bctn", _toeplitz(powers(tf.range(CHUNK))), x)
    # The states before each chunk: the first, then what the chunks' own last states add up to.
    first = tf.complex(*tf.split(before, 2, axis=1))
    ends = tf.concat([first[:, None], inside[:, :-1, -1]], axis=1)
    jumps = _toeplitz(powers(CHUNK * tf.range(chunks)))
    carried = tf.einsum("ncd,bdn->bcn", jumps, ends)
    faded = tf.transpose(powers(tf.range(1, CHUNK + 1)))
    states = tf.reshape(inside + faded * carried[:, :, None], (batch, chunks * CHUNK, half))
    return tf.concat([tf.math.real(states), tf.math.imag(states)], axis=2)[:, :time]


def _toeplitz(column: Any) -> Any:
    """Lower triangular matrices (n, size, size) of their first columns (n, size)."""
    place = tf.range(tf.shape(column)[1])
    distance = place[:, None] - place
    matrices = tf.gather(column, tf.maximum(distance, 0), axis=1)
    return tf.where(distance >= 0, matrices, tf.zeros((), column.dtype))
