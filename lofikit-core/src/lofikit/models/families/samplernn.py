"""The recurrent network of two tiers (Mehri et al. 2017)."""

from __future__ import annotations

from lofikit.models.configs import SampleRNNConfig
from lofikit.models.families.base import Family, Parameter, Parameters, Weights
from lofikit.models.families.gru import gru_layer, gru_parameters
from lofikit.models.initial import glorot_uniform, he_normal, zeros
from lofikit.streaming.network import Dense, Input, Network, Tiers


class SampleRNNFamily(Family[SampleRNNConfig]):
    """Weights of the GRU ``tier``, of ``conditions``, ``recent`` and ``hidden``.

    ``conditions.weight (units, frame * width)`` gives what the upper tier tells the lower one for
    each sample of a frame; ``recent.weight (frame, in, width)`` is the product of the last samples,
    the newest last.
    """

    def features(self, config: SampleRNNConfig) -> int:
        """The lower tier's width."""
        return config.width

    def window(self, config: SampleRNNConfig) -> int:
        """See :class:`Family`."""
        return config.window

    def parameters(self, config: SampleRNNConfig, inputs: int) -> Parameters:
        """See :class:`Family`."""
        frame, units, width = config.frame, config.units, config.width
        return {
            **gru_parameters("tier", frame * inputs, units),
            "conditions.weight": Parameter((units, frame * width), glorot_uniform),
            "conditions.bias": Parameter((frame * width,), zeros),
            "recent.weight": Parameter((frame, inputs, width), he_normal),
            "hidden.weight": Parameter((width, width), he_normal),
            "hidden.bias": Parameter((width,), zeros),
        }

    def network(
        self, config: SampleRNNConfig, frames: Input, weights: Weights, head: Dense
    ) -> Network:
        """See :class:`Family`."""
        conditions = weights["conditions.weight"].reshape(config.units, config.frame, config.width)
        tiers = Tiers(
            gru_layer("tier", weights),
            conditions.transpose(1, 0, 2),
            weights["conditions.bias"].reshape(config.frame, config.width),
            weights["recent.weight"],
            "relu",
        )
        hidden = Dense(weights["hidden.weight"], weights["hidden.bias"], "relu")
        return Network(frames, (tiers, hidden), head)
