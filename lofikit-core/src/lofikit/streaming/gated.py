"""Descriptions of layers of the sample-level networks: linear recurrences, gates, two clocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lofikit.streaming.attention import RMSNorm
from lofikit.streaming.feedforward import Conv, Dense
from lofikit.streaming.layer import FloatArray, Layer, check_chain, keep
from lofikit.streaming.recurrent import GRU


@dataclass(frozen=True, eq=False)
class DiagonalRecurrence(Layer):
    """``state = factors * state + x @ into``, of complex numbers; gives ``state @ out``.

    Complex numbers lie as halves: real parts, then imaginary ones.

    Attributes:
        into: Shape (in, 2 * states).
        factors: Shape (2 * states,); of magnitude below 1, so that the states fade.
        out: Shape (2 * states, out): what leaves is real.
    """

    into: FloatArray
    factors: FloatArray
    out: FloatArray

    def __post_init__(self) -> None:
        keep(self, "into", (None, None))
        width = self.into.shape[1]
        if width % 2:
            raise ValueError(f"DiagonalRecurrence: into gives {width} values, which are not pairs.")
        keep(self, "factors", (width,))
        keep(self, "out", (width, None))

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return int(self.into.shape[0])

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return int(self.out.shape[1])

    @property
    def reach(self) -> None:
        """Unbounded: the states are kept for ever."""
        return None


@dataclass(frozen=True, eq=False)
class LRUBlock(Layer):
    """A block of linear recurrences: ``x + glu(gate(activation(recurrence(norm(x)))))``.

    The gated linear unit multiplies the first half of the gate's values by the sigmoid of the
    second (Dauphin et al. 2017).

    Attributes:
        norm: Before the recurrence.
        recurrence: Mixes frames.
        gate: Gives twice the values that go in, linear.
        activation: Of the recurrence's outputs; Keras's name.
    """

    norm: RMSNorm
    recurrence: DiagonalRecurrence
    gate: Dense
    activation: str = "gelu"

    def __post_init__(self) -> None:
        check_chain("LRUBlock", "layers", (self.norm, self.recurrence, self.gate))
        if self.gate.output_width != 2 * self.input_width:
            raise ValueError(
                f"LRUBlock: gate gives {self.gate.output_width} values a frame; halves of them are "
                f"added to {self.input_width}."
            )

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return self.norm.input_width

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return self.input_width

    @property
    def reach(self) -> None:
        """Unbounded: the states are kept for ever."""
        return None

    def activations(self) -> Iterator[tuple[str, str]]:
        """See `Layer.activations`."""
        yield "", self.activation
        yield " (gate)", self.gate.activation


@dataclass(frozen=True, eq=False)
class GatedBlock(Layer):
    """WaveNet's block: ``z = tanh(a) * sigmoid(b)`` of a convolution's halves a and b.

    ``x + z @ residual`` goes to the next block and ``z @ skip`` to the sum of the skips
    (van den Oord et al. 2016, section 2.3).

    Attributes:
        conv: Gives 2 * channels values, linear.
        residual: Shape (channels, in), or None where no block comes after.
        skip: Shape (channels, skips).
    """

    conv: Conv
    residual: FloatArray | None
    skip: FloatArray

    def __post_init__(self) -> None:
        channels, odd = divmod(self.conv.output_width, 2)
        if odd:
            raise ValueError(f"GatedBlock: conv gives {2 * channels + 1} values, not two halves.")
        if self.residual is not None:
            keep(self, "residual", (channels, self.input_width))
        keep(self, "skip", (channels, None))

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return self.conv.input_width

    @property
    def output_width(self) -> int:
        """Values a frame that the next block takes."""
        return self.input_width

    @property
    def reach(self) -> int:
        """Frames before the newest that an output depends on."""
        return self.conv.reach

    def activations(self) -> Iterator[tuple[str, str]]:
        """See `Layer.activations`."""
        yield " (conv)", self.conv.activation


@dataclass(frozen=True, eq=False)
class WaveNet(Layer):
    """A stack of gated blocks; what leaves is the activation of the sum of their skips.

    Attributes:
        blocks: Applied in order; all but the last have a residual.
        activation: Keras's name.
    """

    blocks: tuple[GatedBlock, ...]
    activation: str = "relu"

    def __post_init__(self) -> None:
        object.__setattr__(self, "blocks", tuple(self.blocks))
        if not self.blocks:
            raise ValueError("WaveNet: blocks is empty; a WaveNet has at least one block.")
        check_chain("WaveNet", "blocks", self.blocks)
        if any(block.residual is None for block in self.blocks[:-1]):
            raise ValueError("WaveNet: a block that is not the last has no residual.")
        widths = {block.skip.shape[1] for block in self.blocks}
        if len(widths) > 1:
            raise ValueError(f"WaveNet: skips of widths {sorted(widths)} cannot be summed.")

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return self.blocks[0].input_width

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return int(self.blocks[0].skip.shape[1])

    @property
    def reach(self) -> int:
        """Frames before the newest that an output depends on."""
        return sum(block.reach for block in self.blocks)

    def activations(self) -> Iterator[tuple[str, str]]:
        """See `Layer.activations`."""
        yield "", self.activation
        for index, block in enumerate(self.blocks):
            for place, name in block.activations():
                yield f".blocks[{index}]{place}", name


@dataclass(frozen=True, eq=False)
class Tiers(Layer):
    """Two clocks, as SampleRNN has them (Mehri et al. 2017, section 2).

    At the first frame and at every ``period``-th after it, a GRU reads the last ``period`` frames
    side by side, the oldest first; its state gives a condition for that frame and for each of the
    ``period - 1`` after it. What leaves at each frame is ``activation(recent + condition)``, where
    ``recent`` is a product of the last ``period`` frames. Frames before the first are zeros.

    Attributes:
        gru: Takes ``period * in`` values.
        conditions: Shape (period, units, out): of each frame of a period.
        conditions_bias: Shape (period, out).
        recent: Shape (period, in, out); the newest frame is the last.
        activation: Keras's name.
    """

    gru: GRU
    conditions: FloatArray
    conditions_bias: FloatArray
    recent: FloatArray
    activation: str = "relu"

    def __post_init__(self) -> None:
        keep(self, "recent", (None, None, None))
        if self.period & (self.period - 1):
            raise ValueError(f"Tiers: the period must be a power of two, not {self.period}.")
        keep(self, "conditions", (self.period, self.gru.output_width, self.output_width))
        keep(self, "conditions_bias", (self.period, self.output_width))
        if self.gru.input_width != self.period * self.input_width:
            raise ValueError(
                f"Tiers: the GRU takes {self.gru.input_width} values, is given {self.period} times "
                f"{self.input_width}."
            )

    @property
    def period(self) -> int:
        """Frames between two steps of the GRU."""
        return int(self.recent.shape[0])

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return int(self.recent.shape[1])

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return int(self.recent.shape[2])

    @property
    def reach(self) -> None:
        """Unbounded: the GRU's state is kept for ever."""
        return None

    def activations(self) -> Iterator[tuple[str, str]]:
        """See `Layer.activations`."""
        yield "", self.activation
