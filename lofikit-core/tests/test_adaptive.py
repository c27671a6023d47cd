"""Adaptive linear prediction: what it finds, that it is causal, and that nothing blows it up."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lofikit.errors import OptionError
from lofikit.models.adaptive import adaptive_prediction
from lofikit.models.base import Sampling, StepSettings
from lofikit.models.linear import Linear, LinearConfig
from lofikit.options import build
from lofikit.representations.base import FrameSpec
from lofikit.representations.mulaw import MuLaw, MuLawConfig

MULAW = MuLaw(MuLawConfig(), 4410)
RAW = FrameSpec(sample_rate=4410, hop=1, size=1)
CE = StepSettings(loss="cross-entropy")
METHODS = ("rls", "levinson", "mix")
EACH = pytest.mark.parametrize("method", METHODS)

ODD: dict[str, NDArray[Any]] = {
    "silence": np.zeros(6000),
    "constant": np.full(6000, 0.7),
    "clipping": np.sign(np.sin(0.05 * np.arange(6000))),
    "sine": 0.9 * np.sin(0.3 * np.arange(6000)),
    "full-scale noise": np.random.default_rng(0).uniform(-1, 1, 6000),
    "music in silence": np.concatenate(
        [np.zeros(2500), 0.5 * np.sin(0.2 * np.arange(1000)), np.zeros(2500)]
    ),
    "clicks": (np.arange(6000) % 500 == 0).astype(float),
    "denormal": np.full(6000, 1e-310),
}


def resonances(samples: int, seed: int = 0) -> tuple[NDArray[Any], NDArray[Any]]:
    """Returns a signal whose poles change at its middle, and the noise that drives it."""
    rng = np.random.default_rng(seed)
    noise = rng.normal(0, 0.01, samples)
    out = np.zeros(samples)
    for t in range(2, samples):
        first, second = (1.8, -0.9) if t < samples // 2 else (-0.5, -0.8)
        out[t] = first * out[t - 1] + second * out[t - 2] + noise[t]
    return out, noise


@EACH
def test_only_the_noise_is_left_wherever_the_poles_are(method: Any) -> None:
    signal, noise = resonances(8000)
    predicted, likely = adaptive_prediction(signal, method, order=8, forgetting=None)
    for part in (slice(2000, 4000), slice(6000, 8000)):
        error = signal[part] - predicted[part]
        assert np.square(error).mean() < 1.1 * np.square(noise[part]).mean()
        assert likely[part].mean() == pytest.approx(np.abs(error).mean(), rel=0.05)


def test_rls_solves_its_weighted_least_squares() -> None:
    """The recursion's coefficients are those of the normal equations, but for regularisation."""
    signal, _ = resonances(700, seed=3)
    order, forgetting = 4, 0.99
    predicted, _ = adaptive_prediction(signal, "rls", order, forgetting)
    rows = np.stack([signal[order - 1 - lag : 699 - lag] for lag in range(order)], axis=1)
    weights = np.sqrt(forgetting ** np.arange(len(rows) - 1)[::-1])[:, None]
    ridge = math.sqrt(1e-3) * np.eye(order)
    left = np.concatenate([rows[:-1] * weights, ridge])
    right = np.concatenate([signal[order:699] * weights[:, 0], np.zeros(order)])
    wanted = np.linalg.lstsq(left, right, rcond=None)[0]
    assert predicted[699] == pytest.approx(rows[-1] @ wanted, abs=2e-4)


def test_levinson_solves_its_toeplitz_system() -> None:
    signal, _ = resonances(801, seed=4)
    order, forgetting = 6, 0.98
    past = signal[:793]  # the recursion ran last after value number 792, a multiple of 8
    age = np.arange(len(past))[::-1]
    windowed = past * (age + 1) * math.sqrt(forgetting) ** age
    lags = [windowed[lag:] @ windowed[: len(past) - lag] for lag in range(order + 1)]
    toeplitz = np.array([[lags[abs(i - j)] for j in range(order)] for i in range(order)])
    wanted = np.linalg.solve(toeplitz, lags[1:])
    predicted, _ = adaptive_prediction(signal, "levinson", order, forgetting)
    for now in (793, 800):
        assert predicted[now] == pytest.approx(signal[now - order : now][::-1] @ wanted, abs=1e-6)


