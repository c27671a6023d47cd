"""Gated recurrent layers, as core's family stacks them."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lofikit.models.configs import GRUConfig
from lofikit.models.families.gru import layer_names
from lofikit_torch.bodies.base import Body, Memory
from lofikit_torch.layers import GRULayer, dropout_masks


class GRUs(Body):
    """GRU layers in order, with dropout after each."""

    def __init__(self, config: GRUConfig, inputs: int) -> None:
        super().__init__()
        self.config = config
        widths = [inputs, *[config.units] * (config.layers - 1)]
        self.layers = nn.ModuleList(GRULayer(width, config.units) for width in widths)

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
        for name, layer in zip(layer_names(self.config), self.layers, strict=True):
            found |= layer.weights(name)
        return found

    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """See :class:`Body`."""
        shape = (batch, time, self.config.units)
        return dropout_masks(len(self.layers), shape, self.config.dropout, generator)

    def micro_batch(self, time: int) -> int:
        """See :class:`Body`; a step of one sequence costs about as much as one of many."""
        return 32
