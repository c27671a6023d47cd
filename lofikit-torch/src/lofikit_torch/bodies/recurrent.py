"""LSTM and GRU layers, as core's families stack them."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor, nn

from lofikit.models.configs import GRUConfig, LSTMConfig
from lofikit.models.families import gru, lstm
from lofikit_torch.bodies.base import Body, Memory
from lofikit_torch.layers import GRULayer, LSTMLayer, dropout_masks


class RecurrentLayers(Body):
    """Layers in order, each with a state that is carried, with dropout after each."""

    def __init__(self, config: LSTMConfig | GRUConfig, inputs: int) -> None:
        super().__init__()
        self.config = config
        widths = [inputs, *[config.units] * (config.layers - 1)]
        self.layers = nn.ModuleList(self.layer(width, config.units) for width in widths)

    @abstractmethod
    def layer(self, inputs: int, units: int) -> LSTMLayer | GRULayer:
        """Returns one layer."""

    @abstractmethod
    def names(self) -> tuple[str, ...]:
        """Returns core's names of the layers."""

    def forward(self, x: Tensor, masks: list[Tensor], memory: Memory | None = None) -> Tensor:
        """See :class:`Body`."""
        carried = memory or [None] * len(self.layers)
        left = []
        for index, layer in enumerate(self.layers):
            x, state = layer(x, carried[index])
            left.append(state)
            x = x * masks[index] if masks else x
        if memory is not None:
            memory[:] = left
        return x

    def weights(self) -> dict[str, nn.Parameter]:
        """See :class:`Body`."""
        found: dict[str, nn.Parameter] = {}
        for name, layer in zip(self.names(), self.layers, strict=True):
            found |= layer.weights(name)
        return found

    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """See :class:`Body`."""
        shape = (batch, time, self.config.units)
        return dropout_masks(len(self.layers), shape, self.config.dropout, generator)

    def micro_batch(self, time: int) -> int:
        """See :class:`Body`; a step of one sequence costs about as much as one of many."""
        return 32


class LSTMs(RecurrentLayers):
    """LSTM layers: the paper's baseline."""

    config: LSTMConfig

    def layer(self, inputs: int, units: int) -> LSTMLayer:
        """See :class:`RecurrentLayers`."""
        return LSTMLayer(inputs, units)

    def names(self) -> tuple[str, ...]:
        """See :class:`RecurrentLayers`."""
        return lstm.layer_names(self.config)


class GRUs(RecurrentLayers):
    """Gated recurrent layers."""

    config: GRUConfig

    def layer(self, inputs: int, units: int) -> GRULayer:
        """See :class:`RecurrentLayers`."""
        return GRULayer(inputs, units)

    def names(self) -> tuple[str, ...]:
        """See :class:`RecurrentLayers`."""
        return gru.layer_names(self.config)
