"""The causal transformer over a sliding window, with rotary positions."""

from __future__ import annotations

from typing import Any

from lofikit.models.configs import TransformerConfig
from lofikit.models.families.transformer import block_names
from lofikit.streaming.attention import rotary_frequencies
from lofikit_keras.bodies.base import Body, Variables, dense_variables, dropped
from lofikit_keras.layers import RMSNorm
from lofikit_keras.runtime import keras, tf


def transformer(config: TransformerConfig, width: int) -> Body:
    """Builds an entry, pre-norm blocks, and a norm, with dropout at the end of each branch."""
    inputs = keras.Input((None, width))
    entry = keras.layers.Dense(config.width)
    values, variables = entry(inputs), dense_variables("entry", entry)
    for name in block_names(config):
        attention_norm, mlp_norm = RMSNorm(config.width), RMSNorm(config.width)
        attention = Attention(config)
        up = keras.layers.Dense(config.expansion * config.width, activation="gelu")
        down = keras.layers.Dense(config.width)
        values += dropped(attention(attention_norm(values)), config.dropout)
        values += dropped(down(up(mlp_norm(values))), config.dropout)
        variables[f"{name}.attention_norm"] = attention_norm.scale
        variables |= {f"{name}.{field}": value for field, value in attention.matrices().items()}
        variables[f"{name}.mlp_norm"] = mlp_norm.scale
        variables |= dense_variables(f"{name}.up", up) | dense_variables(f"{name}.down", down)
    norm = RMSNorm(config.width)
    return keras.Model(inputs, norm(values)), {**variables, "norm": norm.scale}


class Attention(keras.layers.Layer):
    """Causal self-attention; see :class:`lofikit.streaming.attention.Attention`.

    Args:
        config: The model's options.
    """

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self._kv_heads, self._head_width = config.kv_heads, config.head_width
        self._window = config.attention_window
        width, kept = config.width, config.kv_heads * config.head_width
        self.query = self.add_weight(shape=(width, width), name="query")
        self.key = self.add_weight(shape=(width, kept), name="key")
        self.value = self.add_weight(shape=(width, kept), name="value")
        self.output_matrix = self.add_weight(shape=(width, width), name="output")
        self.built = True

    def matrices(self) -> Variables:
        """Returns the variables, by core's names within a block."""
        return {
            "query": self.query,
            "key": self.key,
            "value": self.value,
            "output": self.output_matrix,
        }

    def call(self, x: Any) -> Any:
        """Maps (batch, time, width) to the same shape."""
        batch, time, width = tf.shape(x)[0], tf.shape(x)[1], x.shape[2]
        numbers = tf.range(time)
        # Heads as (batch, kv heads, queries of each, time, head width).
        query, key, value = (
            tf.transpose(
                tf.reshape(x @ matrix, (batch, time, self._kv_heads, -1, self._head_width)),
                (0, 2, 3, 1, 4),
            )
            for matrix in (self.query, self.key, self.value)
        )
        query, key = rotated(query, numbers), rotated(key, numbers)
        scores = tf.matmul(query, key, transpose_b=True) * self._head_width**-0.5
        distance = numbers[:, None] - numbers
        heard = (distance >= 0) & (distance < self._window)
        # In float32, as a softmax is not exact enough in bfloat16.
        weights = tf.nn.softmax(tf.where(heard, tf.cast(scores, tf.float32), UNHEARD))
        mixed = tf.matmul(tf.cast(weights, x.dtype), value)
        return tf.reshape(tf.transpose(mixed, (0, 3, 1, 2, 4)), (batch, time, width)) @ (
            self.output_matrix
        )


UNHEARD = -1e30
"""The score of a frame that is not attended to: its weight is 0, and finite all the same."""


def rotated(x: Any, numbers: Any) -> Any:
    """Turns pairs of values by their frames' angles.

    Args:
        x: Queries or keys, shape (..., time, head width).
        numbers: The frames' numbers, shape (time,).
    """
    # In float64, so that the angles stay exact in a stream of any length.
    frequencies = tf.constant(rotary_frequencies(x.shape[-1]), tf.float64)
    angles = tf.cast(numbers, tf.float64)[:, None] * frequencies
    cosines, sines = tf.cast(tf.cos(angles), x.dtype), tf.cast(tf.sin(angles), x.dtype)
    a, b = tf.split(x, 2, axis=-1)
    return tf.concat([a * cosines - b * sines, b * cosines + a * sines], axis=-1)
