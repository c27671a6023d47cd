"""LSTM layers, as the recurrent baseline stacks them."""

from __future__ import annotations

from typing import Any

from lofikit.models.configs import LSTMConfig
from lofikit.models.families.lstm import layer_names
from lofikit_keras.bodies.base import Body, Variables, dropped
from lofikit_keras.runtime import keras


def lstm(config: LSTMConfig, width: int) -> Body:
    """Builds LSTM layers in order, with dropout after each."""
    inputs = keras.Input((None, width))
    values, variables = inputs, Variables()
    before, after = [], []
    for name in layer_names(config):
        layer = keras.layers.LSTM(config.units, return_sequences=True, return_state=True)
        states = [keras.Input((config.units,)) for _ in range(2)]
        values, *left = layer(values, initial_state=states)
        values = dropped(values, config.dropout)
        before += states
        after += left
        variables |= lstm_variables(name, layer)
    return keras.Model([inputs, *before], [values, *after]), variables


def lstm_variables(name: str, layer: Any) -> Variables:
    """Returns the variables of an LSTM layer that was called."""
    return {
        f"{name}.kernel": layer.cell.kernel,
        f"{name}.recurrent": layer.cell.recurrent_kernel,
        f"{name}.bias": layer.cell.bias,
    }
