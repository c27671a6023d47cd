"""The recurrent network of two tiers."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lofikit.models.configs import SampleRNNConfig
from lofikit_torch.bodies.base import Body, Memory
from lofikit_torch.layers import CausalConv, Dense, GRULayer


class SampleRNN(Body):
    """See :class:`lofikit.streaming.network.Tiers`; a hidden layer follows.

    Gradients flow through all of a chunk of training, and end with it: truncated backpropagation
    through the window.
    """

    def __init__(self, config: SampleRNNConfig, inputs: int) -> None:
        super().__init__()
        self.config = config
        frame, width = config.frame, config.width
        self.tier = GRULayer(frame * inputs, config.units)
        self.conditions = Dense(config.units, frame * width)
        self.recent = CausalConv(frame, inputs, width, dilation=1, bias=False)
        self.hidden = Dense(width, width)

    def forward(self, x: Tensor, masks: list[Tensor], memory: Memory | None = None) -> Tensor:
        """See :class:`Body`; carried are past frames, the GRU's state and conditions to come."""
        frame, width = self.config.frame, self.config.width
        batch, time, _ = x.shape
        if memory:
            past, state, conditions = memory
        else:
            past, state = functional.pad(x[:, :0], (0, 0, frame - 1, 0)), None
            conditions = x.new_zeros(batch, 0, width)
        seen = torch.cat([past, x], dim=1)
        # The next step of the tier is where the conditions end; it reads the last `frame` frames.
        first = conditions.shape[1]
        steps = max(0, -(-(time - first) // frame))
        if steps:
            read = seen[:, first : first + steps * frame].reshape(batch, steps, -1)
            hidden, state = self.tier(read, state)
            told = self.conditions(hidden).reshape(batch, steps * frame, width)
            conditions = torch.cat([conditions, told], dim=1)
        if memory is not None:
            memory[:] = [seen[:, seen.shape[1] - frame + 1 :], state, conditions[:, time:]]
        lower = functional.relu(self.recent.after(seen) + conditions[:, :time])
        return functional.relu(self.hidden(lower))

    def weights(self) -> dict[str, nn.Parameter]:
        """See :class:`Body`."""
        found = self.tier.weights("tier")
        for name in ("conditions", "recent", "hidden"):
            part = self.get_submodule(name)
            found |= {f"{name}.{leaf}": value for leaf, value in part.named_parameters()}
        return found

    def micro_batch(self, time: int) -> int:
        """See :class:`Body`; a step of one sequence costs about as much as one of many."""
        return 32
