"""Losses and optimisers against their formulas in NumPy."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lofikit.models.base import OptimiserName, StepSettings
from lofikit_torch.losses import LOSSES
from lofikit_torch.optimisers import OPTIMISERS, clip

Array = np.ndarray


@given(error=st.floats(-200, 200, allow_subnormal=False))
def test_losses_of_real_values(error: float) -> None:
    e = float(np.float32(error))
    size = abs(e)
    expected = {
        "huber": e**2 / 2 if size <= 1 else size - 0.5,
        "log-cosh": np.logaddexp(e, -e) - np.log(2),
        "mse": e**2,
        "mae": size,
    }
    for name, value in expected.items():
        loss = float(LOSSES[name](torch.tensor([[[e]]]), torch.zeros(1, 1, 1)))
        assert loss == pytest.approx(value, rel=1e-5, abs=2e-7), name


def test_losses_are_means_over_everything() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 3, 5, 2)).astype(np.float32)
    assert float(LOSSES["mse"](torch.tensor(a), torch.tensor(b))) == pytest.approx(
        float(((a - b) ** 2).mean()), rel=1e-5
    )


def test_log_cosh_has_a_gradient_far_out() -> None:
    outputs = torch.tensor([-1e6, -3.0, 0.5, 1e6], requires_grad=True)
    (LOSSES["log-cosh"](outputs, torch.zeros(4)) * 4).backward()
    np.testing.assert_allclose(outputs.grad, np.tanh([-1e6, -3.0, 0.5, 1e6]), rtol=1e-5)


def test_cross_entropy_in_nats() -> None:
    logits = torch.zeros(2, 3, 4, 256)
    ids = torch.randint(0, 256, (2, 3, 4))
    assert float(LOSSES["cross-entropy"](logits, ids)) == pytest.approx(np.log(256))


def keras_adam(
    w: Array, g: Array, slots: list[Array], step: int, rate: float, decay: float
) -> Array:
    w = w - rate * decay * w
    slots[0] += (g - slots[0]) * (1 - 0.9)
    slots[1] += (g**2 - slots[1]) * (1 - 0.999)
    alpha = rate * np.sqrt(1 - 0.999**step) / (1 - 0.9**step)
    return w - slots[0] * alpha / (np.sqrt(slots[1]) + 1e-7)


def keras_rmsprop(
    w: Array, g: Array, slots: list[Array], step: int, rate: float, _: float
) -> Array:
    slots[0][:] = 0.9 * slots[0] + 0.1 * g**2
    return w - rate * g / np.sqrt(slots[0] + 1e-7)


def keras_sgd(
    w: Array, g: Array, slots: list[Array], step: int, rate: float, momentum: float
) -> Array:
    slots[0][:] = momentum * slots[0] - rate * g
    return w + slots[0]


@pytest.mark.parametrize(
    ("name", "formula", "option"),
    [
        ("adam", keras_adam, None),
        ("adamw", keras_adam, "weight_decay"),
        ("rmsprop", keras_rmsprop, None),
        ("sgd", keras_sgd, "momentum"),
        ("sgd", keras_sgd, None),
    ],
)
# Gradients this small tell where epsilon stands.
@pytest.mark.parametrize("scale", [1.0, 1e-6])
def test_optimisers_are_keras(
    name: OptimiserName, formula: Callable[..., Array], option: str | None, scale: float
) -> None:
    rng = np.random.default_rng(0)
    expected = rng.standard_normal((3, 4))
    slots = [np.zeros((3, 4)), np.zeros((3, 4))]
    weight = torch.tensor(expected, dtype=torch.float64)
    optimiser = OPTIMISERS[name]({"w": weight})
    for step in range(1, 6):
        rate = 0.1 / step  # a rate that falls within a phase
        settings = StepSettings(name, rate, **({option: 0.8} if option else {}))
        gradient = scale * rng.standard_normal((3, 4))
        expected = formula(expected, gradient, slots, step, rate, 0.8 if option else 0.0)
        optimiser.step([torch.tensor(gradient)], settings)
    np.testing.assert_allclose(weight, expected, rtol=1e-9)


@given(norm=st.floats(1e-3, 1e3), scale=st.sampled_from([1e-6, 1.0, 1e6]))
def test_clipping_bounds_the_global_norm_and_keeps_the_direction(norm: float, scale: float) -> None:
    rng = np.random.default_rng(1)
    gradients = [torch.tensor(scale * rng.standard_normal(n)) for n in (3, 5)]
    before = torch.cat(gradients).clone()
    clip(gradients, norm)
    after = torch.cat(gradients)
    total = float(before.norm())
    np.testing.assert_allclose(after, before * min(1.0, norm / total), rtol=1e-9)
