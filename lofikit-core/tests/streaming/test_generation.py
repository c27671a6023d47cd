"""Generating: the feedback, its draws, and what they may not depend on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lofikit.streaming.engine import open_stream
from lofikit.streaming.network import LSTM, Dense, EncoderDecoder, Input, Network
from lofikit.streaming.stepping import run

CHI_SQUARE_999 = {25: 52.62, 3: 16.27}
"""Quantiles 0.999 of the chi-square distribution, by degrees of freedom."""


def constant_logits(logits: list[float], size: int = 1) -> Network:
    """A network that gives the same logits whatever it hears."""
    levels = len(logits)
    head = Dense(np.zeros((size, size * levels)), np.tile(logits, size))
    return Network(Input(size, levels), (), head)


def draws(network: Network, count: int, **options: Any) -> np.ndarray:
    return open_stream(network, 1, **options).next(count).ravel()


def test_a_regressing_free_run_equals_recomputation(builder: Any, forward: Any) -> None:
    make = builder(3)
    network = make.network(Input(1), make.tcn(1, 16, 2, (1, 2, 4, 8)))
    seed = make.frames(network.input, 1, 50)
    stream = open_stream(network, 1)
    stream.prime(seed)

    generated = stream.next(300)

    history = seed.astype(float)
    for _ in range(300):
        history = np.concatenate([history, forward(network, history[:, -31:])[:, -1:]], axis=1)
    assert np.ptp(generated) > 0
    np.testing.assert_allclose(generated, history[:, 50:], rtol=0, atol=1e-3)


def test_an_unprimed_stream_starts_from_silence_or_the_middle_class(builder: Any) -> None:
    for spec, first in ((Input(2), 0.0), (Input(2, 7), 3)):
        make = builder(4)
        network = make.network(spec, make.conv(2, 2, 8))
        primed = open_stream(network, 1, temperature=0)
        primed.prime(np.full((1, 1, 2), first, np.float32 if spec.levels is None else np.int32))

        np.testing.assert_array_equal(
            open_stream(network, 1, temperature=0).next(20), primed.next(20)
        )


@pytest.fixture(scope="module")
def networks(builder: Any) -> dict[str, Network | EncoderDecoder]:
    make = builder(5)
    spec = Input(2, 9)
    encoder, decoder = make.lstm(2, 24), make.lstm(24, 24)
    return {
        "tcn": make.network(spec, make.tcn(2, 64, 3, (1, 2, 4, 8, 16))),
        "lstm": make.network(spec, make.lstm(2, 70)),
        "gru": make.network(spec, make.gru(2, 70)),
        "transformer": make.network(
            spec,
            make.dense(2, 24),
            make.transformer_block(24, 2, 20, 30),
            make.transformer_block(24, 2, 20, 70),
        ),
        "regressing": make.network(Input(2), make.tcn(2, 20, 2, (1, 3, 9))),
        "blocks": EncoderDecoder(spec, encoder, decoder, make.dense(24, 18), 4),
    }


KINDS = ["tcn", "lstm", "gru", "transformer", "regressing", "blocks"]


@pytest.mark.parametrize("weights", ["float32", "int8"])
@pytest.mark.parametrize("kind", KINDS)
def test_cuts_batches_and_threads_change_nothing(
    kind: str, weights: Any, networks: Any, builder: Any
) -> None:
    network = networks[kind]
    seed = builder(6).frames(network.input, 21, 8)

    def generated(batch: int, threads: int, cuts: tuple[int, ...]) -> np.ndarray:
        stream = open_stream(network, batch, seed=7, threads=threads, weights=weights)
        stream.prime(seed[:batch])
        return np.concatenate([stream.next(count) for count in cuts], axis=1)

    whole = generated(21, 1, (90,))
    for batch, threads, cuts in ((21, 3, (90,)), (5, 2, (1, 50, 0, 39)), (1, 1, (3, 5, 82))):
        np.testing.assert_array_equal(generated(batch, threads, cuts), whole[:batch])


@pytest.mark.parametrize("kind", KINDS)
def test_priming_goes_on_after_generating(kind: str, networks: Any, forward: Any) -> None:
    network = networks[kind]
    stream = open_stream(network, 1)
    heard = stream.next(8)
    told = heard[:, ::-1].copy()

    outputs = stream.prime(told)

    # The stream had begun with a first frame, or a block, of its own.
    blocked = isinstance(network, EncoderDecoder)
    first = 0 if network.input.levels is None else network.input.levels // 2
    start = np.full((1, network.block if blocked else 1, 2), first, heard.dtype)
    history = np.concatenate([start, heard, told], axis=1)
    np.testing.assert_allclose(outputs, forward(network, history)[:, -8:], rtol=0, atol=1e-4)


def test_streams_and_seeds_draw_differently(networks: Any) -> None:
    def generated(seed: int) -> np.ndarray:
        return open_stream(networks["tcn"], 3, seed=seed).next(60)

    first, other = generated(0), generated(1)
    np.testing.assert_array_equal(first, generated(0))
    assert len({frames.tobytes() for frames in (*first, *other)}) == 6


@pytest.mark.parametrize("temperature", [0.5, 1.0, 3.0])
def test_classes_are_drawn_from_the_tempered_softmax(temperature: float) -> None:
    # 26 classes: some within whole vectors, some beyond them.
    logits = np.linspace(-1.5, 1.5, 26)
    wanted = np.exp(logits / temperature)
    wanted /= wanted.sum()
    count = 20_000

    drawn = draws(constant_logits(list(logits)), count, temperature=temperature, seed=1)

    counted = np.bincount(drawn, minlength=26)
    assert ((counted - count * wanted) ** 2 / (count * wanted)).sum() < CHI_SQUARE_999[25]


def test_top_p_keeps_the_nucleus() -> None:
    # Probabilities 0.4, 0.25, 0.15, 0.12, 0.08, out of order: 0.9 needs the first four.
    probabilities = np.array([0.08, 0.25, 0.12, 0.4, 0.15])
    network = constant_logits(list(np.log(probabilities)))
    count = 20_000

    counted = np.bincount(draws(network, count, top_p=0.9, seed=2), minlength=5)

    assert counted[0] == 0
    wanted = count * probabilities[1:] / probabilities[1:].sum()
    assert ((counted[1:] - wanted) ** 2 / wanted).sum() < CHI_SQUARE_999[3]


@pytest.mark.parametrize(
    ("top_p", "kept"), [(0.1, {3}), (0.45, {1, 3}), (0.7, {1, 3, 4}), (1.0, {0, 1, 2, 3, 4})]
)
def test_the_nucleus_grows_with_top_p(top_p: float, kept: set[int]) -> None:
    network = constant_logits(list(np.log([0.08, 0.25, 0.12, 0.4, 0.15])))

    assert set(draws(network, 500, top_p=top_p)) == kept


def test_temperature_0_takes_the_first_of_the_most_likely() -> None:
    assert set(draws(constant_logits([0.0, 2.0, 1.0, 2.0]), 50, temperature=0)) == {1}


def test_the_values_of_a_frame_are_drawn_apart() -> None:
    frames = open_stream(constant_logits([0.0] * 10, size=2), 1, seed=3).next(2_000)[0]

    assert abs(np.corrcoef(frames.T)[0, 1]) < 0.08


def test_large_logits_do_not_overflow() -> None:
    assert set(draws(constant_logits([-1e30, 5e4, 1e30]), 50, temperature=0.01)) == {2}


@pytest.mark.parametrize(
    ("options", "word"),
    [
        ({"batch": 0}, "batch"),
        ({"threads": 0}, "threads"),
        ({"temperature": -1.0}, "temperature"),
        ({"top_p": 0.0}, "top_p"),
        ({"top_p": 1.5}, "top_p"),
        ({"weights": "int4"}, "weights"),
    ],
)
def test_options_out_of_range_are_refused(options: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        open_stream(constant_logits([0.0, 1.0]), **{"batch": 1, **options})


def test_frames_that_do_not_fit_are_refused(networks: Any) -> None:
    stream = open_stream(networks["tcn"], 2)
    for frames, word in (
        (np.zeros((2, 5, 1), np.int32), "shape"),
        (np.zeros((1, 5, 2), np.int32), "shape"),
        (np.zeros((2, 5, 2), np.float32), "integer"),
        (np.full((2, 5, 2), 9, np.int32), "levels"),
        (np.full((2, 5, 2), -1, np.int32), "levels"),
    ):
        with pytest.raises(ValueError, match=word):
            stream.prime(frames)
    with pytest.raises(ValueError, match="count"):
        stream.next(-1)
    with pytest.raises(ValueError, match="blocks of 4"):
        open_stream(networks["blocks"], 1).prime(np.zeros((1, 6, 2), np.int32))


def test_priming_with_nothing_gives_nothing(networks: Any) -> None:
    for network in networks.values():
        stream = open_stream(network, 1)
        empty = np.zeros((1, 0, 2), np.float32 if network.input.levels is None else np.int32)
        assert stream.prime(empty).shape[1] == 0
        assert stream.next(0).shape == (1, 0, 2)


def test_frames_may_be_views_and_read_only(networks: Any, builder: Any) -> None:
    network = networks["tcn"]
    frames = builder(9).frames(network.input, 2, 40)
    frames.flags.writeable = False

    outputs = open_stream(network, 2).prime(frames[:, ::2])

    np.testing.assert_array_equal(outputs, open_stream(network, 2).prime(frames[:, ::2].copy()))


def test_one_compilation_serves_every_network_and_option(networks: Any) -> None:
    for network in networks.values():
        for options in ({}, {"temperature": 0, "top_p": 1, "weights": "int8"}, {"seed": -1}):
            open_stream(network, 17, **options).next(5)

    assert len(run.signatures) == 1


def test_an_lstm_alone_may_be_the_whole_network() -> None:
    layer = LSTM(np.zeros((1, 4)), np.zeros((1, 4)), np.zeros(4))
    network = Network(Input(1), (layer,), Dense(np.ones((1, 1)), np.full(1, 0.25)))

    np.testing.assert_array_equal(open_stream(network, 1).next(3), np.full((1, 3, 1), 0.25))


@pytest.mark.parametrize("kind", ["tcn", "gru", "transformer", "regressing"])
def test_given_values_are_taken_and_heard(kind: str, networks: Any, forward: Any) -> None:
    network = networks[kind]
    free = np.nan if network.input.levels is None else -1
    unled = open_stream(network, 2, seed=3).next(300)
    given = np.full_like(unled, free)
    given[1, 10:, 0] = 0.25 if network.input.levels is None else 4  # one value of one stream
    stream = open_stream(network, 2, seed=3)

    led = np.concatenate([stream.next(15, given[:, :15]), stream.next(285, given[:, 15:])], axis=1)

    np.testing.assert_array_equal(led[1, 10:, 0], given[1, 10:, 0])
    np.testing.assert_array_equal(led[0], unled[0])
    np.testing.assert_array_equal(led[1, :10], unled[1, :10])
    assert (led[1, 11:, 1] != unled[1, 11:, 1]).any()
    # The state that it leaves is that of a stream which was told the same frames.
    told = open_stream(network, 2)
    start = np.full((2, 1, 2), 0 if network.input.levels is None else 4, unled.dtype)
    told.prime(np.concatenate([start, led], axis=1))
    np.testing.assert_array_equal(told.prime(led[:, :5]), stream.prime(led[:, :5]))


def test_given_values_that_do_not_fit_are_refused(networks: Any) -> None:
    stream = open_stream(networks["tcn"], 2)
    for given, word in (
        (np.zeros((2, 4, 2), np.int32), "shape"),
        (np.zeros((2, 5, 2), np.float32), "integer"),
        (np.full((2, 5, 2), 9, np.int32), "levels"),
        (np.full((2, 5, 2), -2, np.int32), "levels"),
    ):
        with pytest.raises(ValueError, match=word):
            stream.next(5, given)
    with pytest.raises(ValueError, match="encoder-decoder"):
        open_stream(networks["blocks"], 1).next(5, np.zeros((1, 5, 2), np.int32))


def test_each_value_of_a_frame_has_its_temperature() -> None:
    network = constant_logits(list(range(6)), size=3)
    stream = open_stream(network, 2, temperature=(1.0, 0.0, 50.0), seed=3)
    frames = stream.next(3_000)
    assert (frames[:, :, 1] == 5).all()
    expected = np.exp(np.arange(6)) / np.exp(np.arange(6)).sum()
    shares = [np.bincount(frames[:, :, value].ravel(), minlength=6) / 6_000 for value in (0, 2)]
    np.testing.assert_allclose(shares[0], expected, atol=0.02)
    np.testing.assert_allclose(shares[1], 1 / 6, atol=0.03)
    with pytest.raises(ValueError, match="temperature"):
        open_stream(network, 1, temperature=(1.0, -1.0, 1.0))
