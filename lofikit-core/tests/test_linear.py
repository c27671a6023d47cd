"""Linear prediction: what it learns, what it promises, and that its stream is its forward pass."""

import math
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lofikit.errors import OptionError, RunError, UnsupportedSpecError
from lofikit.models.base import LossName, Sampling, StepSettings
from lofikit.models.linear import Linear, LinearConfig
from lofikit.options import build
from lofikit.representations.base import FrameSpec
from lofikit.representations.mulaw import MuLaw, MuLawConfig
from lofikit.testing.cases import CODES
from lofikit.testing.models import ModelSuite

RATE = 4410
MULAW = MuLaw(MuLawConfig(), RATE)
RAW = FrameSpec(sample_rate=RATE, hop=1, size=1)
SPECTRA = FrameSpec(sample_rate=RATE, hop=250, size=6)
SPECS = pytest.mark.parametrize("spec", [RAW, SPECTRA, MULAW.spec], ids=["raw", "frames", "mulaw"])
CE = StepSettings(loss="cross-entropy")


class TestLinear(ModelSuite):
    component = "core/linear"
    options: ClassVar = {"order": 4, "window": 32}
    unsupported = (CODES,)


class TestRLS(TestLinear):
    options: ClassVar = {"order": 4, "window": 32, "adaptive": "rls"}


class TestLevinson(TestLinear):
    options: ClassVar = {"order": 4, "window": 32, "adaptive": "levinson"}


class TestMix(TestLinear):
    options: ClassVar = {"order": 4, "window": 32, "adaptive": "mix"}


def settings_for(spec: FrameSpec) -> StepSettings:
    return CE if spec.levels else StepSettings(loss="mse")


def resonance(samples: int, batch: int = 4, seed: int = 0) -> NDArray[np.float32]:
    """Returns noise through two poles: x[t] = 1.8 x[t-1] - 0.9 x[t-2] + noise, shape (batch, n)."""
    noise = np.random.default_rng(seed).normal(0, 0.02, (batch, samples + 200))
    out = np.zeros_like(noise)
    for t in range(2, out.shape[1]):
        out[:, t] = 1.8 * out[:, t - 1] - 0.9 * out[:, t - 2] + noise[:, t]
    return out[:, 200:].astype(np.float32)


def frames_for(spec: FrameSpec, time: int, batch: int = 2, seed: int = 0) -> NDArray[Any]:
    samples = resonance(time, batch * spec.size, seed)
    if spec.levels:
        return MULAW.encode(samples)
    return np.ascontiguousarray(samples.reshape(batch, spec.size, time).transpose(0, 2, 1))


def trained(spec: FrameSpec, steps: int = 6, **options: Any) -> Linear:
    config = build(LinearConfig, {"order": 8, "window": 256, **options})
    model = Linear(config, spec, seed=0)
    for step in range(steps):
        model.train_step(frames_for(spec, model.chunk, 4, seed=step), settings_for(spec))
    return model


def test_the_coefficients_of_a_resonance_are_found() -> None:
    model = trained(RAW, order=2, steps=10)
    coefficients = model.state()["weights/coefficients"][:, 0]
    np.testing.assert_allclose(coefficients, [1.8, -0.9], atol=0.02)
    test = frames_for(RAW, 257, 8, seed=99)
    assert model.loss(test, StepSettings(loss="mse")) == pytest.approx(0.02**2, rel=0.15)


def test_least_squares_over_all_steps_is_solved() -> None:
    model = trained(SPECTRA, steps=3, order=5, window=40)
    chunks = [frames_for(SPECTRA, 41, 4, seed=step).astype(np.float64) for step in range(3)]
    for value in range(SPECTRA.size):
        rows, targets = [], []
        for series in np.concatenate(chunks)[:, :, value]:
            for t in range(5, 41):
                rows.append(series[t - 5 : t][::-1])
                targets.append(series[t])
        wanted = np.linalg.lstsq(np.array(rows), np.array(targets), rcond=None)[0]
        coefficients = model.state()["weights/coefficients"][:, value]
        np.testing.assert_allclose(coefficients, wanted, atol=1e-4)


