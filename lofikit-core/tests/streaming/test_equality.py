"""A stream's outputs are those of the forward pass over the whole history."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lofikit.streaming.engine import open_stream
from lofikit.streaming.network import ACTIVATIONS, Dense, EncoderDecoder, Input, Network

TOLERANCE = 1e-4


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_random_networks(data: st.DataObject, builder: Any, forward: Any) -> None:
    draw = data.draw
    make = builder(draw(st.integers(0, 2**32 - 1)))
    levels = draw(st.sampled_from([None, 2, 17]))
    size = draw(st.integers(1, 3))
    embedding = None
    if levels is not None and draw(st.booleans()):
        tables = draw(st.sampled_from([(), (size,)]))
        embedding = make.array(*tables, levels, draw(st.integers(1, 9)), scale=1.0)
    spec = Input(size, levels, embedding)
    width = spec.output_width
    layers = []
    for _ in range(draw(st.integers(0, 3))):
        out = draw(st.sampled_from([1, 5, 16, 24, 64, 70]))
        activation = draw(st.sampled_from(ACTIVATIONS))
        kernel, dilation = draw(st.integers(1, 6)), draw(st.integers(1, 9))
        kind = draw(st.sampled_from(["conv", "dense", "lstm", "gru", "norm", "transformer", "tcn"]))
        if kind == "conv":
            layers.append(make.conv(kernel, width, out, dilation, activation))
        elif kind == "dense":
            layers.append(make.dense(width, out, activation))
        elif kind == "lstm":
            layers.append(make.lstm(width, out))
        elif kind == "gru":
            layers.append(make.gru(width, out))
        elif kind in ("norm", "transformer"):
            out = width
            layers.append(make.rms_norm(width))
            if kind == "transformer":
                sharing, kv_heads = draw(st.sampled_from([1, 2, 3, 4, 7])), draw(st.integers(1, 3))
                head_width = draw(st.sampled_from([2, 6, 32, 70]))
                window = draw(st.sampled_from([1, 7, 16, 65, 200]))
                layers.append(
                    make.transformer_block(
                        width, sharing * kv_heads, head_width, window, activation, sharing
                    )
                )
        else:
            dilations = draw(st.lists(st.integers(1, 9), min_size=1, max_size=3))
            skips, convs = draw(st.booleans()), draw(st.integers(1, 3))
            layers.append(
                make.tcn(
                    width, out, kernel, dilations, activation=activation, skips=skips, convs=convs
                )
            )
        width = out
    network = make.network(spec, *layers)
    batch, time = draw(st.sampled_from([1, 2, 3, 4, 7])), draw(st.integers(1, 150))
    frames = make.frames(spec, batch, time)
    cuts = sorted(draw(st.lists(st.integers(0, time), max_size=3)))

    stream = open_stream(network, batch)
    parts = [stream.prime(part) for part in np.split(frames, cuts, axis=1)]

    wanted = forward(network, frames)
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(
        np.concatenate(parts, axis=1), wanted, rtol=0, atol=TOLERANCE * scale
    )


@pytest.mark.parametrize("kind", ["tcn 2", "tcn 8", "lstm", "gru", "transformer", "classes"])
def test_long_histories(kind: str, builder: Any, forward: Any) -> None:
    make = builder(1)
    spec = Input(1, 256) if kind == "classes" else Input(1)
    if kind == "lstm":
        network = make.network(spec, make.lstm(1, 100), make.lstm(100, 40))
    elif kind == "gru":
        network = make.network(spec, make.gru(1, 100), make.gru(100, 40))
    elif kind == "transformer":
        blocks = [make.transformer_block(48, 4, 24, 100, sharing=n) for n in (1, 2)]
        network = make.network(spec, make.dense(1, 48), *blocks, make.rms_norm(48))
    else:
        network = make.paper_tcn(kernel=8 if kind == "tcn 8" else 2, levels=spec.levels)
    frames = make.frames(spec, 2, 2000)

    outputs = open_stream(network, 2).prime(frames)

    np.testing.assert_allclose(outputs, forward(network, frames), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("name", ACTIVATIONS)
def test_activations_over_their_range(name: str, forward: Any) -> None:
    one = np.ones((1, 1), np.float32)
    zero = np.zeros(1, np.float32)
    head = Dense(one, zero)
    network = Network(Input(1), (Dense(one, zero, name),), head)
    x = np.concatenate([np.linspace(-30, 30, 2001), [-1e4, -200, 200, 1e4, 0.0]])
    frames = x.astype(np.float32).reshape(1, -1, 1)

    outputs = open_stream(network, 1).prime(frames)

    np.testing.assert_allclose(outputs, forward(network, frames), rtol=1e-6, atol=1e-6)


def test_a_network_that_diverges_shows_it(builder: Any) -> None:
    network = builder().paper_tcn()
    frames = np.full((1, 3, 1), np.nan, np.float32)

    assert np.isnan(open_stream(network, 1).prime(frames)).all()


@settings(max_examples=10, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    block=st.integers(1, 9),
    levels=st.sampled_from([None, 6]),
    batch=st.sampled_from([1, 3, 4]),
)
def test_encoder_decoders(
    seed: int, block: int, levels: int | None, batch: int, builder: Any, forward: Any
) -> None:
    make = builder(seed)
    spec = Input(3, levels, None if levels is None else make.array(3, levels, 2, scale=1.0))
    encoder = make.lstm(spec.output_width, 37)
    decoder = make.lstm(37, 20)
    head = make.dense(20, spec.head_width, "tanh")
    network = EncoderDecoder(spec, encoder, decoder, head, block)
    frames = make.frames(spec, batch, 5 * block)
    stream = open_stream(network, batch)

    parts = [stream.prime(frames[:, : 2 * block]), stream.prime(frames[:, 2 * block :])]

    wanted = forward(network, frames)
    np.testing.assert_allclose(np.concatenate(parts, axis=1), wanted, rtol=0, atol=TOLERANCE)


def test_int8_weights_are_close(builder: Any, forward: Any) -> None:
    make = builder(8)
    network = make.network(Input(1), make.lstm(1, 129), make.gru(129, 64))
    blocks = EncoderDecoder(Input(3), make.lstm(3, 65), make.lstm(65, 33), make.dense(33, 3), 4)
    for each in (network, blocks):
        frames = make.frames(each.input, 3, 200)
        wanted = forward(each, frames)

        outputs = open_stream(each, 3, weights="int8").prime(frames)

        assert 0 < np.abs(outputs - wanted).max() < 0.03 * wanted.std()
