"""The gated recurrent network (Cho et al. 2014)."""

from __future__ import annotations

from lofikit.models.configs import GRUConfig
from lofikit.models.families.base import Family, Parameter, Parameters, Weights
from lofikit.models.initial import glorot_uniform, orthogonal, zeros
from lofikit.streaming.network import GRU, Dense, Input, Network


class GRUFamily(Family[GRUConfig]):
    """Weights ``gru.{layer}.kernel``, ``.recurrent``, ``.bias``, ``.recurrent_bias``.

    Gates lie in Keras's order: update, reset, candidate; the two biases are the rows of Keras's.
    """

    def features(self, config: GRUConfig) -> int:
        """The units."""
        return config.units

    def window(self, config: GRUConfig) -> int:
        """See :class:`Family`."""
        return config.window

    def parameters(self, config: GRUConfig, inputs: int) -> Parameters:
        """See :class:`Family`."""
        found: Parameters = {}
        for name in layer_names(config):
            found |= gru_parameters(name, inputs, config.units)
            inputs = config.units
        return found

    def network(self, config: GRUConfig, frames: Input, weights: Weights, head: Dense) -> Network:
        """See :class:`Family`."""
        layers = tuple(gru_layer(name, weights) for name in layer_names(config))
        return Network(frames, layers, head)


def layer_names(config: GRUConfig) -> tuple[str, ...]:
    """Returns the names of the layers, in order."""
    return tuple(f"gru.{index}" for index in range(config.layers))


def gru_parameters(name: str, inputs: int, units: int) -> Parameters:
    """Returns the weights of one GRU layer."""
    return {
        f"{name}.kernel": Parameter((inputs, 3 * units), glorot_uniform),
        f"{name}.recurrent": Parameter((units, 3 * units), orthogonal),
        f"{name}.bias": Parameter((3 * units,), zeros),
        f"{name}.recurrent_bias": Parameter((3 * units,), zeros),
    }


def gru_layer(name: str, weights: Weights) -> GRU:
    """Returns the description of one GRU layer."""
    fields = ("kernel", "recurrent", "bias", "recurrent_bias")
    return GRU(**{field: weights[f"{name}.{field}"] for field in fields})
