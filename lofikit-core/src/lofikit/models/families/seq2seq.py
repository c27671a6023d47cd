"""The encoder-decoder over blocks of frames (paper: model 2)."""

from __future__ import annotations

from lofikit.models.configs import Seq2SeqConfig
from lofikit.models.families.base import Family, Parameters, Weights
from lofikit.models.families.lstm import lstm_layer, lstm_parameters
from lofikit.streaming.network import Dense, EncoderDecoder, Input


class Seq2SeqFamily(Family[Seq2SeqConfig]):
    """Weights ``encoder.kernel``, ``.recurrent``, ``.bias``, and the same of the ``decoder``."""

    def features(self, config: Seq2SeqConfig) -> int:
        """The decoder's units."""
        return config.units

    def block(self, config: Seq2SeqConfig) -> int:
        """See :class:`Family`."""
        return config.block

    def window(self, config: Seq2SeqConfig) -> int:
        """One block, which is read; the one after it is the target."""
        return config.block

    def receptive_field(self, config: Seq2SeqConfig) -> int:
        """One block: nothing is carried from one to the next."""
        return config.block

    def parameters(self, config: Seq2SeqConfig, inputs: int) -> Parameters:
        """See :class:`Family`."""
        encoder = lstm_parameters("encoder", inputs, config.units)
        return encoder | lstm_parameters("decoder", config.units, config.units)

    def network(
        self, config: Seq2SeqConfig, frames: Input, weights: Weights, head: Dense
    ) -> EncoderDecoder:
        """See :class:`Family`."""
        encoder, decoder = lstm_layer("encoder", weights), lstm_layer("decoder", weights)
        return EncoderDecoder(frames, encoder, decoder, head, config.block)
