"""The temporal convolutional network, of keras-tcn's blocks."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lofikit.models.configs import TCNConfig
from lofikit_torch.bodies.base import Body, Memory
from lofikit_torch.layers import ACTIVATIONS, CausalConv, Dense, History, dropout_masks


class ResidualBlock(nn.Module):
    """keras-tcn 3.5.6's block; see :class:`lofikit.streaming.network.ResidualBlock`."""

    def __init__(self, config: TCNConfig, inputs: int, dilation: int) -> None:
        super().__init__()
        filters, kernel = config.filters, config.kernel_size
        self.conv1 = CausalConv(kernel, inputs, filters, dilation)
        self.conv2 = CausalConv(kernel, filters, filters, dilation)
        self.match = Dense(inputs, filters) if inputs != filters else None
        self.activation = ACTIVATIONS[config.activation]

    def forward(
        self, x: Tensor, masks: Iterator[Tensor], memory: Iterator[History]
    ) -> tuple[Tensor, Tensor]:
        """Returns the input of the next block, and the branch, which is the skip."""
        branch = x
        for conv in (self.conv1, self.conv2):
            branch = self.activation(conv(branch, next(memory, None)))
            mask = next(masks, None)
            branch = branch if mask is None else branch * mask
        branch = self.activation(branch)  # keras-tcn's second activation of the branch's end
        matched = x if self.match is None else self.match(x)
        return self.activation(matched + branch), branch


class TCN(Body):
    """A stack of residual blocks, with spatial dropout after each convolution's activation."""

    def __init__(self, config: TCNConfig, inputs: int) -> None:
        super().__init__()
        self.config = config
        blocks = []
        for dilation in config.dilations * config.stacks:
            blocks.append(ResidualBlock(config, inputs, dilation))
            inputs = config.filters
        self.blocks = nn.ModuleList(blocks)

    def forward(self, x: Tensor, masks: list[Tensor], memory: Memory | None = None) -> Tensor:
        """See :class:`Body`."""
        if memory is not None and not memory:
            for block in self.blocks:
                for conv in (block.conv1, block.conv2):
                    memory.append(conv.history(x))
        drops, histories = iter(masks), iter(memory or ())
        total: Tensor | None = None
        for block in self.blocks:
            x, branch = block(x, drops, histories)
            total = branch if total is None else total + branch
        return total if self.config.skips and total is not None else x

    def weights(self) -> dict[str, nn.Parameter]:
        """See :class:`Body`."""
        return {
            f"tcn.{index}.{name}": value
            for index, block in enumerate(self.blocks)
            for name, value in block.named_parameters()
        }

    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """See :class:`Body`."""
        shape = (batch, 1, self.config.filters)  # Keras's SpatialDropout1D: whole channels
        return dropout_masks(2 * len(self.blocks), shape, self.config.dropout, generator)
