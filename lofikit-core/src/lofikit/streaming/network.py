"""A network as plain NumPy arrays: what a backend hands to the streaming engine.

The description is typed, frozen and free of any backend, so that a model trained in Keras and
one trained in torch stream through the same compiled code. Weights are laid out as Keras lays
them: dense kernels ``(in, out)``, convolution kernels ``(kernel, in, out)`` with the newest tap
last, LSTM gates in the order input, forget, cell, output. Arrays are kept as contiguous float32.

An activation is Keras's name for it: see `ACTIVATIONS` for the ones the engine computes. A name
outside of it can be described, but `lofikit.streaming.engine.supports` refuses the network.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]

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


@dataclass(frozen=True, eq=False)
class Dense:
    """``activation(x @ weight + bias)``.

    Attributes:
        weight: Shape (in, out).
        bias: Shape (out,).
        activation: Keras's name.
    """

    weight: FloatArray
    bias: FloatArray
    activation: str = "linear"

    def __post_init__(self) -> None:
        _keep(self, "weight", (None, None))
        _keep(self, "bias", (self.output_width,))

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return int(self.weight.shape[0])

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return int(self.weight.shape[1])


@dataclass(frozen=True, eq=False)
class Conv:
    """A causal convolution: tap ``j`` sees the frame ``(kernel - 1 - j) * dilation`` before.

    Frames before the first are zeros, as Keras's ``padding="causal"`` has it.

    Attributes:
        weight: Shape (kernel, in, out); the newest tap is the last.
        bias: Shape (out,).
        dilation: Frames between two taps.
        activation: Keras's name.
    """

    weight: FloatArray
    bias: FloatArray
    dilation: int = 1
    activation: str = "linear"

    def __post_init__(self) -> None:
        _keep(self, "weight", (None, None, None))
        _keep(self, "bias", (self.output_width,))
        if self.dilation < 1:
            raise ValueError(f"Conv: dilation must be at least 1, not {self.dilation}.")

    @property
    def kernel(self) -> int:
        """Number of taps."""
        return int(self.weight.shape[0])

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return int(self.weight.shape[1])

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return int(self.weight.shape[2])


@dataclass(frozen=True, eq=False)
class ResidualBlock:
    """keras-tcn's block: ``branch = branch_activation(convs(x)); out = activation(x + branch)``.

    ``out`` goes to the next block and ``branch`` to the sum of the skips. In keras-tcn 3.5.6 every
    convolution is followed by its activation and the branch's end by it once more, so that
    the branch of a tanh network ends in ``tanh(tanh(...))``: give the convolutions and
    ``branch_activation`` the same name to have it so.

    Attributes:
        convs: Applied in order.
        match: Projection of x to the branch's width; None where the widths agree.
        branch_activation: Keras's name.
        activation: Keras's name.
    """

    convs: tuple[Conv, ...]
    match: Dense | None
    branch_activation: str = "linear"
    activation: str = "linear"

    def __post_init__(self) -> None:
        object.__setattr__(self, "convs", tuple(self.convs))
        if not self.convs:
            raise ValueError("ResidualBlock: convs is empty; a block has at least one convolution.")
        _chain("ResidualBlock", "convs", self.convs)
        if self.match is not None:
            if self.match.input_width != self.input_width:
                raise ValueError(
                    f"ResidualBlock: match takes {self.match.input_width} values a frame, the "
                    f"block {self.input_width}."
                )
            if self.match.output_width != self.output_width:
                raise ValueError(
                    f"ResidualBlock: match gives {self.match.output_width} values a frame, the "
                    f"branch {self.output_width}."
                )
        elif self.input_width != self.output_width:
            raise ValueError(
                f"ResidualBlock: takes {self.input_width} and gives {self.output_width} values a "
                f"frame; a block whose widths differ needs a match."
            )

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return self.convs[0].input_width

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return self.convs[-1].output_width


@dataclass(frozen=True, eq=False)
class TCN:
    """A stack of residual blocks (Bai et al. 2018, as keras-tcn 3.5.6 builds it).

    Attributes:
        blocks: Applied in order; stacks of dilations are simply more blocks.
        skips: True: the output is the sum of all branches; False: the last block's ``out``.
    """

    blocks: tuple[ResidualBlock, ...]
    skips: bool = True

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if not self.blocks:
            raise ValueError("TCN: blocks is empty; a TCN has at least one block.")
        _chain("TCN", "blocks", self.blocks)
        widths = {block.output_width for block in self.blocks}
        if self.skips and len(widths) > 1:
            raise ValueError(
                f"TCN: branches of widths {sorted(widths)} cannot be summed; skips need one width."
            )

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return self.blocks[0].input_width

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return self.blocks[-1].output_width


@dataclass(frozen=True, eq=False)
class LSTM:
    """A long short-term memory layer; gates i, f, g, o; tanh, with sigmoid gates.

    Attributes:
        kernel: Shape (in, 4 * units).
        recurrent: Shape (units, 4 * units).
        bias: Shape (4 * units,); the sum of the two where a backend keeps two.
    """

    kernel: FloatArray
    recurrent: FloatArray
    bias: FloatArray

    def __post_init__(self) -> None:
        _keep(self, "recurrent", (None, None))
        gates = 4 * self.output_width
        _keep(self, "recurrent", (self.output_width, gates))
        _keep(self, "kernel", (None, gates))
        _keep(self, "bias", (gates,))

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return int(self.kernel.shape[0])

    @property
    def output_width(self) -> int:
        """Units."""
        return int(self.recurrent.shape[0])


@dataclass(frozen=True, eq=False)
class Input:
    """How a frame becomes the first layer's values.

    Real frames go in as they are. A class id goes in as ``2 * id / (levels - 1) - 1``, or, with
    an embedding, as its row; the rows of a frame's ``size`` ids are concatenated.

    Attributes:
        size: Values a frame.
        levels: None for real frames, else the number of classes.
        embedding: Shape (levels, width), or None.
    """

    size: int
    levels: int | None = None
    embedding: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.size < 1:
            raise ValueError(f"Input: size must be at least 1, not {self.size}.")
        if self.levels is not None and self.levels < 2:
            raise ValueError(f"Input: levels must be at least 2, not {self.levels}.")
        if self.embedding is not None:
            if self.levels is None:
                raise ValueError("Input: an embedding needs levels; real frames have none.")
            _keep(self, "embedding", (self.levels, None))

    @property
    def output_width(self) -> int:
        """Values that the first layer takes."""
        return self.size * (1 if self.embedding is None else int(self.embedding.shape[1]))

    @property
    def head_width(self) -> int:
        """Values that a head gives: ``size``, or ``size * levels`` logits."""
        return self.size * (self.levels or 1)


Layer: TypeAlias = Conv | TCN | LSTM | Dense


@dataclass(frozen=True, eq=False)
class Network:
    """Layers in order, then a head; output ``i`` predicts frame ``i + 1``.

    Attributes:
        input: How frames go in.
        layers: Applied in order; may be empty.
        head: Gives ``size`` values, or ``size * levels`` logits read as (size, levels).
    """

    input: Input
    layers: tuple[Layer, ...]
    head: Dense

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        _chain("Network", "layers", self.layers, self.input.output_width)
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
        The number of frames, or None where it is unbounded (an LSTM keeps its state for ever). An
        `EncoderDecoder` depends on its block alone.
    """
    if isinstance(network, EncoderDecoder):
        return network.block
    frames = 1
    for layer in network.layers:
        if isinstance(layer, LSTM):
            return None
        if isinstance(layer, Conv):
            frames += (layer.kernel - 1) * layer.dilation
        elif isinstance(layer, TCN):
            convs = (conv for block in layer.blocks for conv in block.convs)
            frames += sum((conv.kernel - 1) * conv.dilation for conv in convs)
    return frames


