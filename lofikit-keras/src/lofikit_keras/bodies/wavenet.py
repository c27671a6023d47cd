"""The gated convolutional network: Keras's convolutions."""

from __future__ import annotations

from lofikit.models.configs import WaveNetConfig
from lofikit.models.families.wavenet import block_names
from lofikit_keras.bodies.base import Body, dense_variables
from lofikit_keras.runtime import keras


def wavenet(config: WaveNetConfig, width: int) -> Body:
    """Builds an entry, gated blocks, and a hidden layer over the sum of their skips."""
    inputs = keras.Input((None, width))
    entry = keras.layers.Dense(config.channels)
    values, variables = entry(inputs), dense_variables("entry", entry)
    skips = []
    names = block_names(config)
    for name, dilation in zip(names, config.dilations, strict=True):
        conv = keras.layers.Conv1D(
            2 * config.channels, config.kernel_size, dilation_rate=dilation, padding="causal"
        )
        value, gate = keras.ops.split(conv(values), 2, axis=-1)
        gated = keras.ops.tanh(value) * keras.ops.sigmoid(gate)
        variables |= {f"{name}.conv.weight": conv.kernel, f"{name}.conv.bias": conv.bias}
        if name != names[-1]:
            residual = keras.layers.Dense(config.channels, use_bias=False)
            values += residual(gated)
            variables[f"{name}.residual"] = residual.kernel
        skip = keras.layers.Dense(config.skips, use_bias=False)
        skips.append(skip(gated))
        variables[f"{name}.skip"] = skip.kernel
    total = keras.layers.add(skips) if len(skips) > 1 else skips[0]
    hidden = keras.layers.Dense(config.skips, activation="relu")
    outputs = hidden(keras.ops.relu(total))
    return keras.Model(inputs, outputs), variables | dense_variables("hidden", hidden)
