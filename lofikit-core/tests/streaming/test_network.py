"""The description of a network: what it accepts, and what it says of what it does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from lofikit.streaming.engine import open_stream, supports
from lofikit.streaming.network import (
    GRU,
    LSTM,
    TCN,
    Attention,
    Conv,
    Dense,
    EncoderDecoder,
    Input,
    Network,
    ResidualBlock,
    RMSNorm,
    TransformerBlock,
    receptive_field,
)


def dense(inputs: int, out: int, activation: str = "linear") -> Dense:
    return Dense(np.zeros((inputs, out)), np.zeros(out), activation)


def conv(kernel: int, inputs: int, out: int, dilation: int = 1, activation: str = "tanh") -> Conv:
    return Conv(np.zeros((kernel, inputs, out)), np.zeros(out), dilation, activation)


def lstm(inputs: int, units: int) -> LSTM:
    return LSTM(np.zeros((inputs, 4 * units)), np.zeros((units, 4 * units)), np.zeros(4 * units))


def gru(inputs: int, units: int) -> GRU:
    return GRU(
        np.zeros((inputs, 3 * units)),
        np.zeros((units, 3 * units)),
        np.zeros(3 * units),
        np.zeros(3 * units),
    )


def attention(heads: int = 2, window: int = 5, **shapes: tuple[int, ...]) -> Attention:
    matrices = dict.fromkeys(("query", "key", "value", "output"), (4, 4))
    made = {name: np.zeros(shape) for name, shape in {**matrices, **shapes}.items()}
    return Attention(**made, heads=heads, window=window)


def block(window: int = 5, norm: int = 4, up: int = 4, down: int = 4) -> TransformerBlock:
    return TransformerBlock(
        RMSNorm(np.ones(norm)),
        attention(window=window),
        RMSNorm(np.ones(norm)),
        dense(up, 8, "gelu"),
        dense(8, down),
    )


def tcn(kernel: int, stacks: int) -> TCN:
    blocks = []
    width = 1
    for dilation in (1, 2, 4, 8, 16, 32) * stacks:
        match = dense(width, 4) if width != 4 else None
        convs = (conv(kernel, width, 4, dilation), conv(kernel, 4, 4, dilation))
        blocks.append(ResidualBlock(convs, match, "tanh", "tanh"))
        width = 4
    return TCN(tuple(blocks), skips=True)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Dense(np.zeros(3), np.zeros(3)), "Dense: weight"),
        (lambda: Dense(np.zeros((2, 3)), np.zeros(2)), "Dense: bias"),
        (lambda: Conv(np.zeros((2, 3)), np.zeros(3)), "Conv: weight"),
        (lambda: Conv(np.zeros((0, 1, 3)), np.zeros(3)), "Conv: weight"),
        (lambda: conv(2, 1, 1, dilation=0), "Conv: dilation"),
        (lambda: LSTM(np.zeros((1, 8)), np.zeros((2, 9)), np.zeros(8)), "LSTM: recurrent"),
        (lambda: LSTM(np.zeros((1, 4)), np.zeros((2, 8)), np.zeros(8)), "LSTM: kernel"),
        (lambda: GRU(*(np.zeros(s) for s in ((1, 6), (2, 8), 6, 6))), "GRU: recurrent"),
        (lambda: GRU(*(np.zeros(s) for s in ((1, 6), (2, 6), 6, 2))), "GRU: recurrent_bias"),
        (lambda: RMSNorm(np.zeros((2, 2))), "RMSNorm: scale"),
        (lambda: attention(key=(5, 4)), "Attention: key"),
        (lambda: attention(value=(4, 2)), "Attention: value"),
        (lambda: attention(key=(4, 3), value=(4, 3)), "2 heads of 2 values cannot share evenly"),
        (lambda: attention(key=(4, 8), value=(4, 8)), "2 heads of 2 values cannot share evenly"),
        (lambda: attention(output=(5, 4)), "Attention: output"),
        (lambda: attention(heads=4), "4 heads cannot share in pairs"),
        (lambda: attention(window=0), "Attention: window"),
        (lambda: block(norm=6), r"attention\[0\] \(Attention\) takes 4 values a frame, is given 6"),
        (lambda: block(up=6), r"mlp\[1\] \(Dense\) takes 6"),
        (lambda: block(down=6), "down gives 6"),
        (lambda: Input(2, 4, np.zeros((3, 4, 5))), "Input: embedding"),
        (lambda: ResidualBlock((), None), "convs is empty"),
        (lambda: ResidualBlock((conv(2, 1, 4),), None), "needs a match"),
        (lambda: ResidualBlock((conv(2, 1, 4),), dense(1, 5)), "match gives 5"),
        (lambda: ResidualBlock((conv(2, 1, 4),), dense(2, 4)), "match takes 2"),
        (lambda: ResidualBlock((conv(2, 4, 3), conv(2, 4, 4)), None), r"convs\[1\]"),
        (lambda: TCN(()), "blocks is empty"),
        (
            lambda: TCN(
                (
                    ResidualBlock((conv(2, 1, 4),), dense(1, 4)),
                    ResidualBlock((conv(2, 4, 5),), dense(4, 5)),
                )
            ),
            r"widths \[4, 5\]",
        ),
        (lambda: Input(0), "Input: size"),
        (lambda: Input(1, 1), "Input: levels"),
        (lambda: Input(1, None, np.zeros((4, 2))), "Input: an embedding"),
        (lambda: Input(1, 4, np.zeros((5, 2))), "Input: embedding"),
        (lambda: Network(Input(1), (lstm(2, 3),), dense(3, 1)), r"layers\[0\] \(LSTM\) takes 2"),
        (lambda: Network(Input(1), (), dense(2, 1)), "head takes 2"),
        (lambda: Network(Input(2, 5), (), dense(2, 5)), "head gives 5 .* needs 10"),
        (
            lambda: EncoderDecoder(Input(1), lstm(1, 3), lstm(4, 3), dense(3, 1), 5),
            "decoder takes 4",
        ),
        (lambda: EncoderDecoder(Input(1), lstm(1, 3), lstm(3, 3), dense(3, 1), 0), "block"),
    ],
)
def test_what_does_not_fit_is_named(make: Callable[[], object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()


@pytest.mark.parametrize(("kernel", "stacks"), [(2, 1), (8, 1), (3, 2)])
def test_receptive_field_of_the_paper(kernel: int, stacks: int) -> None:
    # keras-tcn: 1 + 2 (kernel - 1) stacks sum(dilations).
    network = Network(Input(1), (tcn(kernel, stacks),), dense(4, 1))
    assert receptive_field(network) == 1 + 2 * (kernel - 1) * stacks * 63


def test_receptive_fields() -> None:
    assert receptive_field(Network(Input(1), (), dense(1, 1))) == 1
    assert receptive_field(Network(Input(1), (conv(3, 1, 2, 4),), dense(2, 1))) == 9
    assert receptive_field(Network(Input(1), (lstm(1, 2),), dense(2, 1))) is None
    assert receptive_field(Network(Input(1), (gru(1, 2),), dense(2, 1))) is None
    attention = Network(Input(4), (block(window=344),) * 4, dense(4, 4))
    assert receptive_field(attention) == 4 * 343 + 1
    blocks = EncoderDecoder(Input(1), lstm(1, 2), lstm(2, 2), dense(2, 1), 20)
    assert receptive_field(blocks) == 20


@pytest.mark.parametrize("kind", ["convolutions", "attention"])
def test_the_receptive_field_is_what_an_output_depends_on(kind: str, builder: type) -> None:
    make = builder(0)
    if kind == "convolutions":
        layers = make.tcn(1, 8, 3, (1, 2, 5)), make.conv(2, 8, 8, 3)
    else:
        layers = make.dense(1, 8), *(make.transformer_block(8, 2, 8, 12) for _ in range(3))
    network = make.network(Input(1), *layers)
    field = receptive_field(network)
    frames = make.frames(network.input, 1, field + 1)
    outside, inside = frames.copy(), frames.copy()
    outside[0, 0] += 1
    inside[0, 1] += 1

    last, same, changed = (
        open_stream(network, 1).prime(x)[0, -1] for x in (frames, outside, inside)
    )

    np.testing.assert_array_equal(last, same)
    assert abs(last - changed) > 0


def test_an_unknown_activation_is_refused_by_name() -> None:
    block = ResidualBlock((conv(2, 1, 4, 1, "mish"),), dense(1, 4), "tanh", "tanh")
    network = Network(Input(1), (TCN((block,)),), dense(4, 1))

    assert "layers[0].blocks[0] (Conv) has the activation 'mish'" in str(supports(network))
    with pytest.raises(ValueError, match="mish"):
        open_stream(network, 1)
    assert supports(Network(Input(1), (tcn(2, 1),), dense(4, 1))) is None
