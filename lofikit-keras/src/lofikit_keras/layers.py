"""Layers that Keras has not, and activations by core's names."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from lofikit.streaming.attention import NORM_EPSILON
from lofikit_keras.runtime import keras, tf


def activation(name: str) -> str | Callable[[Any], Any]:
    """Returns what Keras takes for one of core's names of activations."""
    if name == "gelu_tanh":
        return functools.partial(keras.activations.gelu, approximate=True)
    return name


def embedded(ids: Any, table: Any) -> Any:
    """Returns rows (..., size, width) of ids (..., size), off one table or a table each."""
    if len(table.shape) == 2:
        return tf.gather(table, ids)
    size, levels, width = table.shape
    return tf.gather(tf.reshape(table, (size * levels, width)), ids + levels * tf.range(size))


class Embedding(keras.layers.Layer):
    """A learned row for each class id; see `lofikit.streaming.network.Input` for the table."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.table = self.add_weight(shape=shape, name="embedding")
        self.built = True

    def call(self, ids: Any) -> Any:
        """Returns rows (..., size, width) of ids (..., size)."""
        return embedded(ids, self.table)


def rms_norm(x: Any, scale: Any) -> Any:
    """See `lofikit.streaming.attention.RMSNorm`; computed in float32 whatever ``x`` is."""
    exact = tf.cast(x, tf.float32)
    mean = tf.reduce_mean(tf.square(exact), axis=-1, keepdims=True)
    return tf.cast(exact * tf.math.rsqrt(mean + NORM_EPSILON), x.dtype) * scale


class RMSNorm(keras.layers.Layer):
    """A root mean square norm with a learned scale."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.scale = self.add_weight(shape=(width,), name="scale")
        self.built = True

    def call(self, x: Any) -> Any:
        """Maps (..., width) to the same shape."""
        return rms_norm(x, self.scale)
