"""One naming of weights, so that a model crosses from one backend to another.

For each of the paper's models: the names and shapes of its weights, their initial values, and
the :class:`~lofikit.streaming.network.Network` that they make. A backend keeps its weights in
whatever layout it likes, and gives and takes them under these names and in these shapes:

- convolutions ``(kernel, in, out)``, the newest tap last; dense layers ``(in, out)``;
- LSTM ``kernel (in, 4u)``, ``recurrent (u, 4u)``, ``bias (4u,)``, gates in the order input,
  forget, cell, output;
- names: ``embedding``; ``tcn.{block}.conv1.weight``, ``.bias``, ``conv2`` and, where widths
  differ, ``match``; ``lstm.{layer}.kernel``; ``encoder.kernel``, ``decoder.kernel``;
  ``head.weight``, ``head.bias``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

from lofikit.models.configs import CausalConfig, LSTMConfig, Seq2SeqConfig, TCNConfig
from lofikit.representations.base import FrameSpec
from lofikit.streaming.network import (
    LSTM,
    TCN,
    Conv,
    Dense,
    EncoderDecoder,
    Input,
    Network,
    ResidualBlock,
)

Weights = dict[str, NDArray[np.float32]]
Config = TCNConfig | LSTMConfig | Seq2SeqConfig


def input_width(config: Config, spec: FrameSpec) -> int:
    """Returns how many values of a frame the first layer takes."""
    return spec.size * (_embedding(config, spec) or 1)


def head_width(spec: FrameSpec) -> int:
    """Returns how many values the head gives: the frame's, or a logit for each class of each."""
    return spec.size * (spec.levels or 1)


def _embedding(config: Config, spec: FrameSpec) -> int:
    if spec.levels is None or not isinstance(config, CausalConfig):
        return 0
    return config.embedding


def shapes(config: Config, spec: FrameSpec) -> dict[str, tuple[int, ...]]:
    """Returns the shape of each weight by its name, in the order of the layers."""
    found: dict[str, tuple[int, ...]] = {}
    width = input_width(config, spec)
    embedding = _embedding(config, spec)
    if embedding and spec.levels:
        found["embedding"] = (spec.levels, embedding)
    if isinstance(config, TCNConfig):
        for i in range(config.stacks * len(config.dilations)):
            name, filters = f"tcn.{i}", config.filters
            found[f"{name}.conv1.weight"] = (config.kernel_size, width, filters)
            found[f"{name}.conv1.bias"] = (filters,)
            found[f"{name}.conv2.weight"] = (config.kernel_size, filters, filters)
            found[f"{name}.conv2.bias"] = (filters,)
            if width != filters:
                found[f"{name}.match.weight"] = (width, filters)
                found[f"{name}.match.bias"] = (filters,)
            width = filters
    else:
        for name in lstm_names(config):
            found[f"{name}.kernel"] = (width, 4 * config.units)
            found[f"{name}.recurrent"] = (config.units, 4 * config.units)
            found[f"{name}.bias"] = (4 * config.units,)
            width = config.units
    found["head.weight"] = (width, head_width(spec))
    found["head.bias"] = (head_width(spec),)
    return found


def lstm_names(config: LSTMConfig | Seq2SeqConfig) -> tuple[str, ...]:
    """Returns the names of a recurrent model's LSTM layers, in order."""
    if isinstance(config, Seq2SeqConfig):
        return ("encoder", "decoder")
    return tuple(f"lstm.{i}" for i in range(config.layers))


def initial_weights(config: Config, spec: FrameSpec, seed: int) -> Weights:
    """Draws a model's first weights, the same for every backend.

    The distributions are Keras's and keras-tcn's defaults: He normal for convolutions (He et al.
    2015), Glorot uniform for dense and LSTM kernels (Glorot and Bengio 2010), orthogonal
    recurrent kernels (Saxe et al. 2014), zero biases but one for the forget gate (Jozefowicz et
    al. 2015), and uniform in +-0.05 for embeddings.
    """
    rng = np.random.default_rng([seed, 0x1A1E])
    weights: Weights = {}
    for name, shape in shapes(config, spec).items():
        leaf = name.rsplit(".", 1)[-1]
        value: NDArray[np.floating] = np.zeros(shape)
        if leaf == "recurrent":
            units = shape[0]
            value = _orthogonal(rng.standard_normal((units, 4 * units), dtype=np.float32))
        elif leaf == "embedding":
            value = rng.uniform(-0.05, 0.05, shape)
        elif ".conv" in name and leaf == "weight":
            value = _truncated_normal(rng, shape) * np.sqrt(2 / (shape[0] * shape[1]))
        elif ".match" in name and leaf == "weight":
            value = _truncated_normal(rng, shape) * np.sqrt(2 / shape[0])
        elif len(shape) == 2:
            limit = np.sqrt(6 / (shape[0] + shape[1]))
            value = rng.uniform(-limit, limit, shape)
        elif name.endswith("bias") and not isinstance(config, TCNConfig) and "head" not in name:
            value[config.units : 2 * config.units] = 1.0
        weights[name] = value.astype(np.float32)
    return weights


def _orthogonal(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Makes rows orthonormal: R^-T A of A^T = QR, with R from the Cholesky factor of A A^T.

    What a QR decomposition gives, in matrix products alone: the paper's 2048 units take two
    seconds instead of ten.
    """
    factor = np.linalg.cholesky(rows @ rows.T)
    return np.asarray(solve_triangular(factor, rows, lower=True, check_finite=False))


def _truncated_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Draws from a normal cut at two deviations and scaled back to variance 1, as Keras does."""
    value = rng.standard_normal(shape)
    while (outside := np.abs(value) > 2).any():
        value[outside] = rng.standard_normal(int(outside.sum()))
    return value / 0.87962566103423978


def network(
    config: Config, spec: FrameSpec, weights: Mapping[str, NDArray[np.float32]]
) -> Network | EncoderDecoder:
    """Returns the description that the streaming engine runs."""
    head = Dense(weights["head.weight"], weights["head.bias"])
    frames = Input(spec.size, spec.levels, weights.get("embedding"))
    if isinstance(config, TCNConfig):
        return Network(frames, (_tcn(config, weights),), head)
    lstms = tuple(
        LSTM(weights[f"{n}.kernel"], weights[f"{n}.recurrent"], weights[f"{n}.bias"])
        for n in lstm_names(config)
    )
    if isinstance(config, Seq2SeqConfig):
        return EncoderDecoder(frames, lstms[0], lstms[1], head, config.block)
    return Network(frames, lstms, head)


def _tcn(config: TCNConfig, weights: Mapping[str, NDArray[np.float32]]) -> TCN:
    blocks = []
    for i, dilation in enumerate(config.dilations * config.stacks):
        convs = tuple(
            Conv(
                weights[f"tcn.{i}.{conv}.weight"],
                weights[f"tcn.{i}.{conv}.bias"],
                dilation,
                config.activation,
            )
            for conv in ("conv1", "conv2")
        )
        match = None
        if f"tcn.{i}.match.weight" in weights:
            match = Dense(weights[f"tcn.{i}.match.weight"], weights[f"tcn.{i}.match.bias"])
        blocks.append(ResidualBlock(convs, match, config.activation, config.activation))
    return TCN(tuple(blocks), config.skips)
