"""What the networks compute: keras-tcn's block, receptive fields, one naming of weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, get_args

import numpy as np
import pytest

from lofikit.models.base import Sampling
from lofikit.models.configs import Activation
from lofikit.models.layers import initial_weights
from lofikit.testing.cases import CLASSES, REAL, WIDE, ModelCase
from lofikit.testing.models import check_receptive_field

Small = Callable[..., ModelCase]


def keras_tcn_block(
    x: np.ndarray, weights: dict[str, np.ndarray], name: str, dilation: int
) -> tuple[np.ndarray, np.ndarray]:
    """keras-tcn 3.5.6, ``ResidualBlock.call`` with tanh, step by step; x is (time, in)."""
    branch = x
    for conv in ("conv1", "conv2"):
        kernel = weights[f"{name}.{conv}.weight"]
        out = np.tile(weights[f"{name}.{conv}.bias"], (len(x), 1)).astype(float)
        for tap in range(len(kernel)):
            delay = (len(kernel) - 1 - tap) * dilation
            for t in range(delay, len(x)):
                out[t] += branch[t - delay] @ kernel[tap]
        branch = np.tanh(out)
    branch = np.tanh(branch)
    if f"{name}.match.weight" in weights:
        x = x @ weights[f"{name}.match.weight"] + weights[f"{name}.match.bias"]
    return np.tanh(x + branch), branch


@pytest.mark.parametrize("skips", [True, False])
def test_a_tcn_is_keras_tcn(small: Small, skips: bool) -> None:
    case = small("torch/tcn", WIDE, kernel_size=3, stacks=2, skips=skips)
    model = case.build()
    weights = initial_weights(model.config, WIDE, 0)
    rng = np.random.default_rng(0)
    for name, value in weights.items():
        if name.endswith("bias"):
            weights[name] = rng.standard_normal(value.shape).astype(np.float32)
    model.load_state({f"weights/{name}": value for name, value in weights.items()})
    frames = case.frames(1, 30)
    x, total = frames[0].astype(float), np.zeros(())
    for block, dilation in enumerate((1, 2, 1, 2)):
        x, branch = keras_tcn_block(x, weights, f"tcn.{block}", dilation)
        total = total + branch
    expected = (total if skips else x) @ weights["head.weight"] + weights["head.bias"]
    np.testing.assert_allclose(model.forward(frames)[0], expected, atol=1e-5)


@pytest.mark.parametrize("activation", get_args(Activation))
def test_every_activation_is_the_engines(small: Small, activation: str) -> None:
    case = small("torch/tcn", WIDE, activation=activation)
    model = case.build()
    frames = case.frames(2, 20)
    outputs = model.stream(2, Sampling(), 0).prime(frames)
    np.testing.assert_allclose(outputs, model.forward(frames), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    ("kernel_size", "dilations", "stacks", "skips", "expected"),
    [
        (1, (1, 2), 1, True, 1),
        (2, (1,), 1, True, 3),
        (2, (1, 2, 4, 8), 1, True, 31),
        (3, (1, 2, 4), 1, False, 29),
        (3, (1, 5), 2, True, 49),
        (8, (1, 3), 1, False, 57),
    ],
)
def test_receptive_field_is_the_formula_and_what_is_seen(
    small: Small,
    kernel_size: int,
    dilations: tuple[int, ...],
    stacks: int,
    skips: bool,
    expected: int,
) -> None:
    case = small(
        "torch/tcn", kernel_size=kernel_size, dilations=dilations, stacks=stacks, skips=skips
    )
    assert case.build().receptive_field == expected
    check_receptive_field(case)


@pytest.mark.parametrize("spec", [REAL, CLASSES])
def test_weights_have_cores_names_shapes_and_first_values(
    small: Small, component: str, spec: Any
) -> None:
    model = small(component, spec).build(seed=4)
    state = model.state()
    expected = initial_weights(model.config, spec, 4)
    assert list(state) == [f"weights/{name}" for name in expected]
    for name, value in expected.items():
        np.testing.assert_array_equal(state[f"weights/{name}"], value)
        assert state[f"weights/{name}"].flags.c_contiguous
