"""The gated convolutional network (van den Oord et al. 2016)."""

from __future__ import annotations

from lofikit.models.configs import WaveNetConfig
from lofikit.models.families.base import Family, Parameter, Parameters, Weights
from lofikit.models.initial import glorot_uniform, he_normal, zeros
from lofikit.streaming.network import Conv, Dense, GatedBlock, Input, Network, WaveNet


class WaveNetFamily(Family[WaveNetConfig]):
    """Weights ``entry``, ``wavenet.{block}.conv``, ``.residual``, ``.skip``, and ``hidden``.

    A convolution's outputs are values, then gates. The last block has no residual, as nothing
    comes after it; residuals and skips have no biases, as the layers after them have.
    """

    def features(self, config: WaveNetConfig) -> int:
        """The skips: the hidden layer keeps their width."""
        return config.skips

    def window(self, config: WaveNetConfig) -> int:
        """See :class:`Family`."""
        return config.window

    def receptive_field(self, config: WaveNetConfig) -> int:
        """See :class:`Family`."""
        return config.receptive_field

    def parameters(self, config: WaveNetConfig, inputs: int) -> Parameters:
        """See :class:`Family`."""
        channels, skips, kernel = config.channels, config.skips, config.kernel_size
        found = {
            "entry.weight": Parameter((inputs, channels), glorot_uniform),
            "entry.bias": Parameter((channels,), zeros),
        }
        names = block_names(config)
        for name in names:
            conv = (kernel, channels, 2 * channels)
            found[f"{name}.conv.weight"] = Parameter(conv, he_normal)
            found[f"{name}.conv.bias"] = Parameter((2 * channels,), zeros)
            if name != names[-1]:
                found[f"{name}.residual"] = Parameter((channels, channels), glorot_uniform)
            found[f"{name}.skip"] = Parameter((channels, skips), glorot_uniform)
        found["hidden.weight"] = Parameter((skips, skips), he_normal)
        found["hidden.bias"] = Parameter((skips,), zeros)
        return found

    def network(
        self, config: WaveNetConfig, frames: Input, weights: Weights, head: Dense
    ) -> Network:
        """See :class:`Family`."""
        blocks = tuple(
            GatedBlock(
                Conv(weights[f"{name}.conv.weight"], weights[f"{name}.conv.bias"], dilation),
                weights.get(f"{name}.residual"),
                weights[f"{name}.skip"],
            )
            for name, dilation in zip(block_names(config), config.dilations, strict=True)
        )
        entry = Dense(weights["entry.weight"], weights["entry.bias"])
        hidden = Dense(weights["hidden.weight"], weights["hidden.bias"], "relu")
        return Network(frames, (entry, WaveNet(blocks, "relu"), hidden), head)


def block_names(config: WaveNetConfig) -> tuple[str, ...]:
    """Returns the names of the blocks, in order."""
    return tuple(f"wavenet.{index}" for index in range(len(config.dilations)))
