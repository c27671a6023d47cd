"""The recurrent baseline (paper: model 1)."""

from __future__ import annotations

from lofikit.models.configs import LSTMConfig
from lofikit.models.families.base import Family, Parameter, Parameters, Weights
from lofikit.models.initial import forget_gate_of_ones, glorot_uniform, orthogonal
from lofikit.streaming.network import LSTM, Dense, Input, Network


class LSTMFamily(Family[LSTMConfig]):
    """Weights ``lstm.{layer}.kernel``, ``.recurrent``, ``.bias``."""

    def features(self, config: LSTMConfig) -> int:
        """The units."""
        return config.units

    def window(self, config: LSTMConfig) -> int:
        """See :class:`Family`."""
        return config.window

    def parameters(self, config: LSTMConfig, inputs: int) -> Parameters:
        """See :class:`Family`."""
        found: Parameters = {}
        for name in layer_names(config):
            found |= lstm_parameters(name, inputs, config.units)
            inputs = config.units
        return found

    def network(self, config: LSTMConfig, frames: Input, weights: Weights, head: Dense) -> Network:
        """See :class:`Family`."""
        layers = tuple(lstm_layer(name, weights) for name in layer_names(config))
        return Network(frames, layers, head)


def layer_names(config: LSTMConfig) -> tuple[str, ...]:
    """Returns the names of the layers, in order."""
    return tuple(f"lstm.{index}" for index in range(config.layers))


def lstm_parameters(name: str, inputs: int, units: int) -> Parameters:
    """Returns the weights of one LSTM layer."""
    return {
        f"{name}.kernel": Parameter((inputs, 4 * units), glorot_uniform),
        f"{name}.recurrent": Parameter((units, 4 * units), orthogonal),
        f"{name}.bias": Parameter((4 * units,), forget_gate_of_ones),
    }


def lstm_layer(name: str, weights: Weights) -> LSTM:
    """Returns the description of one LSTM layer."""
    return LSTM(weights[f"{name}.kernel"], weights[f"{name}.recurrent"], weights[f"{name}.bias"])
