"""Options of the torch models: core's, and where and how precisely to compute."""

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


class TorchOptions(Options):
    """Options that every torch model has. None of them changes what a model is."""

    device: str = option(
        "auto",
        "Where to compute: auto (the first CUDA GPU if there is one), cpu, cuda, cuda:N or mps.",
        pattern=r"^(auto|cpu|cuda(:\d+)?|mps)$",
        machine=True,
    )
    precision: Literal["float32", "tf32", "bf16"] = option(
        "float32",
        "Arithmetic of training on a GPU: tf32 and bf16 are for NVIDIA's from Ampere on, bf16 for "
        "Apple's too. Weights and streams are always float32.",
    )
    threads: int = option(
        1,
        "CPU threads of a step. More help large models on idle cores, and cost time on busy ones.",
        ge=1,
        le=1024,
    )
    micro_batch: int = option(
        0,
        "Examples computed at once; their gradients are summed, so that the step is the same and "
        "takes less memory. 0: as many as are fastest on a CPU, the whole batch on a GPU.",
        unit="examples",
        ge=0,
    )
    engine: bool = option(
        True, "Generate by lofikit's compiled CPU engine where it is the fastest, else by torch."
    )


class TorchTCNConfig(TorchOptions, TCNConfig):
    """Options of ``torch/tcn``."""


class TorchLSTMConfig(TorchOptions, LSTMConfig):
    """Options of ``torch/lstm``."""


class TorchSeq2SeqConfig(TorchOptions, Seq2SeqConfig):
    """Options of ``torch/seq2seq``."""


class TorchGRUConfig(TorchOptions, GRUConfig):
    """Options of ``torch/gru``."""


class TorchTransformerConfig(TorchOptions, TransformerConfig):
    """Options of ``torch/transformer``."""


class TorchLRUConfig(TorchOptions, LRUConfig):
    """Options of ``torch/lru``."""


class TorchSampleRNNConfig(TorchOptions, SampleRNNConfig):
    """Options of ``torch/samplernn``."""


class TorchWaveNetConfig(TorchOptions, WaveNetConfig):
    """Options of ``torch/wavenet``."""
