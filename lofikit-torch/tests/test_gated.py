"""The compiled recurrence of a GRU, its formula in plain steps, and torch's own GRU agree."""

from __future__ import annotations

import weakref
from collections.abc import Iterator

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lofikit_torch.gated import fits, gated_recurrence
from lofikit_torch.layers import GRULayer


def step_by_step(given: Tensor, before: Tensor, recurrent: Tensor, bias: Tensor) -> Tensor:
    state, states = before, []
    for x in given:
        x_update, x_reset, x_candidate = x.chunk(3, dim=1)
        h_update, h_reset, h_candidate = (state @ recurrent.t() + bias).chunk(3, dim=1)
        update, reset = torch.sigmoid(x_update + h_update), torch.sigmoid(x_reset + h_reset)
        candidate = torch.tanh(x_candidate + reset * h_candidate)
        state = update * state + (1 - update) * candidate
        states.append(state)
    return torch.stack(states)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    batch=st.integers(1, 9),
    time=st.sampled_from([1, 2, 7, 40]),
    units=st.sampled_from([16, 48, 64, 80]),
)
def test_states_and_gradients(seed: int, batch: int, time: int, units: int) -> None:
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int, scale: float = 1.0) -> Tensor:
        return (scale * torch.randn(shape, generator=generator)).requires_grad_()

    parts = (
        drawn(time, batch, 3 * units),
        drawn(batch, units),
        drawn(3 * units, units, scale=units**-0.5),  # larger ones are chaos
        drawn(3 * units),
    )
    weight = torch.randn(time, batch, units, generator=generator)
    precise = [part.detach().double().requires_grad_() for part in parts]
    found, wanted = gated_recurrence(*parts), step_by_step(*precise)
    torch.testing.assert_close(found.double(), wanted, rtol=0, atol=1e-4)
    gradients = torch.autograd.grad((found * weight).sum(), parts)
    expected = torch.autograd.grad((wanted * weight).sum(), precise)
    for one, other in zip(gradients, expected, strict=True):
        error = (one.double() - other).norm() / other.norm()
        assert error < 1e-4


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("told", [False, True])
def test_layers_learn_by_it_what_torch_has_them_learn(
    told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    torch.manual_seed(0)
    layer, x, weight = GRULayer(5, 32), torch.randn(3, 50, 5), torch.randn(3, 50, 32)
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    state = torch.randn(1, 3, 32) if told else None
    calls = []

    def counted(*parts: Tensor) -> Tensor:
        calls.append(parts)
        return gated_recurrence(*parts)

    monkeypatch.setattr("lofikit_torch.layers.gated_recurrence", counted)

    def learned() -> list[Tensor]:
        layer.zero_grad()
        outputs, left = layer(x, state)
        ((outputs * weight).sum() + left.sum()).backward()
        return [outputs, left, *(parameter.grad for parameter in layer.parameters())]

    ours = learned()
    assert len(calls) == 1
    monkeypatch.setattr("lofikit_torch.layers.fits", lambda x, units: False)
    torchs = learned()
    assert len(calls) == 1
    for one, other in zip(ours, torchs, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4)


def test_only_what_learns_in_whole_vectors_takes_it() -> None:
    x = torch.zeros(1, 2, 3)
    assert fits(x, 32)
    assert not fits(x, 24)
    assert not fits(x.double(), 32)
    assert not fits(x[:0], 32)
    with torch.no_grad():
        assert not fits(x, 32)
    with torch.autocast("cpu", torch.bfloat16):
        assert not fits(x, 32)
    torch.set_num_threads(8)
    assert not fits(x, 32)


@pytest.mark.parametrize(
    "shapes",
    [
        [(5, 2, 72), (2, 24), (72, 24), (72,)],  # no whole vectors
        [(5, 2, 96), (1, 64), (96, 32), (96,)],  # as many values, and another batch
        [(5, 2, 96), (2, 32), (32, 96), (96,)],
        [(5, 2, 96), (2, 32), (96, 32), (32,)],
        [(0, 2, 96), (2, 32), (96, 32), (96,)],
    ],
)
def test_shapes_that_do_not_belong_together_are_refused(shapes: list[tuple[int, ...]]) -> None:
    with pytest.raises(ValueError, match="do not go with"):
        gated_recurrence(*map(torch.zeros, shapes))


def test_what_a_chunk_left_is_freed_after_its_gradient() -> None:
    given, weights = torch.randn(9, 2, 48), torch.randn(48, 16, requires_grad=True)
    states = gated_recurrence(given, torch.zeros(2, 16), weights, torch.zeros(48))
    (_, _, kept) = states.grad_fn.saved_tensors
    left = weakref.ref(kept)
    loss = states.sum()
    del kept, states
    loss.backward()
    assert left() is None
