"""What a body is: the layers of a family between its inputs and its head."""

from __future__ import annotations

from typing import Any

from lofikit_keras.runtime import keras

Variables = dict[str, Any]
"""Trainable variables by their names in `lofikit_keras.layout`."""

Body = tuple[Any, Variables]
"""A Keras model from (batch, time, in) to (batch, time, out), and its variables in order.

Where a state has no end, the model takes what the past left after its inputs, zeros at the start,
and gives what it leaves itself after its outputs, each of shape (batch, n).
"""


def dropped(values: Any, rate: float, whole_channels: bool = False) -> Any:
    """Returns values under dropout; no layer is made for a rate of 0."""
    if not rate:
        return values
    layer = keras.layers.SpatialDropout1D if whole_channels else keras.layers.Dropout
    return layer(rate)(values)


def dense_variables(name: str, layer: Any) -> Variables:
    """Returns the variables of a dense layer that was called."""
    return {f"{name}.weight": layer.kernel, f"{name}.bias": layer.bias}
