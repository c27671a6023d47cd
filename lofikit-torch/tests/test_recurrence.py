"""Diagonal recurrences: the compiled loop, the products by chunks, and plain arithmetic agree."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from lofikit_torch.recurrence import CHUNK, by_chunks, diagonal_recurrence


def step_by_step(values: Tensor, decay: Tensor, before: Tensor) -> Tensor:
    state = torch.complex(*before.chunk(2, dim=1))
    factors = torch.complex(*decay.chunk(2))
    states = []
    for value in torch.complex(*values.chunk(2, dim=2)).unbind(dim=1):
        state = factors * state + value
        states.append(state)
    whole = torch.stack(states, dim=1)
    return torch.cat([whole.real, whole.imag], dim=2)


def case(seed: int, batch: int, time: int, states: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    radius = 0.5 + 0.499 * torch.rand(states, generator=generator)
    angle = 3.14 * torch.rand(states, generator=generator)
    decay = torch.cat([radius * angle.cos(), radius * angle.sin()])
    values = torch.randn(batch, time, 2 * states, generator=generator)
    before = torch.randn(batch, 2 * states, generator=generator)
    weight = torch.randn(batch, time, 2 * states, generator=generator)
    return values.requires_grad_(), decay.requires_grad_(), before, weight


@pytest.mark.parametrize("way", [diagonal_recurrence, by_chunks])
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    batch=st.integers(1, 3),
    time=st.sampled_from([1, 2, CHUNK - 1, CHUNK, CHUNK + 1, 100, 3 * CHUNK]),
    states=st.integers(1, 5),
)
def test_states_and_gradients(way, seed: int, batch: int, time: int, states: int) -> None:
    values, decay, before, weight = case(seed, batch, time, states)
    found, wanted = way(values, decay, before), step_by_step(values, decay, before)
    torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-4)
    gradients = torch.autograd.grad((found * weight).sum(), (values, decay))
    expected = torch.autograd.grad((wanted * weight).sum(), (values, decay))
    for one, other in zip(gradients, expected, strict=True):
        scale = float(other.abs().max())
        torch.testing.assert_close(one, other, rtol=0, atol=1e-4 * max(1.0, scale))
