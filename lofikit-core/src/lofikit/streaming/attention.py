"""Descriptions of transformer layers: root mean square norms and causal self-attention."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lofikit.streaming.feedforward import Dense
from lofikit.streaming.layer import FloatArray, Layer, check_chain, keep

NORM_EPSILON = 1e-6
"""Added to the mean square, so that silence is not divided by zero."""

ROTARY_BASE = 10_000.0
"""Base of the rotary frequencies (Su et al. 2021, section 3.3)."""


def rotary_frequencies(head_width: int) -> FloatArray:
    """Angles a frame by which pairs of a head's values are turned, shape (head_width // 2,).

    ``ROTARY_BASE ** (-2 i / head_width)`` (Su et al. 2021, equation 15), rounded to float32, so
    that whoever computes the angles in float64 turns by the same ones.
    """
    pairs = np.arange(head_width // 2)
    return np.asarray(ROTARY_BASE ** (-2.0 * pairs / head_width), np.float32)


@dataclass(frozen=True, eq=False)
class RMSNorm(Layer):
    """``scale * x / sqrt(mean(x**2) + NORM_EPSILON)`` (Zhang and Sennrich 2019).

    Attributes:
        scale: Shape (width,).
    """

    scale: FloatArray

    def __post_init__(self) -> None:
        keep(self, "scale", (None,))

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return len(self.scale)

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return len(self.scale)


@dataclass(frozen=True, eq=False)
class Attention(Layer):
    """Causal self-attention of several heads over a sliding window, with rotary positions.

    Each frame attends to itself and the ``window - 1`` frames before it (as Mistral's sliding
    window, Jiang et al. 2023), by ``softmax(q k / sqrt(head_width))``. Value ``i`` of the first
    half of a head's queries and keys is turned with value ``i`` of the second half by the frame's
    number times `rotary_frequencies`, so that only the distance of two frames counts, and a
    stream may go on for ever. Neighbouring heads of queries may share a head of keys and values
    (Ainslie et al. 2023), of which a stream then keeps and reads the fewer.

    Attributes:
        query: Shape (in, heads * head_width).
        key: Shape (in, kv_heads * head_width); kv_heads divides heads.
        value: As key.
        output: Shape (heads * head_width, out).
        heads: Heads of queries, whose columns lie one after the other.
        window: Frames attended to, the newest included.
    """

    query: FloatArray
    key: FloatArray
    value: FloatArray
    output: FloatArray
    heads: int
    window: int

    def __post_init__(self) -> None:
        keep(self, "query", (None, None))
        keep(self, "key", (self.query.shape[0], None))
        keep(self, "value", self.key.shape)
        keep(self, "output", (self.query.shape[1], None))
        if self.heads < 1 or self.query.shape[1] % (2 * self.heads):
            raise ValueError(
                f"Attention: query gives {self.query.shape[1]} values a frame, which {self.heads} "
                f"heads cannot share in pairs."
            )
        columns, width = self.key.shape[1], self.head_width
        if columns < width or columns % width or self.heads % self.kv_heads:
            raise ValueError(
                f"Attention: key gives {columns} values a frame, which {self.heads} heads of "
                f"{width} values cannot share evenly."
            )
        if self.window < 1:
            raise ValueError(f"Attention: window must be at least 1, not {self.window}.")

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return int(self.query.shape[0])

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return int(self.output.shape[1])

    @property
    def head_width(self) -> int:
        """Values of a head's query."""
        return int(self.query.shape[1]) // self.heads

    @property
    def kv_heads(self) -> int:
        """Heads of keys and values."""
        return int(self.key.shape[1]) // self.head_width

    @property
    def reach(self) -> int:
        """Frames before the newest that an output depends on."""
        return self.window - 1


@dataclass(frozen=True, eq=False)
class TransformerBlock(Layer):
    """A pre-norm block (Xiong et al. 2020): ``x += attention(norm(x)); x += mlp(norm(x))``.

    Attributes:
        attention_norm: Before the attention.
        attention: Mixes frames.
        mlp_norm: Before the multilayer perceptron.
        up: Its first layer, with its activation.
        down: Its second, linear.
    """

    attention_norm: RMSNorm
    attention: Attention
    mlp_norm: RMSNorm
    up: Dense
    down: Dense

    def __post_init__(self) -> None:
        width = self.input_width
        check_chain("TransformerBlock", "attention", (self.attention,), width)
        check_chain("TransformerBlock", "mlp", (self.mlp_norm, self.up, self.down), width)
        for name, layer in (("attention", self.attention), ("down", self.down)):
            if layer.output_width != width:
                raise ValueError(
                    f"TransformerBlock: {name} gives {layer.output_width} values a frame; they are "
                    f"added to {width}."
                )

    @property
    def input_width(self) -> int:
        """Values a frame that go in."""
        return self.attention_norm.input_width

    @property
    def output_width(self) -> int:
        """Values a frame that come out."""
        return self.input_width

    @property
    def reach(self) -> int:
        """Frames before the newest that an output depends on."""
        return self.attention.reach

    def activations(self) -> Iterator[tuple[str, str]]:
        """See `Layer.activations`."""
        yield " (up)", self.up.activation
        yield " (down)", self.down.activation
