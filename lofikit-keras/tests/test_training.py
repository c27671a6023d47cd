"""Optimisers, losses and compiled steps of the Keras models."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lofikit.errors import OptionError, RunError
from lofikit.models.base import REAL_LOSSES, Sampling, StepSettings
from lofikit.models.layers import network
from lofikit.streaming import engine
from lofikit.testing.cases import CLASSES, CODES, CONDITIONED, REAL, TOLD, ModelCase
from lofikit.testing.losses import check_carrying, check_loss_is_a_mean, check_noise_spares_signals
from lofikit.testing.models import check_resuming
from lofikit_keras.config import KerasTCNConfig
from lofikit_keras.models import KerasTCN
from lofikit_keras.runtime import TCNLayer, keras, tf

OPTIONS = {"window": 10, "filters": 4, "dilations": (1, 2), "device": "cpu", "jit_compile": "off"}
CASE = ModelCase("keras/tcn", OPTIONS, REAL)

LOSSES = {
    "huber": lambda e: np.where(np.abs(e) < 1, e**2 / 2, np.abs(e) - 0.5),
    "log-cosh": lambda e: np.log(np.cosh(e)),
    "mse": lambda e: e**2,
    "mae": np.abs,
}


@pytest.fixture(scope="module")
def model() -> KerasTCN:
    return CASE.build()


@pytest.mark.parametrize("name", REAL_LOSSES)
def test_loss_is_the_mean_over_all_positions(model: KerasTCN, name: str) -> None:
    frames = CASE.examples(model) * 3
    errors = model.forward(frames[:, :-1]) - frames[:, 1:]
    loss = model.loss(frames, CASE.settings(model, loss=name))
    assert loss == pytest.approx(float(LOSSES[name](errors.astype(float)).mean()), rel=1e-5)


def test_last_target_alone(model: KerasTCN) -> None:
    # The window is longer than the receptive field of 7, which alone is computed.
    last = CASE.build(targets="last")
    frames = CASE.examples(model)
    errors = model.forward(frames[:, :-1])[:, -1] - frames[:, -1]
    expected = float((errors.astype(float) ** 2).mean())
    assert last.loss(frames, CASE.settings(last, loss="mse")) == pytest.approx(expected, rel=1e-5)


def test_real_layer_of_keras_tcn(model: KerasTCN) -> None:
    frames = CASE.frames(2, 20)
    layer = TCNLayer(4, 2, 1, (1, 2), activation="tanh", return_sequences=True)
    dense = keras.layers.Dense(1)
    plain = keras.Sequential([keras.Input((20, 1)), layer, dense])
    weights = list(model.state().values())[: len(plain.weights)]
    plain.set_weights([w.reshape(v.shape) for w, v in zip(weights, plain.weights, strict=True)])
    np.testing.assert_allclose(plain(frames).numpy(), model.forward(frames), atol=1e-6)


def gradients(model: KerasTCN, frames: np.ndarray) -> dict[str, np.ndarray]:
    """Gradients of the mean squared error, from a step of plain gradient descent."""
    before = model.state()
    settings = CASE.settings(model, optimiser="sgd", learning_rate=1.0, loss="mse")
    model.train_step(frames, settings)
    after = model.state()
    model.load_state(before)
    return {k: before[k] - after[k] for k in before if k.startswith("weights/")}


def expected_change(optimiser: str, gradient: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """The first step of an optimiser at a rate of 0.01, by its formula."""
    if optimiser == "sgd":
        return -0.01 * gradient
    if optimiser == "rmsprop":
        return -0.01 * gradient / np.sqrt(0.1 * gradient**2 + 1e-7)
    m, v = 0.1 * gradient, 0.001 * gradient**2
    change = -0.01 * np.sqrt(1 - 0.999) / (1 - 0.9) * m / (np.sqrt(v) + 1e-7)
    return change - (0.01 * 0.1 * weight if optimiser == "adamw" else 0)


@pytest.mark.parametrize("optimiser", ["adam", "adamw", "sgd", "rmsprop"])
def test_first_step_of_an_optimiser(optimiser: str) -> None:
    model = CASE.build()
    frames = CASE.examples(model)
    found = gradients(model, frames)
    before = model.state()
    settings = CASE.settings(model, optimiser=optimiser, loss="mse", weight_decay=0.1)
    model.train_step(frames, settings)
    after = model.state()
    for name, gradient in found.items():
        expected = expected_change(optimiser, gradient, before[name])
        np.testing.assert_allclose(after[name] - before[name], expected, atol=2e-4, err_msg=name)


def test_gradients_are_clipped_by_their_global_norm() -> None:
    model = CASE.build()
    frames = CASE.examples(model)
    before = model.state()
    settings = CASE.settings(model, optimiser="sgd", learning_rate=1.0, clip_norm=1e-3)
    model.train_step(frames, settings)
    changes = [model.state()[name] - before[name] for name in before]
    assert np.sqrt(sum((c**2).sum() for c in changes)) == pytest.approx(1e-3, rel=1e-3)


def test_momentum_goes_on_when_the_loss_changes() -> None:
    model = CASE.build()
    frames = CASE.examples(model)
    for _ in range(2):
        model.train_step(frames, CASE.settings(model))
    before = model.state()["optimizer/adam/steps"]
    model.train_step(frames, CASE.settings(model, loss="mae"))
    assert model.state()["optimizer/adam/steps"] == before + 1
    model.train_step(frames, CASE.settings(model, optimiser="rmsprop"))
    assert not [name for name in model.state() if name.startswith("optimizer/adam/")]


def test_one_trace_a_shape() -> None:
    model = CASE.build()
    for batch in (2, 3, 2, 3):
        for step in range(2):
            frames = CASE.examples(model, batch)
            model.train_step(frames, CASE.settings(model, step, learning_rate=0.01 / (step + 1)))
    step = model._step[2][False]
    assert step.experimental_get_tracing_count() == 2


def test_xla_takes_the_same_steps_and_resumes_bit_for_bit() -> None:
    # Dropout is left out: XLA draws its numbers by another generator.
    plain, whole = CASE.build(jit_compile="off"), CASE.build(jit_compile="on")
    frames = CASE.examples(plain)
    losses, states = [], []
    for step in range(4):
        settings = CASE.settings(plain, step)
        losses.append([float(m.train_step(frames, settings)) for m in (plain, whole)])
        states.append(whole.state())
    np.testing.assert_allclose(*np.transpose(losses), rtol=1e-4)
    whole.load_state(states[1])
    for step in (2, 3):
        whole.train_step(frames, CASE.settings(whole, step))
    for name, value in whole.state().items():
        np.testing.assert_array_equal(value, states[3][name], err_msg=name)
    assert [m._step[2][True].experimental_get_tracing_count() for m in (plain, whole)] == [0, 1]


def test_mixed_precision_keeps_float32_weights_and_the_policy() -> None:
    policy = keras.config.dtype_policy().name
    model = CASE.build(precision="mixed_bfloat16")
    assert keras.config.dtype_policy().name == policy
    frames = CASE.examples(model)
    exact = CASE.build().forward(frames)
    outputs = model.forward(frames)
    assert {v.dtype for v in model.state().values()} == {np.dtype("float32")}
    assert 0 < np.abs(outputs - exact).max() < 0.1
    model.train_step(frames, CASE.settings(model))


def test_ids_are_replaced_in_training_alone() -> None:
    options = {"window": 16, "units": 6, "layers": 1, "dropout": 0.0, "device": "cpu"}
    case = ModelCase("keras/gru", options, CODES)
    plain, noisy = case.build(), case.build(id_noise=0.5)
    frames, settings = case.examples(plain), case.settings(plain)
    assert noisy.loss(frames, settings) == plain.loss(frames, settings)
    assert float(noisy.train_step(frames, settings)) != float(plain.train_step(frames, settings))


def test_signals_are_not_replaced() -> None:
    options = {"window": 16, "units": 16, "layers": 1, "dropout": 0.0, "device": "cpu"}
    check_noise_spares_signals(ModelCase("keras/gru", options, TOLD))


@pytest.mark.parametrize(
    ("changes", "head"),
    [({}, {}), ({"levels": None}, {}), ({"ordinal": True}, {"head": "logistics"})],
    ids=["classes", "values", "logistics"],
)
def test_what_is_always_given_is_not_learned(changes: dict[str, Any], head: dict[str, Any]) -> None:
    options = {"window": 16, "units": 6, "layers": 1, "dropout": 0.0, "device": "cpu"}
    spec = CONDITIONED.model_copy(update=changes)
    check_loss_is_a_mean(ModelCase("keras/gru", options | head, spec))


def test_unknown_optimiser_is_refused(model: KerasTCN) -> None:
    settings = StepSettings(optimiser="lion")
    with pytest.raises(OptionError, match="no optimiser 'lion'") as caught:
        model.check_settings(settings)
    assert "adam, adamw, sgd, rmsprop" in caught.value.hint


CARRYING: dict[str, dict[str, Any]] = {
    "keras/lstm": {"units": 6, "window": 8},
    "keras/samplernn": {"units": 6, "width": 5, "frame": 4, "window": 8},
}


@pytest.mark.parametrize("jit", ["off", "on"])
@pytest.mark.parametrize("name", CARRYING)
def test_a_state_is_carried_in_training(name: str, jit: str) -> None:
    """Here, as the suite's own cases of these models cannot: they end a chunk elsewhere."""
    case = ModelCase(name, {**CARRYING[name], "carry": 3, "jit_compile": jit}, CLASSES)
    check_carrying(case)
    check_resuming(case)