def _keep(layer: object, field: str, shape: tuple[int | None, ...]) -> None:
    """Replace a field's array by a contiguous float32 one after a look at its shape."""
    array = np.ascontiguousarray(getattr(layer, field), dtype=np.float32)
    fits = array.ndim == len(shape) and all(
        size > 0 and want in (None, size) for size, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{type(layer).__name__}: {field} has shape {array.shape}; wanted ({wanted})."
        )
    object.__setattr__(layer, field, array)


def _chain(
    owner: str,
    field: str,
    layers: Sequence[Layer | ResidualBlock],
    width: int | None = None,
) -> None:
    """Check that each layer takes what the one before it gives."""
    for index, layer in enumerate(layers):
        if width is not None and layer.input_width != width:
            raise ValueError(
                f"{owner}: {field}[{index}] ({type(layer).__name__}) takes {layer.input_width} "
                f"values a frame, is given {width}."
            )
        width = layer.output_width


def _check_head(owner: str, frames: Input, head: Dense, width: int) -> None:
    if head.input_width != width:
        raise ValueError(
            f"{owner}: head takes {head.input_width} values a frame, is given {width}."
        )
    if head.output_width != frames.head_width:
        raise ValueError(
            f"{owner}: head gives {head.output_width} values a frame; a frame of size "
            f"{frames.size} with levels {frames.levels} needs {frames.head_width}."
        )
