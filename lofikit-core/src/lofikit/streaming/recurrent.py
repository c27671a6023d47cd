"""Descriptions of recurrent layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lofikit.streaming.layer import FloatArray, Layer, keep


@dataclass(frozen=True, eq=False)
class Recurrent(Layer):
    """What LSTMs and GRUs share: gates of inputs and of the hidden state before.

    Attributes:
        kernel: Shape (in, gates * units).
        recurrent: Shape (units, gates * units).
        bias: Shape (gates * units,).
    """

    kernel: FloatArray
    recurrent: FloatArray
    bias: FloatArray

    gates: ClassVar[int]

    def __post_init__(self) -> None:
        keep(self, "recurrent", (None, None))
        width = self.gates * self.output_width
        keep(self, "recurrent", (self.output_width, width))
        keep(self, "kernel", (None, width))
        keep(self, "bias", (width,))

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return int(self.kernel.shape[0])

    @property
    def output_width(self) -> int:
        """Units."""
        return int(self.recurrent.shape[0])

    @property
    def reach(self) -> None:
        """Unbounded: the state is kept for ever."""
        return None


@dataclass(frozen=True, eq=False)
class LSTM(Recurrent):
    """A long short-term memory layer; gates i, f, g, o; tanh, with sigmoid gates.

    Where a backend keeps two biases, ``bias`` is their sum.
    """

    gates = 4


@dataclass(frozen=True, eq=False)
class GRU(Recurrent):
    """A gated recurrent unit (Cho et al. 2014) as cuDNN, torch and Keras's reset_after have it.

    With ``x = inputs @ kernel + bias`` and ``h = hidden @ recurrent + recurrent_bias``, each cut
    in the gates z, r and the candidate: ``z = sigmoid(x_z + h_z)``, ``r = sigmoid(x_r + h_r)``,
    ``c = tanh(x_c + r * h_c)``, and ``hidden = z * hidden + (1 - z) * c``. The gates lie in the
    order update z, reset r, candidate, as Keras lays them; ``bias`` is the first row of Keras's.

    Attributes:
        recurrent_bias: Shape (3 * units,); the second row of Keras's.
    """

    recurrent_bias: FloatArray

    gates = 3

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, "recurrent_bias", self.bias.shape)
