"""Gated recurrent layers: Keras's own."""

from __future__ import annotations

from lofikit.models.configs import GRUConfig
from lofikit.models.families.gru import layer_names
from lofikit_keras.bodies.base import Body, Variables, dropped
from lofikit_keras.runtime import keras


def gru(config: GRUConfig, width: int) -> Body:
    """Builds GRU layers in order, with dropout after each."""
    inputs = keras.Input((None, width))
    values, variables = inputs, Variables()
    before, after = [], []
    for name in layer_names(config):
        layer = keras.layers.GRU(
            config.units, return_sequences=True, return_state=True, reset_after=True
        )
        before.append(keras.Input((config.units,)))
        values, left = layer(values, initial_state=before[-1])
        values = dropped(values, config.dropout)
        after.append(left)
        variables[f"{name}.kernel"] = layer.cell.kernel
        variables[f"{name}.recurrent"] = layer.cell.recurrent_kernel
        variables[f"{name}.biases"] = layer.cell.bias
    return keras.Model([inputs, *before], [values, *after]), variables
