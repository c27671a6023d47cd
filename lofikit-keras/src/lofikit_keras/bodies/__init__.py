"""The families of networks in Keras, by the class of their options."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lofikit.models.configs import (
    GRUConfig,
    LRUConfig,
    LSTMConfig,
    SampleRNNConfig,
    Seq2SeqConfig,
    TCNConfig,
    TransformerConfig,
    WaveNetConfig,
)
from lofikit.models.families.base import of_config
from lofikit.options import Options
from lofikit_keras.bodies.base import Body
from lofikit_keras.bodies.gru import gru
from lofikit_keras.bodies.lru import lru
from lofikit_keras.bodies.lstm import lstm
from lofikit_keras.bodies.samplernn import samplernn
from lofikit_keras.bodies.seq2seq import seq2seq
from lofikit_keras.bodies.tcn import tcn
from lofikit_keras.bodies.transformer import transformer
from lofikit_keras.bodies.wavenet import wavenet

BODIES: dict[type[Options], Callable[[Any, int], Body]] = {
    TCNConfig: tcn,
    LSTMConfig: lstm,
    Seq2SeqConfig: seq2seq,
    GRUConfig: gru,
    TransformerConfig: transformer,
    LRUConfig: lru,
    WaveNetConfig: wavenet,
    SampleRNNConfig: samplernn,
}


def build_body(config: Options, inputs: int) -> Body:
    """Returns the body of a config, which takes ``inputs`` values a frame.

    Raises:
        TypeError: If Keras has no such network here.
    """
    return of_config(BODIES, config)(config, inputs)
