"""Descriptions of recurrent layers."""

from __future__ import annotations

from dataclasses import dataclass

from lofikit.streaming.layer import FloatArray, Layer, keep


@dataclass(frozen=True, eq=False)
class LSTM(Layer):
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
        keep(self, "recurrent", (None, None))
        gates = 4 * self.output_width
        keep(self, "recurrent", (self.output_width, gates))
        keep(self, "kernel", (None, gates))
        keep(self, "bias", (gates,))

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
class GRU(Layer):
    """A gated recurrent unit (Cho et al. 2014) as cuDNN, torch and Keras's reset_after have it.

    With ``x = inputs @ kernel + bias`` and ``h = hidden @ recurrent + recurrent_bias``, each cut
    in the gates z, r and the candidate: ``z = sigmoid(x_z + h_z)``, ``r = sigmoid(x_r + h_r)``,
    ``c = tanh(x_c + r * h_c)``, and ``hidden = z * hidden + (1 - z) * c``.

    Attributes:
        kernel: Shape (in, 3 * units): update z, reset r, candidate, as Keras lays them.
        recurrent: Shape (units, 3 * units).
        bias: Shape (3 * units,); the first row of Keras's.
        recurrent_bias: Shape (3 * units,); the second row of Keras's.
    """

    kernel: FloatArray
    recurrent: FloatArray
    bias: FloatArray
    recurrent_bias: FloatArray

    def __post_init__(self) -> None:
        keep(self, "recurrent", (None, None))
        gates = 3 * self.output_width
        keep(self, "recurrent", (self.output_width, gates))
        keep(self, "kernel", (None, gates))
        keep(self, "bias", (gates,))
        keep(self, "recurrent_bias", (gates,))

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
