"""The gated convolutional network."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from lofikit.models.configs import WaveNetConfig
from lofikit.models.families.wavenet import block_names
from lofikit_torch.bodies.base import Body, Memory
from lofikit_torch.layers import CausalConv, Dense, History


class GatedBlock(nn.Module):
    """See :class:`lofikit.streaming.network.GatedBlock`."""

    def __init__(self, config: WaveNetConfig, dilation: int, last: bool) -> None:
        super().__init__()
        channels = config.channels
        self.conv = CausalConv(config.kernel_size, channels, 2 * channels, dilation)
        self.residual = None if last else nn.Parameter(torch.empty(channels, channels))
        self.skip = nn.Parameter(torch.empty(channels, config.skips))

    def forward(self, x: Tensor, memory: Iterator[History]) -> tuple[Tensor, Tensor]:
        """Returns the next block's input, and the skip."""
        value, gate = self.conv(x, next(memory, None)).chunk(2, dim=2)
        gated = torch.tanh(value) * torch.sigmoid(gate)
        return x if self.residual is None else x + gated @ self.residual, gated @ self.skip


class WaveNet(Body):
    """An entry, the blocks, and a hidden layer over the sum of their skips."""

    def __init__(self, config: WaveNetConfig, inputs: int) -> None:
        super().__init__()
        self.config = config
        self.entry = Dense(inputs, config.channels)
        last = len(config.dilations) - 1
        self.blocks = nn.ModuleList(
            GatedBlock(config, dilation, index == last)
            for index, dilation in enumerate(config.dilations)
        )
        self.hidden = Dense(config.skips, config.skips)

    def forward(self, x: Tensor, masks: list[Tensor], memory: Memory | None = None) -> Tensor:
        """See :class:`Body`."""
        x = self.entry(x)
        if memory is not None and not memory:
            memory += [block.conv.history(x) for block in self.blocks]
        histories = iter(memory or ())
        total = x.new_zeros(())
        for block in self.blocks:
            x, skip = block(x, histories)
            total = total + skip
        return functional.relu(self.hidden(functional.relu(total)))

    def weights(self) -> dict[str, nn.Parameter]:
        """See :class:`Body`."""
        found = {f"entry.{name}": value for name, value in self.entry.named_parameters()}
        for name, block in zip(block_names(self.config), self.blocks, strict=True):
            found |= {f"{name}.{leaf}": value for leaf, value in block.named_parameters()}
        return found | {f"hidden.{name}": value for name, value in self.hidden.named_parameters()}