def test_the_distribution_comes_close_to_the_noise_that_is_there() -> None:
    """Gaussian noise in cells of known width has a known entropy; no model can go below it."""
    samples = resonance(2000, 8, seed=5)
    ids = MULAW.encode(samples)
    model = trained(MULAW.spec, steps=40)
    loss = model.loss(ids, CE)
    values = MULAW.decoder().push(np.arange(256, dtype=np.int32)[None, :, None])[0]
    widths = np.gradient(values)[ids[:, :, 0]]
    entropy = math.log(0.02 * math.sqrt(2 * math.pi * math.e)) - np.log(widths).mean()
    assert entropy - 0.02 < loss < entropy + 0.1


def test_the_distribution_narrows_where_recent_errors_were_small() -> None:
    rng = np.random.default_rng(0)
    loud = np.repeat(rng.choice([0.002, 0.1], (40, 8)), 128, axis=1)
    ids = MULAW.encode((rng.normal(size=loud.shape) * loud).astype(np.float32))
    model = Linear(LinearConfig(order=4, window=1023), MULAW.spec, seed=0)
    for start in range(0, 32, 8):
        model.train_step(ids[start : start + 8], CE)
    spread = np.exp(model.forward(ids[32:])[:, :, 0]).std(axis=-1)  # peaked where narrow
    quiet, noisy = loud[32:] == 0.002, loud[32:] == 0.1
    settled = np.arange(1024) % 128 > 40
    assert np.median(spread[quiet & settled]) > 3 * np.median(spread[noisy & settled])


@SPECS
def test_the_stream_is_the_forward_pass(spec: FrameSpec) -> None:
    model = trained(spec)
    frames = frames_for(spec, 150, 3, seed=7)
    wanted = model.forward(frames)
    stream = model.stream(3, Sampling(), seed=0)
    cuts = np.split(frames, [1, 1, 9, 60], axis=1)
    outputs = np.concatenate([stream.prime(part) for part in cuts], axis=1)
    shape = (3, 150, spec.size) + ((spec.levels,) if spec.levels else ())
    assert wanted.shape == outputs.shape == shape
    assert wanted.dtype == outputs.dtype == np.float32
    np.testing.assert_allclose(outputs, wanted, atol=1e-5)


@SPECS
def test_outputs_depend_on_the_receptive_field_and_no_later_frame(spec: FrameSpec) -> None:
    model = trained(spec)
    frames = frames_for(spec, 120, 1, seed=7)
    reach, last = model.receptive_field, 100
    changed = frames.copy()
    changed[:, : last - reach + 1] = frames[:, 5:6]
    changed[:, last + 1 :] = frames[:, 5:6]
    one, other = model.forward(frames), model.forward(changed)
    np.testing.assert_allclose(one[:, last], other[:, last], atol=1e-6)
    assert not np.allclose(one[:, last - 1], other[:, last - 1], rtol=0, atol=1e-9)


@SPECS
def test_generation_goes_on_as_the_forward_pass_says(spec: FrameSpec) -> None:
    """At temperature 0, each generated frame is what the forward pass predicts before it."""
    model = trained(spec)
    prompt = frames_for(spec, 40, 2, seed=3)
    stream = model.stream(2, Sampling(temperature=0), seed=0)
    stream.prime(prompt)
    generated = stream.next(30)
    outputs = model.forward(np.concatenate([prompt, generated], axis=1))[:, 39:-1]
    if spec.levels:
        chosen = np.take_along_axis(outputs, generated[..., None], axis=-1)[..., 0]
        np.testing.assert_allclose(chosen, outputs.max(axis=-1), atol=1e-4)
    else:
        np.testing.assert_allclose(generated, outputs, atol=1e-6)


