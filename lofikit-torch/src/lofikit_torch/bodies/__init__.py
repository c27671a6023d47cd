"""The families of networks in torch, by the class of their options."""

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
from lofikit_torch.bodies.base import Body
from lofikit_torch.bodies.lru import LRU
from lofikit_torch.bodies.recurrent import GRUs, LSTMs
from lofikit_torch.bodies.samplernn import SampleRNN
from lofikit_torch.bodies.seq2seq import EncoderDecoder
from lofikit_torch.bodies.tcn import TCN
from lofikit_torch.bodies.transformer import Transformer
from lofikit_torch.bodies.wavenet import WaveNet

BODIES: dict[type[Options], Callable[[Any, int], Body]] = {
    TCNConfig: TCN,
    LSTMConfig: LSTMs,
    Seq2SeqConfig: EncoderDecoder,
    GRUConfig: GRUs,
    TransformerConfig: Transformer,
    LRUConfig: LRU,
    SampleRNNConfig: SampleRNN,
    WaveNetConfig: WaveNet,
}


def build_body(config: Options, inputs: int) -> Body:
    """Returns the body of a config, which takes ``inputs`` values a frame.

    Raises:
        TypeError: If torch has no such network.
    """
    return of_config(BODIES, config)(config, inputs)
