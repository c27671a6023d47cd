"""What a network is between its inputs and its head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Tensor, nn

Memory = list[Any]
"""What a body carries from one piece of a history to the next: tensors, or tuples of them; empty
at the start."""


class Body(nn.Module, ABC):
    """The layers of a family, from (batch, time, inputs) to the features that the head takes."""

    @abstractmethod
    def forward(self, x: Tensor, masks: list[Tensor], memory: Memory | None = None) -> Tensor:
        """Maps inputs (batch, time, in) to (batch, time, out).

        Args:
            x: Inputs.
            masks: Dropout, from :meth:`masks`; empty for none.
            memory: Carried from the piece before, and changed; ``None`` starts from nothing and
                carries nothing.
        """

    @abstractmethod
    def weights(self) -> dict[str, nn.Parameter]:
        """Returns what is learned, by core's names, in any order.

        Weights named ``.kernel`` or ``.recurrent`` lie transposed; see
        :func:`lofikit_torch.networks.core_layout`.
        """

    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """Draws a step's dropout: factors of mean 1, batch first, in the order of their use."""
        return []

    def micro_batch(self, time: int) -> int:
        """Returns how many examples of ``time`` frames are fastest at once on a CPU.

        By default what a few thousand frames need: it stays in the cache, and more only costs
        page faults.
        """
        return max(1, 4096 // time)