@SPECS
def test_generation_is_the_same_however_it_is_cut(spec: FrameSpec) -> None:
    model = trained(spec)
    prompt = frames_for(spec, 40, 2, seed=3)

    def generate(*cuts: int, seed: int = 1) -> NDArray[Any]:
        stream = model.stream(2, Sampling(), seed)
        stream.prime(prompt)
        return np.concatenate([stream.next(n) for n in cuts], axis=1)

    whole = generate(60)
    assert whole.dtype == prompt.dtype
    assert np.array_equal(generate(1, 0, 39, 20), whole)
    if spec.levels:
        assert not np.array_equal(generate(60, seed=2), whole)
        assert not np.array_equal(whole[0, 30:], whole[1, 30:])


def test_what_is_drawn_follows_the_distribution() -> None:
    model = trained(MULAW.spec)
    count = 600
    prompt = np.repeat(frames_for(MULAW.spec, 12, 1, seed=4), count, axis=0)
    wanted = np.exp(model.forward(prompt[:1])[0, -1, 0].astype(np.float64))
    for sampling, probabilities in (
        (Sampling(), wanted),
        (Sampling(temperature=0.5), wanted**2 / np.square(wanted).sum()),
    ):
        stream = model.stream(count, sampling, seed=0)
        stream.prime(prompt)
        drawn = np.bincount(stream.next(1)[:, 0, 0], minlength=256) / count
        assert np.abs(np.cumsum(drawn) - np.cumsum(probabilities)).max() < 0.07
    stream = model.stream(count, Sampling(top_p=0.5), seed=0)
    stream.prime(prompt)
    ranked = np.argsort(-wanted)
    nucleus = ranked[: 1 + int((np.cumsum(wanted[ranked]) < 0.5).sum())]
    assert set(stream.next(1)[:, 0, 0]) == set(nucleus)


@given(order=st.integers(1, 12), scale=st.floats(0.01, 3), seed=st.integers(0, 50))
@settings(max_examples=20, deadline=None)
def test_what_is_generated_stays_in_the_range_of_training(
    order: int, scale: float, seed: int
) -> None:
    """Least squares may find unstable coefficients, as of this exponential growth."""
    time = np.arange(80)
    growth = scale * 1.05**time / 1.05**79 * np.sign(np.sin(0.3 * time + seed))
    frames = growth.astype(np.float32)[None, :, None]
    model = Linear(LinearConfig(order=order, window=79), RAW, seed=0)
    model.train_step(frames, StepSettings(loss="mse"))
    stream = model.stream(1, Sampling(), seed=0)
    stream.prime(frames)
    assert np.abs(stream.next(500)).max() <= np.abs(frames).max() * (1 + 1e-6)


@SPECS
def test_training_resumes_bit_for_bit(spec: FrameSpec) -> None:
    model = trained(spec, steps=3)
    resumed = Linear(model.config, spec, seed=5)
    resumed.load_state(model.state())
    for step in range(2):
        frames = frames_for(spec, model.chunk, 2, seed=step)
        assert model.train_step(frames, settings_for(spec)) == resumed.train_step(
            frames, settings_for(spec)
        )
    one, other = model.state(), resumed.state()
    assert one.keys() == other.keys()
    assert all(np.array_equal(one[name], other[name]) for name in one)


@SPECS
def test_weights_alone_predict_the_same(spec: FrameSpec) -> None:
    model, fresh = trained(spec), trained(spec, steps=1)
    state = model.state()
    fresh.load_state({name: array for name, array in state.items() if "weights/" in name})
    frames = frames_for(spec, 60)
    assert np.array_equal(fresh.forward(frames), model.forward(frames))
    assert not fresh.state()["sums/covariance"].any()


def test_a_state_is_a_copy_and_must_fit() -> None:
    model = trained(RAW)
    state = model.state()
    model.train_step(frames_for(RAW, model.chunk, 2, seed=9), settings_for(RAW))
    assert not np.array_equal(state["sums/covariance"], model.state()["sums/covariance"])
    with pytest.raises(RunError, match="weights/coefficients"):
        trained(RAW, order=4).load_state(state)
    with pytest.raises(RunError, match="weights/mixture"):
        trained(MULAW.spec).load_state(state)


