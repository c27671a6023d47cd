"""Options of the Keras models: core's, and how TensorFlow runs them."""

from __future__ import annotations

from typing import Literal

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
from lofikit.options import Options, option


class KerasOptions(Options):
    """Options that all models of this package share."""

    device: Literal["auto", "cpu", "gpu"] = option(
        "auto",
        "Where the model runs; auto takes the first GPU that TensorFlow sees, else the CPU.",
        machine=True,
    )
    precision: Literal["float32", "mixed_bfloat16"] = option(
        "float32", "Keras's precision of training; mixed_bfloat16 keeps float32 weights."
    )
    jit_compile: Literal["auto", "on", "off"] = option(
        "auto",
        "Compile training steps and TensorFlow's streams with XLA, which takes seconds to start. "
        "auto: streams, and steps where it was measured to be faster: those of a TCN of up to "
        "four chunks of 512 frames, on a CPU.",
    )
    threads: int = option(
        0,
        "CPU threads of one TensorFlow operation, the same for all models of a process; "
        "0 leaves it to TensorFlow.",
        ge=0,
    )
    engine: bool = option(
        True,
        "Generate by lofikit's compiled CPU engine where it is the fastest, else by TensorFlow.",
    )


class KerasTCNConfig(TCNConfig, KerasOptions):
    """Options of ``keras/tcn``."""


class KerasLSTMConfig(LSTMConfig, KerasOptions):
    """Options of ``keras/lstm``."""


class KerasSeq2SeqConfig(Seq2SeqConfig, KerasOptions):
    """Options of ``keras/seq2seq``."""


class KerasGRUConfig(GRUConfig, KerasOptions):
    """Options of ``keras/gru``."""


class KerasTransformerConfig(TransformerConfig, KerasOptions):
    """Options of ``keras/transformer``."""


class KerasLRUConfig(LRUConfig, KerasOptions):
    """Options of ``keras/lru``."""


class KerasWaveNetConfig(WaveNetConfig, KerasOptions):
    """Options of ``keras/wavenet``."""


class KerasSampleRNNConfig(SampleRNNConfig, KerasOptions):
    """Options of ``keras/samplernn``."""