def test_a_state_within_a_step_of_the_upper_tier_is_not_carried() -> None:
    options = {**CARRYING["keras/samplernn"], "window": 9, "carry": 2}
    case = ModelCase("keras/samplernn", options, CLASSES)
    model = case.build()
    assert model.forward(case.frames(1, 9)).shape == (1, 9, 1, 256)  # one that did elsewhere plays
    with pytest.raises(OptionError, match="ends within a step of the upper tier") as raised:
        model.check_settings(case.settings(model))
    assert "--model.window 12" in raised.value.hint


def test_gpu_that_is_not_there_is_refused() -> None:
    if tf.config.list_physical_devices("GPU"):
        pytest.skip("there is a GPU")
    with pytest.raises(OptionError, match="sees no GPU"):
        KerasTCN(KerasTCNConfig(device="gpu"), REAL, 0)


def test_damaged_states_are_refused() -> None:
    model = CASE.build()
    state = model.state()
    for damage, said in (
        ({k: v for k, v in state.items() if k != "weights/head.bias"}, "head.bias is missing"),
        ({**state, "weights/extra": state["weights/head.bias"]}, "extra is not of this model"),
        ({**state, "weights/head.bias": np.zeros(2, np.float32)}, r"head.bias has shape \(2,\)"),
    ):
        with pytest.raises(RunError, match=said):
            model.load_state(damage)


def test_streams_of_all_kinds_draw_the_same_classes() -> None:
    case = ModelCase("keras/lstm", {"units": 6, "device": "cpu"}, CLASSES)
    takes = []
    for options in ({}, {"engine": False}, {"engine": False, "jit_compile": "off"}):
        stream = case.build(**options).stream(2, Sampling(0.9, 0.95), seed=4)
        stream.prime(case.frames(2, 5))
        takes.append(stream.next(30))
    np.testing.assert_array_equal(takes[0], takes[1])
    np.testing.assert_array_equal(takes[0], takes[2])


def test_engine_takes_every_network() -> None:
    model = CASE.build()
    weights = {k.removeprefix("weights/"): v for k, v in model.state().items()}
    assert engine.supports(network(model.config, REAL, weights)) is None
