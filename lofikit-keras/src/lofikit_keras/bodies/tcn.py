"""The temporal convolutional network: keras-tcn's own layer."""

from __future__ import annotations

from lofikit.models.configs import TCNConfig
from lofikit_keras.bodies.base import Body, Variables
from lofikit_keras.layers import activation
from lofikit_keras.runtime import TCNLayer, keras


def tcn(config: TCNConfig, width: int) -> Body:
    """Builds a stack of residual blocks."""
    inputs = keras.Input((None, width))
    layer = TCNLayer(
        nb_filters=config.filters,
        kernel_size=config.kernel_size,
        nb_stacks=config.stacks,
        dilations=config.dilations,
        use_skip_connections=config.skips,
        dropout_rate=config.dropout,
        return_sequences=True,
        activation=activation(config.activation),
        name="tcn",
    )
    body = keras.Model(inputs, layer(inputs))
    variables: Variables = {}
    for i, block in enumerate(layer.residual_blocks):
        convs = [part for part in block.layers if isinstance(part, keras.layers.Conv1D)]
        for name, conv in zip(("conv1", "conv2"), convs, strict=True):
            variables[f"tcn.{i}.{name}.weight"] = conv.kernel
            variables[f"tcn.{i}.{name}.bias"] = conv.bias
        if isinstance(block.shape_match_conv, keras.layers.Conv1D):
            variables[f"tcn.{i}.match.weight"] = block.shape_match_conv.kernel
            variables[f"tcn.{i}.match.bias"] = block.shape_match_conv.bias
    return body, variables
