"""Descriptions of layers without a carried state: dense ones, causal convolutions, stacks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lofikit.streaming.layer import FloatArray, Layer, check_chain, keep


@dataclass(frozen=True, eq=False)
class Dense(Layer):
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
        keep(self, "weight", (None, None))
        keep(self, "bias", (self.output_width,))

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return int(self.weight.shape[0])

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return int(self.weight.shape[1])

    def activations(self) -> Iterator[tuple[str, str]]:
        """See `Layer.activations`."""
        yield f" ({type(self).__name__})", self.activation


@dataclass(frozen=True, eq=False)
class Conv(Layer):
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
        keep(self, "weight", (None, None, None))
        keep(self, "bias", (self.output_width,))
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

    @property
    def reach(self) -> int:
        """Frames before the newest that an output depends on."""
        return (self.kernel - 1) * self.dilation

    def activations(self) -> Iterator[tuple[str, str]]:
        """See `Layer.activations`."""
        yield f" ({type(self).__name__})", self.activation


@dataclass(frozen=True, eq=False)
class ResidualBlock(Layer):
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
        check_chain("ResidualBlock", "convs", self.convs)
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

    @property
    def reach(self) -> int:
        """Frames before the newest that an output depends on."""
        return sum(conv.reach for conv in self.convs)

    def activations(self) -> Iterator[tuple[str, str]]:
        """See `Layer.activations`."""
        yield "", self.branch_activation
        yield "", self.activation
        for conv in self.convs:
            yield from conv.activations()
        if self.match is not None:
            yield " (match)", self.match.activation


@dataclass(frozen=True, eq=False)
class TCN(Layer):
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
        check_chain("TCN", "blocks", self.blocks)
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

    @property
    def reach(self) -> int:
        """Frames before the newest that an output depends on."""
        return sum(block.reach for block in self.blocks)

    def activations(self) -> Iterator[tuple[str, str]]:
        """See `Layer.activations`."""
        for index, block in enumerate(self.blocks):
            for place, name in block.activations():
                yield f".blocks[{index}]{place}", name
