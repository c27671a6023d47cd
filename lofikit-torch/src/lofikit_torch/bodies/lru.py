"""Blocks of diagonal linear recurrences."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lofikit.models.configs import LRUConfig
from lofikit.models.families.lru import block_names
from lofikit_torch.bodies.base import Body, Memory
from lofikit_torch.layers import Dense, dropout_masks, rms_norm
from lofikit_torch.recurrence import diagonal_recurrence


class LRUBlock(nn.Module):
    """See :class:`lofikit.streaming.network.LRUBlock`."""

    def __init__(self, config: LRUConfig) -> None:
        super().__init__()
        width, states = config.width, config.states
        self.norm = nn.Parameter(torch.empty(width))
        self.decay = nn.Parameter(torch.empty(states))
        self.angle = nn.Parameter(torch.empty(states))
        self.input = Dense(width, 2 * states, bias=False)
        self.output = Dense(2 * states, width, bias=False)
        self.gate = Dense(width, 2 * width)

    def forward(self, x: Tensor, before: Tensor, mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """Returns the next block's input (batch, time, width), and the state after it."""
        rate, turn = torch.exp(self.decay), torch.exp(self.angle)
        radius, gain = torch.exp(-rate), torch.sqrt(-torch.expm1(-2 * rate))
        factors = torch.cat([radius * torch.cos(turn), radius * torch.sin(turn)])
        values = self.input(rms_norm(x, self.norm)) * gain.repeat(2)
        states = diagonal_recurrence(values, factors, before)
        branch = functional.glu(self.gate(functional.gelu(self.output(states))), dim=2)
        return x + (branch if mask is None else branch * mask), states[:, -1]


class LRU(Body):
    """The blocks, with spatial dropout of each one's branch."""

    def __init__(self, config: LRUConfig, inputs: int) -> None:
        super().__init__()
        self.config = config
        self.entry = Dense(inputs, config.width)
        self.blocks = nn.ModuleList(LRUBlock(config) for _ in range(config.blocks))

    def forward(self, x: Tensor, masks: list[Tensor], memory: Memory | None = None) -> Tensor:
        """See :class:`Body`."""
        zeros = x.new_zeros(x.shape[0], 2 * self.config.states)
        carried = memory or [zeros] * len(self.blocks)
        left = []
        x = self.entry(x)
        for index, block in enumerate(self.blocks):
            x, state = block(x, carried[index], masks[index] if masks else None)
            left.append(state)
        if memory is not None:
            memory[:] = left
        return x

    def weights(self) -> dict[str, nn.Parameter]:
        """See :class:`Body`."""
        found = {f"entry.{name}": value for name, value in self.entry.named_parameters()}
        for name, block in zip(block_names(self.config), self.blocks, strict=True):
            found |= {f"{name}.{leaf}": value for leaf, value in block.named_parameters()}
        return found

    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """See :class:`Body`."""
        shape = (batch, 1, self.config.width)
        return dropout_masks(len(self.blocks), shape, self.config.dropout, generator)
