"""The paper's networks as torch modules, with weights under core's names.

A network works on whole chunks, or piece by piece with a memory that carries what the past left.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from lofikit.models.configs import LSTMConfig, Seq2SeqConfig, TCNConfig
from lofikit.models.layers import head_width, input_width
from lofikit.representations.base import FrameSpec
from lofikit_torch.layers import (
    ACTIVATIONS,
    CausalConv,
    Dense,
    History,
    LSTMLayer,
    dropout_masks,
)

Memory = list[Any]
"""What a body carries from one piece of a history to the next; empty at the start."""


class Body(nn.Module, ABC):
    """What lies between a network's inputs and its head."""

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
    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """Draws a step's dropout: factors of mean 1, batch first, in the order of their use."""


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
                    memory.append(History(x.shape[0], conv.span, conv.weight.shape[1], x))
        drops, histories = iter(masks), iter(memory or ())
        total: Tensor | None = None
        for block in self.blocks:
            x, branch = block(x, drops, histories)
            total = branch if total is None else total + branch
        return total if self.config.skips and total is not None else x

    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """See :class:`Body`."""
        shape = (batch, 1, self.config.filters)  # Keras's SpatialDropout1D: whole channels
        return dropout_masks(2 * len(self.blocks), shape, self.config.dropout, generator)


class LSTMs(Body):
    """LSTM layers in order, with dropout after each."""

    def __init__(self, config: LSTMConfig, inputs: int) -> None:
        super().__init__()
        self.config = config
        widths = [inputs, *[config.units] * (config.layers - 1)]
        self.layers = nn.ModuleList(LSTMLayer(width, config.units) for width in widths)

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

    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """See :class:`Body`."""
        shape = (batch, time, self.config.units)
        return dropout_masks(len(self.layers), shape, self.config.dropout, generator)


class EncoderDecoder(Body):
    """An LSTM reads a block of frames; another writes the next from its last hidden state.

    Both start from zeros at every block, so there is nothing to carry; dropout falls on the code.
    """

    def __init__(self, config: Seq2SeqConfig, inputs: int) -> None:
        super().__init__()
        self.config = config
        self.encoder = LSTMLayer(inputs, config.units)
        self.decoder = LSTMLayer(config.units, config.units)

    def forward(self, x: Tensor, masks: list[Tensor], memory: Memory | None = None) -> Tensor:
        """See :class:`Body`."""
        batch, time, width = x.shape
        blocks = x.reshape(-1, self.config.block, width)
        code = self.encoder(blocks)[0][:, -1:]
        if masks:
            code = code * masks[0]
        written = self.decoder(code.expand(-1, self.config.block, -1))[0]
        return written.reshape(batch, time, -1)

    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """See :class:`Body`."""
        return dropout_masks(1, (batch, 1, self.config.units), self.config.dropout, generator)


class FrameNetwork(nn.Module):
    """Frames in, predictions out: how frames go in, a body, and a dense head.

    Args:
        config: The model's options.
        spec: Its frames.
    """

    def __init__(self, config: TCNConfig | LSTMConfig | Seq2SeqConfig, spec: FrameSpec) -> None:
        super().__init__()
        self.spec = spec
        width = input_width(config, spec)
        self.embedding: nn.Parameter | None = None
        if spec.levels is not None and width > spec.size:
            self.embedding = nn.Parameter(torch.empty(spec.levels, width // spec.size))
        self.body: Body
        if isinstance(config, TCNConfig):
            self.body = TCN(config, width)
            after = config.filters
        else:
            recurrent = EncoderDecoder if isinstance(config, Seq2SeqConfig) else LSTMs
            self.body = recurrent(config, width)  # type: ignore[arg-type]
            after = config.units
        self.head = Dense(after, head_width(spec))

    def weights(self) -> dict[str, nn.Parameter]:
        """Returns what is learned, by core's names; kernels of LSTMs lie transposed."""
        found: dict[str, nn.Parameter] = {}
        if self.embedding is not None:
            found["embedding"] = self.embedding
        if isinstance(self.body, TCN):
            for index, block in enumerate(self.body.blocks):
                for name, value in block.named_parameters():
                    found[f"tcn.{index}.{name}"] = value
        else:
            for layer, module in self._lstms():
                found[f"{layer}.kernel"] = module.weight_ih_l0
                found[f"{layer}.recurrent"] = module.weight_hh_l0
                found[f"{layer}.bias"] = module.bias_ih_l0
        found["head.weight"] = self.head.weight
        found["head.bias"] = self.head.bias
        return found

    def _lstms(self) -> list[tuple[str, LSTMLayer]]:
        if isinstance(self.body, EncoderDecoder):
            return [("encoder", self.body.encoder), ("decoder", self.body.decoder)]
        return [(f"lstm.{i}", layer) for i, layer in enumerate(self.body.layers)]

    def inputs(self, frames: Tensor) -> Tensor:
        """Returns what the body takes of frames (batch, time, size)."""
        if self.embedding is not None:
            return functional.embedding(frames, self.embedding).flatten(2)
        if self.spec.levels is not None:
            return 2 * frames.float() / (self.spec.levels - 1) - 1
        return frames

    def forward(
        self,
        inputs: Tensor,
        masks: list[Tensor],
        last: bool = False,
        memory: Memory | None = None,
    ) -> Tensor:
        """Predicts (batch, time, size), or logits (batch, time, size, levels).

        Args:
            inputs: From :meth:`inputs`.
            masks: Dropout, from the body; empty for none.
            last: Whether only the last position is wanted.
            memory: See :class:`Body`.
        """
        hidden = self.body(inputs, masks, memory)
        outputs = self.head(hidden[:, -1:] if last else hidden).float()
        if self.spec.levels is None:
            return outputs
        return outputs.unflatten(2, (self.spec.size, self.spec.levels))


def core_layout(name: str, value: Tensor) -> Tensor:
    """Returns a weight in core's layout, or one of core's in ours: the way is the same."""
    return value.t() if name.endswith((".kernel", ".recurrent")) else value