def test_a_stream_keeps_the_weights_that_it_was_opened_with() -> None:
    model = trained(MULAW.spec, steps=1)
    prompt = frames_for(MULAW.spec, 50)
    before, stream = model.forward(prompt), model.stream(2, Sampling(), seed=0)
    model.train_step(frames_for(MULAW.spec, model.chunk, 4, seed=11), CE)
    assert np.array_equal(stream.prime(prompt), before)
    assert not np.array_equal(model.forward(prompt), before)


@pytest.mark.parametrize("name", [n for n in get_args(LossName) if n != "cross-entropy"])
def test_losses_of_real_values_are_those_of_their_names(name: LossName) -> None:
    model = trained(RAW)
    frames = 20 * frames_for(RAW, 100)
    error = (model.forward(frames[:, :-1]) - frames[:, 1:]).astype(np.float64)
    wanted = {
        "mse": error**2,
        "mae": np.abs(error),
        "huber": np.where(np.abs(error) < 1, error**2 / 2, np.abs(error) - 0.5),
        "log-cosh": np.log(np.cosh(error)),
    }[name]
    assert model.loss(frames, StepSettings(loss=name)) == pytest.approx(wanted.mean(), rel=1e-4)


def test_the_loss_of_classes_is_their_cross_entropy() -> None:
    model = trained(MULAW.spec)
    frames = frames_for(MULAW.spec, 100)
    logits = model.forward(frames[:, :-1])[:, :, 0].astype(np.float64)
    np.testing.assert_allclose(np.exp(logits).sum(axis=-1), 1.0, atol=1e-5)
    chosen = np.take_along_axis(logits, frames[:, 1:], axis=-1)
    assert model.loss(frames, CE) == pytest.approx(-chosen.mean(), abs=1e-3)


@pytest.mark.parametrize("levels", [2, 3, 16, 1024])
@pytest.mark.parametrize("companding", ["mu-law", "none"])
def test_any_number_of_ordered_classes_is_learned(levels: int, companding: str) -> None:
    spec = FrameSpec(sample_rate=RATE, hop=1, size=1, levels=levels)
    wave = 0.5 + 0.499 * np.sin(0.05 * np.arange(400))
    frames = np.repeat((wave * levels).astype(np.int32)[None, :, None], 2, axis=0)
    config = build(LinearConfig, {"order": 4, "window": 399, "companding": companding})
    model = Linear(config, spec, seed=0)
    losses = [float(model.train_step(frames, CE)) for _ in range(30)]
    assert losses[-1] < losses[0]
    assert losses[-1] < 0.5 * math.log(levels)


def test_silence_is_learned() -> None:
    for spec, frames in (
        (RAW, np.zeros((2, 257, 1), np.float32)),
        (MULAW.spec, np.full((2, 257, 1), 128, np.int32)),
    ):
        model = Linear(LinearConfig(order=8, window=256), spec, seed=0)
        model.train_step(frames, settings_for(spec))
        assert np.isfinite(model.forward(frames)).all()


@pytest.mark.parametrize("changes", [{"size": 2}, {"ordinal": False}])
def test_classes_that_it_cannot_predict_are_refused(changes: dict[str, Any]) -> None:
    spec = FrameSpec(**{"sample_rate": RATE, "hop": 1, "size": 1, "levels": 256} | changes)
    with pytest.raises(UnsupportedSpecError, match=r"not 2 class ids a frame|without an order"):
        Linear(LinearConfig(), spec, seed=0)


def test_values_that_are_always_given_are_refused() -> None:
    spec = FrameSpec(sample_rate=RATE, hop=8, size=3, signals=1, conditions=1)
    with pytest.raises(UnsupportedSpecError, match="cannot be given values"):
        Linear(LinearConfig(), spec, seed=0)


def test_a_window_must_exceed_the_order() -> None:
    with pytest.raises(OptionError, match="must exceed the order"):
        build(LinearConfig, {"order": 64, "window": 64})
    assert Linear(LinearConfig(), RAW, 0).chunk == 1025
    assert Linear(LinearConfig(), SPECTRA, 0).chunk == 65
