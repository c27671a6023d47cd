"""Torch's own streams, drawing classes, and choosing between torch and the engine."""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st

from lofikit.errors import PromptError
from lofikit.models.base import Sampling
from lofikit.representations.base import FrameSpec
from lofikit.streaming import engine
from lofikit.testing.cases import CLASSES, ModelCase
from lofikit_torch.stream import TorchStream, draw

Small = Callable[..., ModelCase]


def test_a_history_longer_than_the_buffers(small: Small, component: str) -> None:
    case = small(component, engine=False)
    model = case.build()
    frames = case.frames(2, 2500)
    stream = model.stream(2, Sampling(), 0)
    assert isinstance(stream, TorchStream)
    outputs = np.concatenate(
        [stream.prime(frames[:, :1000]), stream.prime(frames[:, 1000:])], axis=1
    )
    np.testing.assert_allclose(outputs, model.forward(frames), atol=1e-5)


def test_torch_and_the_engine_generate_the_same_frames(small: Small, component: str) -> None:
    frames = {}
    for by_engine in (True, False):
        case = small(component, engine=by_engine)
        stream = case.build().stream(2, Sampling(), 0)
        stream.prime(case.frames(2, 40))
        frames[by_engine] = stream.next(100)
    np.testing.assert_allclose(frames[True], frames[False], atol=1e-4)


def test_a_prompt_cuts_off_what_was_left_of_a_block(small: Small) -> None:
    case = small("torch/seq2seq", engine=False)
    model = case.build()
    first, second = model.stream(1, Sampling(), 0), model.stream(1, Sampling(), 0)
    first.prime(case.frames(1, 8))
    first.next(3)
    for stream in (first, second):
        stream.prime(case.frames(1, 12, seed=1))
    np.testing.assert_array_equal(first.next(6), second.next(6))


def test_wrong_frames_are_refused(small: Small) -> None:
    stream = small("torch/seq2seq", engine=False).build().stream(2, Sampling(), 0)
    with pytest.raises(PromptError, match="blocks of 4"):
        stream.prime(np.zeros((2, 6, 1), np.float32))
    with pytest.raises(ValueError, match="wanted"):
        stream.prime(np.zeros((1, 8, 1), np.float32))
    with pytest.raises(ValueError, match="0 or more"):
        stream.next(-1)
    assert stream.prime(np.zeros((2, 0, 1), np.float32)).shape == (2, 0, 1)


def test_a_network_that_the_engine_refuses_is_streamed_by_torch_and_said_once(
    small: Small, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(engine, "supports", lambda network: "numba is not installed")
    model = small("torch/tcn").build()
    with caplog.at_level(logging.WARNING):
        streams = [model.stream(1, Sampling(), 0) for _ in range(2)]
    assert all(isinstance(stream, TorchStream) for stream in streams)
    assert [record.message for record in caplog.records] == [
        "generating by torch, which is slower, because numba is not installed"
    ]


def test_a_stream_draws_the_same_beside_others(small: Small) -> None:
    case = small("torch/lstm", CLASSES, engine=False)
    model = case.build()
    prompt = np.repeat(case.frames(1, 20), 3, axis=0)
    drawn = []
    for batch in (1, 3):
        stream = model.stream(batch, Sampling(), 7)
        stream.prime(prompt[:batch])
        drawn.append(stream.next(30)[0])
    np.testing.assert_array_equal(drawn[0], drawn[1])


UNIFORM = (torch.arange(10_000) + 0.5) / 10_000


def shares(probabilities: list[float], sampling: Sampling) -> np.ndarray:
    logits = torch.log(torch.tensor(probabilities)).expand(len(UNIFORM), -1)
    temperature = torch.tensor(sampling.temperature) if sampling.temperature else None
    ids = draw(logits, temperature, sampling.top_p, UNIFORM)
    return np.bincount(ids, minlength=len(probabilities)) / len(UNIFORM)


def test_classes_are_drawn_by_their_probability() -> None:
    p = [0.1, 0.5, 0.05, 0.35]
    np.testing.assert_allclose(shares(p, Sampling()), p, atol=2e-4)


def test_temperature_is_an_exponent() -> None:
    p = np.array([0.1, 0.5, 0.05, 0.35])
    expected = p ** (1 / 0.5) / (p ** (1 / 0.5)).sum()
    np.testing.assert_allclose(shares(list(p), Sampling(temperature=0.5)), expected, atol=2e-4)
    np.testing.assert_array_equal(shares(list(p), Sampling(temperature=0)), [0, 1, 0, 0])


def test_fine_values_have_a_temperature_of_their_own() -> None:
    spec = FrameSpec(sample_rate=4410, hop=128, size=4, levels=5, ordinal=False, signals=1)
    temperatures = Sampling(temperature=2.0, fine=0.25).temperatures(spec)
    assert temperatures == (2.0, 2.0, 0.5, 0.5)
    p = np.array([0.1, 0.5, 0.05, 0.35])
    logits = torch.log(torch.tensor(p)).expand(len(UNIFORM), 4, -1)
    ids = draw(logits, torch.tensor(temperatures), 1.0, UNIFORM[:, None].expand(-1, 4))
    for value, temperature in enumerate(temperatures):
        expected = p ** (1 / temperature) / (p ** (1 / temperature)).sum()
        found = np.bincount(ids[:, value], minlength=4) / len(UNIFORM)
        np.testing.assert_allclose(found, expected, atol=2e-4)


@pytest.mark.parametrize(
    ("top_p", "kept"),
    [(0.3, [1]), (0.49, [1]), (0.6, [1, 3]), (0.84, [1, 3]), (0.9, [0, 1, 3]), (1.0, [0, 1, 2, 3])],
)
def test_the_nucleus(top_p: float, kept: list[int]) -> None:
    p = np.array([0.1, 0.5, 0.05, 0.35])
    expected = np.where(np.isin(np.arange(4), kept), p, 0)
    found = shares(list(p), Sampling(top_p=top_p))
    np.testing.assert_allclose(found, expected / expected.sum(), atol=2e-4)


@example(logits=[-1.1754943508222875e-38, 0.0], top_p=0.25, uniform=0.0)
@given(
    logits=st.lists(st.floats(-80, 80, width=32), min_size=2, max_size=300),
    top_p=st.floats(0.01, 1),
    uniform=st.sampled_from([0.0, 0.5, float(np.nextafter(np.float32(1), np.float32(0)))]),
)
def test_a_class_outside_of_the_nucleus_is_never_drawn(
    logits: list[float], top_p: float, uniform: float
) -> None:
    values = torch.tensor(logits)
    chosen = int(draw(values, torch.tensor(1.0), top_p, torch.tensor(uniform)))
    likelier = torch.softmax(values, 0)[values > values[chosen]].sum()
    assert float(likelier) < top_p + 1e-5
