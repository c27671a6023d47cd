"""The encoder-decoder over blocks of frames."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from lofikit.models.configs import Seq2SeqConfig
from lofikit_torch.bodies.base import Body, Memory
from lofikit_torch.layers import LSTMLayer, dropout_masks


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

    def weights(self) -> dict[str, nn.Parameter]:
        """See :class:`Body`."""
        return self.encoder.weights("encoder") | self.decoder.weights("decoder")

    def masks(self, batch: int, time: int, generator: torch.Generator) -> list[Tensor]:
        """See :class:`Body`."""
        return dropout_masks(1, (batch, 1, self.config.units), self.config.dropout, generator)

    def micro_batch(self, time: int) -> int:
        """See :class:`Body`; a step of one sequence costs about as much as one of many."""
        return 64
