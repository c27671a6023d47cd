"""The encoder-decoder over blocks of frames."""

from __future__ import annotations

from lofikit.models.configs import Seq2SeqConfig
from lofikit_keras.bodies.base import Body, dropped
from lofikit_keras.bodies.lstm import lstm_variables
from lofikit_keras.runtime import keras


def seq2seq(config: Seq2SeqConfig, width: int) -> Body:
    """Builds an LSTM that reads a block and one that writes the next; dropout is of the code."""
    inputs = keras.Input((config.block, width))
    encoder = keras.layers.LSTM(config.units)
    decoder = keras.layers.LSTM(config.units, return_sequences=True)
    code = dropped(encoder(inputs), config.dropout)
    outputs = decoder(keras.layers.RepeatVector(config.block)(code))
    variables = lstm_variables("encoder", encoder) | lstm_variables("decoder", decoder)
    return keras.Model(inputs, outputs), variables
