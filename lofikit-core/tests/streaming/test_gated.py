"""Linear recurrences, gated blocks and two clocks: streams against whole forward passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lofikit.streaming.engine import open_stream
from lofikit.streaming.network import (
    GRU,
    Conv,
    Dense,
    DiagonalRecurrence,
    GatedBlock,
    Input,
    LRUBlock,
    Network,
    RMSNorm,
    Tiers,
    WaveNet,
    receptive_field,
)

TOLERANCE = 1e-4


def zeros(*shape: int) -> np.ndarray:
    return np.zeros(shape, np.float32)


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_random_networks(data: st.DataObject, builder: Any, forward: Any) -> None:
    draw = data.draw
    make = builder(draw(st.integers(0, 2**32 - 1)))
    size = draw(st.integers(1, 3))
    spec = Input(size, 17, make.array(17, draw(st.integers(1, 9)), scale=1.0))
    width, layers = spec.output_width, []
    for kind in draw(
        st.lists(st.sampled_from(["diagonal", "lru", "wavenet", "tiers"]), min_size=1, max_size=3)
    ):
        out = draw(st.sampled_from([1, 5, 16, 24, 70]))
        inner = draw(st.sampled_from([1, 7, 16, 33]))
        activation = draw(st.sampled_from(["linear", "gelu", "relu"]))
        if kind == "diagonal":
            layers.append(make.diagonal(width, inner, out))
        elif kind == "lru":
            out = width
            layers.append(make.lru_block(width, inner, activation))
        elif kind == "wavenet":
            dilations = draw(st.lists(st.integers(1, 40), min_size=1, max_size=4))
            kernel = draw(st.integers(1, 3))
            layers.append(make.wavenet(width, inner, out, kernel, dilations, activation))
        else:
            period = draw(st.sampled_from([1, 2, 4, 16]))
            layers.append(make.tiers(width, period, inner, out, activation))
        width = out
    network = make.network(spec, *layers)
    batch, time = draw(st.sampled_from([1, 2, 4, 7])), draw(st.integers(1, 150))
    frames = make.frames(spec, batch, time)
    cuts = sorted(draw(st.lists(st.integers(0, time), max_size=3)))

    stream = open_stream(network, batch)
    parts = [stream.prime(part) for part in np.split(frames, cuts, axis=1)]

    wanted = forward(network, frames)
    scale = max(1.0, float(np.abs(wanted).max()))
    np.testing.assert_allclose(
        np.concatenate(parts, axis=1), wanted, rtol=0, atol=TOLERANCE * scale
    )


def networks(make: Any) -> dict[str, Network]:
    spec = Input(1, 64)
    return {
        "lru": make.network(spec, make.dense(1, 40), *(make.lru_block(40, 30) for _ in range(3))),
        "wavenet": make.network(
            spec,
            make.dense(1, 24),
            make.wavenet(24, 20, 40, 2, [1, 2, 4, 8, 16, 32, 64, 128, 256]),
            make.dense(40, 32, "relu"),
        ),
        "samplernn": make.network(spec, make.tiers(1, 16, 60, 40), make.dense(40, 40, "relu")),
    }


KINDS = ["lru", "wavenet", "samplernn"]


@pytest.mark.parametrize("kind", KINDS)
def test_long_histories(kind: str, builder: Any, forward: Any) -> None:
    make = builder(3)
    network = networks(make)[kind]
    frames = make.frames(network.input, 2, 2000)
    outputs = open_stream(network, 2).prime(frames)
    np.testing.assert_allclose(outputs, forward(network, frames), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize("kind", KINDS)
def test_cuts_batches_and_threads_change_nothing(kind: str, builder: Any) -> None:
    network = networks(builder(5))[kind]
    seed = builder(6).frames(network.input, 21, 9)

    def generated(batch: int, threads: int, cuts: tuple[int, ...]) -> np.ndarray:
        stream = open_stream(network, batch, seed=7, threads=threads)
        stream.prime(seed[:batch])
        return np.concatenate([stream.next(count) for count in cuts], axis=1)

    whole = generated(21, 1, (90,))
    for batch, threads, cuts in ((21, 3, (90,)), (5, 2, (1, 50, 0, 39)), (1, 1, (3, 5, 82))):
        np.testing.assert_array_equal(generated(batch, threads, cuts), whole[:batch])


def test_a_slow_state_neither_fades_nor_grows_wrongly(builder: Any, forward: Any) -> None:
    make = builder(0)
    angle = 0.3
    factors = 0.99999 * np.array([np.cos(angle), np.sin(angle)])
    layer = DiagonalRecurrence(np.array([[0.01, 0.0]]), factors, np.array([[1.0], [0.0]]))
    network = make.network(Input(1), layer)
    frames = zeros(1, 3000, 1)
    frames[0, 0] = 1.0
    outputs = open_stream(network, 1).prime(frames)
    np.testing.assert_allclose(outputs, forward(network, frames), rtol=0, atol=1e-5)


def test_receptive_fields(builder: Any) -> None:
    make = builder(0)
    found = {kind: receptive_field(network) for kind, network in networks(make).items()}
    assert found == {"lru": None, "wavenet": 512, "samplernn": None}


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: DiagonalRecurrence(zeros(2, 3), zeros(3), zeros(3, 2)), "not pairs"),
        (lambda: DiagonalRecurrence(zeros(2, 4), zeros(2), zeros(4, 2)), "factors"),
        (lambda: lru_block(gate=3), "halves of them are added to 2"),
        (lambda: gated(conv=5), "not two halves"),
        (lambda: gated(residual=3), "GatedBlock: residual"),
        (lambda: WaveNet(()), "blocks is empty"),
        (lambda: WaveNet((gated(residual=None), gated())), "not the last"),
        (lambda: WaveNet((gated(skip=3), gated())), "skips of widths"),
        (lambda: tiers(period=3), "power of two"),
        (lambda: tiers(inputs=2), "is given 4 times 2"),
    ],
)
def test_what_does_not_fit_is_refused(make: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        make()


def lru_block(gate: int) -> LRUBlock:
    recurrence = DiagonalRecurrence(zeros(2, 4), zeros(4), zeros(4, 2))
    return LRUBlock(RMSNorm(zeros(2)), recurrence, Dense(zeros(2, gate), zeros(gate)))


def gated(conv: int = 4, residual: int | None = 2, skip: int = 2) -> GatedBlock:
    matrix = None if residual is None else zeros(2, residual)
    return GatedBlock(Conv(zeros(2, 2, conv), zeros(conv)), matrix, zeros(2, skip))


def tiers(period: int = 4, inputs: int = 1) -> Tiers:
    gru = GRU(zeros(4, 6), zeros(2, 6), zeros(6), zeros(6))
    shape = (period, 2, 3)
    return Tiers(gru, zeros(*shape), zeros(period, 3), zeros(period, inputs, 3))
