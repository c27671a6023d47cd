"""A network as plain NumPy arrays: what a backend hands to the streaming engine.

The description is typed, frozen and free of any backend, so that a model trained in Keras and
one trained in torch stream through the same compiled code. Weights are laid out as Keras lays
them: dense kernels ``(in, out)``, convolution kernels ``(kernel, in, out)`` with the newest tap
last, LSTM gates in the order input, forget, cell, output, GRU gates in the order update, reset,
candidate. Arrays are kept as contiguous float32.

An activation is Keras's name for it: see `ACTIVATIONS` for the ones the engine computes. A name
outside of it can be described, but `lofikit.streaming.engine.supports` refuses the network.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lofikit.streaming.attention import Attention, RMSNorm, TransformerBlock
from lofikit.streaming.bank import Method
from lofikit.streaming.feedforward import TCN, Conv, Dense, ResidualBlock
from lofikit.streaming.gated import DiagonalRecurrence, GatedBlock, LRUBlock, Tiers, WaveNet
from lofikit.streaming.heads import Logistics
from lofikit.streaming.layer import FloatArray, Layer, check_chain, keep
from lofikit.streaming.recurrent import GRU, LSTM

__all__ = [
    "ACTIVATIONS",
    "GRU",
    "GUIDES",
    "LSTM",
    "TCN",
    "Attention",
    "Conv",
    "Dense",
    "DiagonalRecurrence",
    "EncoderDecoder",
    "FloatArray",
    "GatedBlock",
    "Input",
    "LRUBlock",
    "Layer",
    "Logistics",
    "Network",
    "Predictor",
    "RMSNorm",
    "ResidualBlock",
    "Tiers",
    "TransformerBlock",
    "WaveNet",
    "receptive_field",
]

ACTIVATIONS: tuple[str, ...] = (
    "linear",
    "relu",
    "tanh",
    "sigmoid",
    "elu",  # alpha 1
    "selu",
    "gelu",  # exact, by the error function: Keras's and torch's default
    "gelu_tanh",  # the tanh approximation: Keras's approximate=True, torch's approximate="tanh"
    "swish",
    "silu",  # another name of swish
    "softplus",
    "leaky_relu",  # negative slope 0.2: Keras 3's default (torch's is 0.01)
)


GUIDES = 2
"""Values a frame that a predictor adds to the first layer's: see `Predictor`."""
SMALLEST_GUIDE, GUIDE_RANGE = 1e-4, 5.0
"""Least running error that goes in, and the logarithm's scale."""


@dataclass(frozen=True)
class Predictor:
    """Adaptive linear prediction of mu-law samples beside a network.

    After each sample, the prediction ``c`` of the next one and its running error ``e`` (not below
    `SMALLEST_GUIDE`) go in after the sample, as ``c`` and ``1 + log(e) / GUIDE_RANGE``.

    Attributes:
        method: See `lofikit.streaming.bank.designs`.
        order: Past samples that a prediction is made from.
    """

    method: Method
    order: int


