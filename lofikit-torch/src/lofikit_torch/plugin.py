"""What lofikit-torch offers."""

from __future__ import annotations

from lofikit.hookspecs import Component, hookimpl


@hookimpl
def lofikit_components() -> list[Component]:
    """Returns the models."""
    return [
        Component(
            kind="model",
            name="torch/tcn",
            summary="Temporal convolutional network (the paper's third model).",
            target="lofikit_torch.models:TorchModel",
            config="lofikit_torch.config:TorchTCNConfig",
        ),
        Component(
            kind="model",
            name="torch/lstm",
            summary="Recurrent network, one frame after the other (the paper's first model).",
            target="lofikit_torch.models:TorchModel",
            config="lofikit_torch.config:TorchLSTMConfig",
        ),
        Component(
            kind="model",
            name="torch/seq2seq",
            summary="LSTM encoder-decoder over blocks of frames (the paper's second model).",
            target="lofikit_torch.models:TorchModel",
            config="lofikit_torch.config:TorchSeq2SeqConfig",
        ),
        Component(
            kind="model",
            name="torch/gru",
            summary="Gated recurrent network over codes, samples or spectra.",
            target="lofikit_torch.models:TorchModel",
            config="lofikit_torch.config:TorchGRUConfig",
        ),
        Component(
            kind="model",
            name="torch/transformer",
            summary="Causal transformer over codes, which attends to a sliding window.",
            target="lofikit_torch.models:TorchModel",
            config="lofikit_torch.config:TorchTransformerConfig",
        ),
        Component(
            kind="model",
            name="torch/lru",
            summary="Blocks of diagonal linear recurrences: a long memory, quick to train.",
            target="lofikit_torch.models:TorchModel",
            config="lofikit_torch.config:TorchLRUConfig",
        ),
        Component(
            kind="model",
            name="torch/samplernn",
            summary="Two tiers: a recurrent one every few samples, and a small one each sample.",
            target="lofikit_torch.models:TorchModel",
            config="lofikit_torch.config:TorchSampleRNNConfig",
        ),
        Component(
            kind="model",
            name="torch/wavenet",
            summary="Gated convolutions of doubling dilations, with skips.",
            target="lofikit_torch.models:TorchModel",
            config="lofikit_torch.config:TorchWaveNetConfig",
        ),
    ]