@EACH
@pytest.mark.parametrize("name", ODD)
def test_odd_signals_do_no_harm(method: Any, name: str) -> None:
    """Predictions stay finite and in range, and a resonance afterwards is predicted as ever."""
    signal, noise = resonances(3000, seed=1)
    whole = np.concatenate([ODD[name], signal])
    predicted, likely = adaptive_prediction(whole, method, order=16)
    assert np.isfinite(predicted).all() and np.isfinite(likely).all()
    assert np.abs(predicted).max() <= 1
    error = signal[2000:] - predicted[-1000:]
    assert np.square(error).mean() < 1.5 * np.square(noise[2000:]).mean()


@EACH
@given(seed=st.integers(0, 1000), at=st.integers(0, 299))
@settings(max_examples=15, deadline=None)
def test_a_prediction_depends_on_the_past_alone(method: Any, seed: int, at: int) -> None:
    rng = np.random.default_rng(seed)
    samples = rng.uniform(-1, 1, 300)
    changed = samples.copy()
    changed[at:] = rng.uniform(-1, 1, 300 - at)
    one, other = (adaptive_prediction(each, method, order=8) for each in (samples, changed))
    for before, after in zip(one, other, strict=True):
        np.testing.assert_array_equal(before[: at + 1], after[: at + 1])


def test_a_long_run_drifts_nowhere() -> None:
    """Rounding errors of the recursion must not add up over minutes of a pure tone."""
    time = np.arange(400_000)
    tone = MULAW.decoder().push(MULAW.encode(0.3 * np.sin(0.1 * time)[None].astype(np.float32)))[0]
    predicted, _ = adaptive_prediction(tone, "rls", order=32)
    error = np.abs(tone - predicted)
    assert error[-50_000:].mean() < 1.2 * error[50_000:100_000].mean()


@EACH
def test_an_untrained_model_predicts(method: Any) -> None:
    """No training at all is needed: far fewer bits than a coefficient for all."""
    signal, _ = resonances(8000)
    ids = MULAW.encode(signal[None].astype(np.float32))
    options = {"order": 8, "adaptive": method}
    adaptive = Linear(build(LinearConfig, options), MULAW.spec, seed=0)
    values = MULAW.decoder().push(np.arange(256, dtype=np.int32)[None, :, None])[0]
    widths = np.gradient(values)[ids[0, :, 0]]
    entropy = math.log(0.01 * math.sqrt(2 * math.pi * math.e)) - np.log(widths).mean()
    assert adaptive.loss(ids, CE) < entropy + 0.15
    assert Linear(LinearConfig(order=8), MULAW.spec, seed=0).loss(ids, CE) > entropy + 1


@EACH
def test_generated_values_stay_within_what_was_given(method: Any) -> None:
    signal, _ = resonances(4000)
    model = Linear(build(LinearConfig, {"order": 8, "adaptive": method}), RAW, seed=0)
    stream = model.stream(1, Sampling(), 0)
    stream.prime(signal[None, :, None].astype(np.float32))
    frames = stream.next(20_000)
    assert np.abs(frames).max() <= np.abs(signal).max() * (1 + 1e-6)


def test_forgetting_is_of_single_predictors() -> None:
    with pytest.raises(OptionError, match="forgetting is of rls and levinson"):
        build(LinearConfig, {"adaptive": "mix", "forgetting": 0.99})
    with pytest.raises(OptionError, match="must exceed the order of 96"):
        build(LinearConfig, {"adaptive": "mix", "window": 90})


@EACH
@pytest.mark.parametrize(("order", "silence"), [(8, 0.0), (8, 0.8), (32, 0.0), (32, 0.5)])
def test_the_level_of_the_prompt_is_held(method: Any, order: int, silence: float) -> None:
    """Drawn at temperature 1, a take neither blows up nor dies away, nor with a prompt of rests."""
    signal, _ = resonances(4000, seed=2)
    signal.reshape(2, -1)[:, : round(silence * 2000)] = 0.0
    ids = MULAW.encode(signal[None].astype(np.float32))
    options = {"order": order, "adaptive": method}
    model = Linear(build(LinearConfig, options), MULAW.spec, seed=0)
    values = MULAW.decoder().push(np.arange(256, dtype=np.int32)[None, :, None])[0]
    stream = model.stream(3, Sampling(), 0)
    stream.prime(np.repeat(ids, 3, axis=0))
    takes = values[stream.next(30_000)[:, :, 0]].reshape(3, 5, -1)
    level = 20 * np.log10(np.sqrt(np.square(takes).mean(axis=2)))
    prompt = 20 * np.log10(np.sqrt(np.square(signal).mean()))
    # Of unstable filters that are damped, a little looser than of those that never were.
    assert np.abs(level - prompt).max() < (6 if method == "levinson" else 8)