@dataclass(frozen=True, eq=False)
class Input:
    """How a frame becomes the first layer's values.

    Real frames go in as they are. A class id goes in as ``2 * id / (levels - 1) - 1``, or, with
    an embedding, as its row; the rows of a frame's ``size`` ids are concatenated. The ids share a
    table, or each has its own where the same id means another thing in another place (the books
    of a residual quantiser).

    Attributes:
        size: Values a frame.
        levels: None for real frames, else the number of classes.
        embedding: Shape (levels, width), or (size, levels, width) for a table each, or None.
        predictor: Adaptive linear prediction of what comes next, which goes in too, or None.
    """

    size: int
    levels: int | None = None
    embedding: FloatArray | None = None
    predictor: Predictor | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"Input: size must be at least 1, not {self.size}.")
        if self.levels is not None and self.levels < 2:
            raise ValueError(f"Input: levels must be at least 2, not {self.levels}.")
        if self.embedding is not None:
            if self.levels is None:
                raise ValueError("Input: an embedding needs levels; real frames have none.")
            tables = (self.size,) if np.ndim(self.embedding) == 3 else ()
            keep(self, "embedding", (*tables, self.levels, None))

    @property
    def output_width(self) -> int:
        """Values that the first layer takes."""
        guides = 0 if self.predictor is None else GUIDES
        return self.size * self.width + guides

    @property
    def width(self) -> int:
        """Values that one value of a frame becomes."""
        return 1 if self.embedding is None else int(self.embedding.shape[-1])

    @property
    def head_width(self) -> int:
        """Values that a head gives: ``size``, or ``size * levels`` logits."""
        return self.size * (self.levels or 1)


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in order, then a head; output ``i`` predicts frame ``i + 1``.

    Attributes:
        input: How frames go in.
        layers: Applied in order; may be empty.
        head: Gives ``size`` values, or ``size * levels`` logits read as (size, levels); or
            `Logistics`, which makes the logits from fewer values.
    """

    input: Input
    layers: tuple[Layer, ...]
    head: Dense

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        check_chain("Network", "layers", self.layers, self.input.output_width)
        last = self.layers[-1].output_width if self.layers else self.input.output_width
        _check_head("Network", self.input, self.head, last)


@dataclass(frozen=True, eq=False)
class EncoderDecoder:
    """Block by block: an LSTM reads ``block`` frames, another writes the next ``block``.

    The encoder's last hidden state is the decoder's input at each of its ``block`` steps, both
    start from zeros at every block, and the head is applied to each step (the STFT model of Xu
    and Swar, "Lo-Fi Music Generation with Sequential Models"). Output ``i`` predicts frame
    ``i + block``, from the block that contains frame ``i`` only.

    Attributes:
        input: How frames go in.
        encoder: Reads a block.
        decoder: Takes the encoder's units.
        head: As in `Network`.
        block: Frames a block.
    """

    input: Input
    encoder: LSTM
    decoder: LSTM
    head: Dense
    block: int

    def __post_init__(self) -> None:
        if self.block < 1:
            raise ValueError(f"EncoderDecoder: block must be at least 1, not {self.block}.")
        pairs = (
            ("encoder", self.encoder, self.input.output_width),
            ("decoder", self.decoder, self.encoder.output_width),
        )
        for name, layer, width in pairs:
            if layer.input_width != width:
                raise ValueError(
                    f"EncoderDecoder: {name} takes {layer.input_width} values a frame, is given "
                    f"{width}."
                )
        _check_head("EncoderDecoder", self.input, self.head, self.decoder.output_width)


def receptive_field(network: Network | EncoderDecoder) -> int | None:
    """Frames that an output depends on, the newest included.

    Args:
        network: The network.

    Returns:
        The number of frames, or None where it is unbounded (recurrent layers keep their state for
        ever). An `EncoderDecoder` depends on its block alone.
    """
    if isinstance(network, EncoderDecoder):
        return network.block
    frames = 1
    for layer in network.layers:
        reach = layer.reach
        if reach is None:
            return None
        frames += reach
    return frames


def _check_head(owner: str, frames: Input, head: Dense, width: int) -> None:
    if head.input_width != width:
        raise ValueError(
            f"{owner}: head takes {head.input_width} values a frame, is given {width}."
        )
    if isinstance(head, Logistics):
        if owner != "Network" or len(head.edges) + 1 != frames.levels:
            raise ValueError(
                f"{owner}: a head of logistic distributions is of a Network, and of as many "
                f"levels as its input: {len(head.edges) + 1}, not {frames.levels}."
            )
        wanted = 3 * head.mixtures * frames.size
    else:
        wanted = frames.head_width
    if head.output_width != wanted:
        raise ValueError(
            f"{owner}: head gives {head.output_width} values a frame; a frame of size "
            f"{frames.size} with levels {frames.levels} needs {wanted}."
        )
