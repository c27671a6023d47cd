"""What lofikit-keras offers."""

from __future__ import annotations

from lofikit.hookspecs import Component, hookimpl


@hookimpl
def lofikit_components() -> list[Component]:
    """Returns the paper's three models, and more."""
    return [
        Component(
            kind="model",
            name="keras/tcn",
            summary="Temporal convolutional network of keras-tcn (the paper's third model).",
            target="lofikit_keras.models:KerasTCN",
            config="lofikit_keras.config:KerasTCNConfig",
        ),
        Component(
            kind="model",
            name="keras/lstm",
            summary="Recurrent network, one frame after the other (the paper's first model).",
            target="lofikit_keras.models:KerasModel",
            config="lofikit_keras.config:KerasLSTMConfig",
        ),
        Component(
            kind="model",
            name="keras/seq2seq",
            summary="LSTM encoder-decoder over blocks of frames (the paper's second model).",
            target="lofikit_keras.models:KerasModel",
            config="lofikit_keras.config:KerasSeq2SeqConfig",
        ),
        Component(
            kind="model",
            name="keras/gru",
            summary="Gated recurrent network over codes, samples or spectra.",
            target="lofikit_keras.models:KerasModel",
            config="lofikit_keras.config:KerasGRUConfig",
        ),
        Component(
            kind="model",
            name="keras/transformer",
            summary="Causal transformer over codes, which attends to a sliding window.",
            target="lofikit_keras.models:KerasModel",
            config="lofikit_keras.config:KerasTransformerConfig",
        ),
        Component(
            kind="model",
            name="keras/lru",
            summary="Blocks of diagonal linear recurrences: a long memory, quick to train.",
            target="lofikit_keras.models:KerasModel",
            config="lofikit_keras.config:KerasLRUConfig",
        ),
        Component(
            kind="model",
            name="keras/wavenet",
            summary="Gated convolutions of doubling dilations, with skips.",
            target="lofikit_keras.models:KerasModel",
            config="lofikit_keras.config:KerasWaveNetConfig",
        ),
        Component(
            kind="model",
            name="keras/samplernn",
            summary="Two tiers: a recurrent one every few samples, and a small one each sample.",
            target="lofikit_keras.models:KerasModel",
            config="lofikit_keras.config:KerasSampleRNNConfig",
        ),
    ]
