"""The families of networks that backends share, by the class of their options."""

from __future__ import annotations

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
from lofikit.models.families.base import Family, of_config
from lofikit.models.families.gru import GRUFamily
from lofikit.models.families.lru import LRUFamily
from lofikit.models.families.lstm import LSTMFamily
from lofikit.models.families.samplernn import SampleRNNFamily
from lofikit.models.families.seq2seq import Seq2SeqFamily
from lofikit.models.families.tcn import TCNFamily
from lofikit.models.families.transformer import TransformerFamily
from lofikit.models.families.wavenet import WaveNetFamily
from lofikit.options import Options

FAMILIES: dict[type[Options], Family[Any]] = {
    TCNConfig: TCNFamily(),
    LSTMConfig: LSTMFamily(),
    Seq2SeqConfig: Seq2SeqFamily(),
    GRUConfig: GRUFamily(),
    TransformerConfig: TransformerFamily(),
    LRUConfig: LRUFamily(),
    SampleRNNConfig: SampleRNNFamily(),
    WaveNetConfig: WaveNetFamily(),
}


def family_of(config: Options) -> Family[Any]:
    """Returns the family that a config, or the one that it derives from, belongs to.

    Raises:
        TypeError: If it belongs to none.
    """
    return of_config(FAMILIES, config)
