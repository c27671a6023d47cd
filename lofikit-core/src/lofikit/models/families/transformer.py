"""The causal transformer, whose attention looks at a sliding window."""

from __future__ import annotations

from lofikit.models.configs import TransformerConfig
from lofikit.models.families.base import Family, Parameter, Parameters, Weights
from lofikit.models.initial import glorot_residual, glorot_uniform, ones, zeros
from lofikit.streaming.network import (
    Attention,
    Dense,
    Input,
    Network,
    RMSNorm,
    TransformerBlock,
)


class TransformerFamily(Family[TransformerConfig]):
    """An entry to the network's width, blocks, and a norm before the head.

    Weights ``entry.weight``, ``entry.bias``; of each block ``transformer.{block}.attention_norm``,
    ``.query``, ``.key``, ``.value``, ``.output``, ``.mlp_norm``, ``.up.weight``, ``.up.bias``,
    ``.down.weight``, ``.down.bias``; and ``norm``.
    """

    def features(self, config: TransformerConfig) -> int:
        """The width."""
        return config.width

    def window(self, config: TransformerConfig) -> int:
        """See :class:`Family`."""
        return config.window

    def receptive_field(self, config: TransformerConfig) -> int:
        """What the layers' windows add up to."""
        return config.receptive_field

    def context(self, config: TransformerConfig) -> int:
        """The longest history that was learned, or the receptive field where that is shorter."""
        return min(config.window, config.receptive_field)

    def parameters(self, config: TransformerConfig, inputs: int) -> Parameters:
        """See :class:`Family`."""
        width, hidden = config.width, config.expansion * config.width
        residual = glorot_residual(config.layers)
        found: Parameters = {
            "entry.weight": Parameter((inputs, width), glorot_uniform),
            "entry.bias": Parameter((width,), zeros),
        }
        for name in block_names(config):
            found[f"{name}.attention_norm"] = Parameter((width,), ones)
            found[f"{name}.query"] = Parameter((width, width), glorot_uniform)
            for matrix in ("key", "value"):
                shape = (width, config.kv_heads * config.head_width)
                found[f"{name}.{matrix}"] = Parameter(shape, glorot_uniform)
            found[f"{name}.output"] = Parameter((width, width), residual)
            found[f"{name}.mlp_norm"] = Parameter((width,), ones)
            found[f"{name}.up.weight"] = Parameter((width, hidden), glorot_uniform)
            found[f"{name}.up.bias"] = Parameter((hidden,), zeros)
            found[f"{name}.down.weight"] = Parameter((hidden, width), residual)
            found[f"{name}.down.bias"] = Parameter((width,), zeros)
        found["norm"] = Parameter((width,), ones)
        return found

    def network(
        self, config: TransformerConfig, frames: Input, weights: Weights, head: Dense
    ) -> Network:
        """See :class:`Family`."""
        entry = Dense(weights["entry.weight"], weights["entry.bias"])
        blocks = (_block(config, name, weights) for name in block_names(config))
        return Network(frames, (entry, *blocks, RMSNorm(weights["norm"])), head)


def block_names(config: TransformerConfig) -> tuple[str, ...]:
    """Returns the names of the blocks, in order."""
    return tuple(f"transformer.{index}" for index in range(config.layers))


def _block(config: TransformerConfig, name: str, weights: Weights) -> TransformerBlock:
    query, key, value, output = (
        weights[f"{name}.{matrix}"] for matrix in ("query", "key", "value", "output")
    )
    return TransformerBlock(
        RMSNorm(weights[f"{name}.attention_norm"]),
        Attention(query, key, value, output, config.heads, config.attention_window),
        RMSNorm(weights[f"{name}.mlp_norm"]),
        Dense(weights[f"{name}.up.weight"], weights[f"{name}.up.bias"], "gelu"),
        Dense(weights[f"{name}.down.weight"], weights[f"{name}.down.bias"]),
    )
