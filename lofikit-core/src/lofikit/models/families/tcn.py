"""The temporal convolutional network (paper: model 3), of keras-tcn's blocks."""

from __future__ import annotations

from lofikit.models.configs import TCNConfig
from lofikit.models.families.base import Family, Parameter, Parameters, Weights
from lofikit.models.initial import he_normal, zeros
from lofikit.streaming.network import TCN, Conv, Dense, Input, Network, ResidualBlock


class TCNFamily(Family[TCNConfig]):
    """Weights ``tcn.{block}.conv1.weight``, ``.bias``, ``conv2``; ``match`` where widths differ."""

    def features(self, config: TCNConfig) -> int:
        """The filters."""
        return config.filters

    def window(self, config: TCNConfig) -> int:
        """See :class:`Family`."""
        return config.window

    def receptive_field(self, config: TCNConfig) -> int:
        """See :class:`Family`."""
        return config.receptive_field

    def parameters(self, config: TCNConfig, inputs: int) -> Parameters:
        """See :class:`Family`."""
        found: Parameters = {}
        kernel, filters = config.kernel_size, config.filters
        for index in range(config.stacks * len(config.dilations)):
            name = f"tcn.{index}"
            for conv, width in (("conv1", inputs), ("conv2", filters)):
                found[f"{name}.{conv}.weight"] = Parameter((kernel, width, filters), he_normal)
                found[f"{name}.{conv}.bias"] = Parameter((filters,), zeros)
            if inputs != filters:
                found[f"{name}.match.weight"] = Parameter((inputs, filters), he_normal)
                found[f"{name}.match.bias"] = Parameter((filters,), zeros)
            inputs = filters
        return found

    def network(self, config: TCNConfig, frames: Input, weights: Weights, head: Dense) -> Network:
        """See :class:`Family`."""
        blocks = []
        for index, dilation in enumerate(config.dilations * config.stacks):
            name, activation = f"tcn.{index}", config.activation
            convs = tuple(
                Conv(
                    weights[f"{name}.{conv}.weight"],
                    weights[f"{name}.{conv}.bias"],
                    dilation,
                    activation,
                )
                for conv in ("conv1", "conv2")
            )
            match = None
            if f"{name}.match.weight" in weights:
                match = Dense(weights[f"{name}.match.weight"], weights[f"{name}.match.bias"])
            blocks.append(ResidualBlock(convs, match, activation, activation))
        return Network(frames, (TCN(tuple(blocks), config.skips),), head)
