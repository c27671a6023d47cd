"""Representations: the suite on each, laws on all their options, and what each promises."""

from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lofikit.errors import OptionError
from lofikit.options import build
from lofikit.representations.base import Decoder, Frames, Representation, Samples
from lofikit.representations.mdct import MDCT, MDCTConfig
from lofikit.representations.mulaw import MuLaw, MuLawConfig
from lofikit.representations.raw import Raw, RawConfig
from lofikit.representations.stft import STFT, STFTConfig
from lofikit.testing import representations as suite
from lofikit.testing.representations import RepresentationSuite

RATE = 4410
laws = settings(max_examples=60, deadline=None)


class TestRaw(RepresentationSuite):
    component = "core/raw"


class TestRawBlocks(RepresentationSuite):
    component = "core/raw"
    options: ClassVar = {"frame": 500}


class TestMuLaw(RepresentationSuite):
    component = "core/mulaw"


class TestMuLawOfTwelveBits(RepresentationSuite):
    component = "core/mulaw"
    options: ClassVar = {"levels": 4096}


class TestSTFT(RepresentationSuite):
    component = "core/stft"


class TestSTFTOfHalfSpectra(RepresentationSuite):
    component = "core/stft"
    options: ClassVar = {"half": True, "frame": 501, "scaling": "orthonormal"}


class TestSTFTWithOverlap(RepresentationSuite):
    component = "core/stft"
    options: ClassVar = {"frame": 512, "hop": 160, "window": "sqrt-hann"}


class TestMDCT(RepresentationSuite):
    component = "core/mdct"


class TestMDCTWithKaiserWindow(RepresentationSuite):
    component = "core/mdct"
    options: ClassVar = {"hop": 64, "window": "kbd"}


@st.composite
def representations(draw: st.DrawFn) -> Representation:
    kind = draw(st.sampled_from(["raw", "mulaw", "stft", "mdct"]))
    if kind == "raw":
        return Raw(RawConfig(frame=draw(st.integers(1, 40))), RATE)
    if kind == "mulaw":
        levels = draw(st.integers(2, 600) | st.sampled_from([65_535, 65_536]))
        return MuLaw(MuLawConfig(levels=levels), RATE)
    if kind == "mdct":
        hop, window = 2 * draw(st.integers(1, 40)), draw(st.sampled_from(["sine", "kbd"]))
        return MDCT(MDCTConfig(hop=hop, window=window, kbd_alpha=draw(st.floats(0, 8))), RATE)
    frame = draw(st.integers(2, 80))
    window = draw(st.sampled_from(["rectangular", "sqrt-hann", "hann"]))
    hop = draw(st.integers(1, frame if window == "rectangular" else frame // 2))
    half, scaling = draw(st.booleans()), draw(st.sampled_from(["raw", "orthonormal"]))
    return STFT(STFTConfig(frame=frame, hop=hop, window=window, half=half, scaling=scaling), RATE)


def noise(batch: int, samples: int, seed: int) -> Samples:
    return np.random.default_rng(seed).uniform(-1, 1, (batch, samples)).astype(np.float32)


def decode(decoder: Decoder, frames: Frames, cuts: list[int]) -> Samples:
    parts = [decoder.push(part) for part in np.split(frames, cuts, axis=1)]
    return np.concatenate([*parts, decoder.flush()], axis=1)


@laws
@given(representations(), st.integers(1, 3), st.integers(0, 400), st.integers(0, 99))
def test_a_clip_comes_back(
    representation: Representation, batch: int, length: int, seed: int
) -> None:
    clip = noise(batch, length, seed)
    frames = representation.encode_clip(clip)
    back = representation.decode_clip(frames, length)
    assert back.dtype == np.float32
    np.testing.assert_allclose(back, clip, rtol=0, atol=representation.tolerance)


@laws
@given(representations(), st.integers(1, 30), st.data())
def test_frames_lie_on_one_grid(
    representation: Representation, count: int, data: st.DataObject
) -> None:
    first = data.draw(st.integers(0, count - 1))
    last = data.draw(st.integers(first + 1, count))
    hop = representation.spec.hop
    samples = noise(1, representation.samples_for(count), count)
    whole = representation.encode(samples)
    part = representation.encode(samples[:, first * hop : (last - 1) * hop + representation.window])
    assert whole.shape[1] == count
    np.testing.assert_allclose(part, whole[:, first:last], rtol=0, atol=1e-5)


@laws
@given(representations(), st.lists(st.integers(0, 20), max_size=6))
def test_a_decoder_may_be_fed_in_any_pieces(
    representation: Representation, cuts: list[int]
) -> None:
    samples = noise(2, representation.samples_for(20), 0)
    frames = representation.encode(samples)
    whole = decode(representation.decoder(2), frames, [])
    assert whole.shape == samples.shape
    np.testing.assert_allclose(
        decode(representation.decoder(2), frames, sorted(cuts)), whole, rtol=0, atol=1e-6
    )


@laws
@given(st.integers(2, 65_536))
def test_every_class_encodes_to_itself(levels: int) -> None:
    representation = MuLaw(MuLawConfig(levels=levels), RATE)
    ids = np.arange(levels, dtype=np.int32)[None, :, None]
    samples = representation.decoder().push(ids)
    assert np.array_equal(representation.encode(samples), ids)
    assert np.all(np.diff(samples) > 0)
    assert (samples[0, 0], samples[0, -1]) == (-1.0, 1.0)


def test_mulaw_follows_its_formula() -> None:
    samples = np.array([[-1.0, -0.1, 0.0, 0.001, 0.5, 1.0, 3.0]], np.float32)
    # By hand: round((sign(x) ln(1 + 255 |x|) / ln(256) + 1) / 2 * 255).
    wanted = [0, 52, 128, 133, 239, 255, 255]
    assert MuLaw(MuLawConfig(), RATE).encode(samples)[0, :, 0].tolist() == wanted


def test_stft_is_the_papers_by_default() -> None:
    representation = STFT(STFTConfig(), RATE)
    samples = noise(1, 10_000, 0)
    frames = representation.encode(samples)
    assert frames.shape == (1, 20, 1000)
    spectrum = np.fft.fft(samples[0, 500:1000])
    np.testing.assert_allclose(frames[0, 1, :500], spectrum.real, atol=1e-4)
    np.testing.assert_allclose(frames[0, 1, 500:], spectrum.imag, atol=1e-4)


@pytest.mark.parametrize("frame", [500, 501])
def test_half_spectra_hold_as_many_values_as_samples(frame: int) -> None:
    half = STFT(STFTConfig(frame=frame, half=True), RATE)
    samples = noise(1, frame, 1)
    frames = half.encode(samples)[0, 0]
    spectrum = np.fft.rfft(samples[0])
    assert frames.shape == (frame,)
    np.testing.assert_allclose(frames[: len(spectrum)], spectrum.real, atol=1e-4)
    np.testing.assert_allclose(
        frames[len(spectrum) :], spectrum.imag[1 : (frame + 1) // 2], atol=1e-4
    )


def test_orthonormal_spectra_keep_the_energy() -> None:
    samples = noise(1, 5000, 2)
    for representation in (
        STFT(STFTConfig(scaling="orthonormal"), RATE),
        STFT(STFTConfig(scaling="orthonormal", frame=500, half=False), RATE),
    ):
        assert np.square(representation.encode(samples)).sum() == pytest.approx(
            np.square(samples).sum(), rel=1e-5
        )


def test_spectra_that_belong_to_no_signal_decode_to_samples() -> None:
    representation = STFT(STFTConfig(), RATE)
    frames = np.random.default_rng(0).normal(size=(1, 4, 1000)).astype(np.float32)
    samples = representation.decoder().push(frames)
    wanted = np.fft.ifft(frames[0, :, :500] + 1j * frames[0, :, 500:]).real.reshape(1, -1)
    np.testing.assert_allclose(samples, wanted, atol=1e-6)


@pytest.mark.parametrize("window", ["sine", "kbd"])
def test_mdct_follows_its_formula(window: Any) -> None:
    hop = 16
    representation = MDCT(MDCTConfig(hop=hop, window=window), RATE)
    n, k = np.arange(2 * hop), np.arange(hop)[:, None]
    basis = np.sqrt(2 / hop) * np.cos(np.pi / hop * (n + 0.5 + hop / 2) * (k + 0.5))
    # The window shows in what single samples give: the basis is known, so divide by it.
    frames = representation.encode(np.eye(2 * hop, dtype=np.float32))[:, 0].T
    shape = (frames * basis).sum(axis=0) / np.square(basis).sum(axis=0)
    np.testing.assert_allclose(frames, basis * shape, atol=1e-5)
    np.testing.assert_allclose(shape[:hop] ** 2 + shape[hop:] ** 2, 1.0, atol=1e-5)
    assert np.all(np.diff(shape[:hop]) > 0)


def test_mdct_is_orthonormal() -> None:
    representation = MDCT(MDCTConfig(), RATE)
    samples = noise(1, 4096, 3)
    frames = representation.encode_clip(samples)
    assert np.square(frames).sum() == pytest.approx(np.square(samples).sum(), rel=1e-5)


def test_mdct_joins_frames_without_jumps() -> None:
    """Of slow waves that fit together nowhere, only those of a plain DFT step at the joins."""
    assert _step_at_joins(STFT(STFTConfig(frame=64, half=True), RATE)) > 4
    assert _step_at_joins(MDCT(MDCTConfig(hop=64), RATE)) < 2


def _step_at_joins(representation: Representation) -> float:
    """Returns how much farther samples step at the joins of random slow frames than elsewhere."""
    hop = representation.spec.hop
    frames = np.zeros((1, 400, representation.spec.size), np.float32)
    frames[:, :, :4] = np.random.default_rng(0).normal(size=(1, 400, 4))
    steps = np.abs(np.diff(representation.decoder().push(frames)[0, hop:]))
    return float(steps[hop - 1 :: hop].mean() / steps.mean())


@pytest.mark.parametrize(
    ("config", "values", "words"),
    [
        (STFTConfig, {"hop": 600}, "skips samples"),
        (STFTConfig, {"window": "hann"}, "at most 250"),
        (STFTConfig, {"window": "sqrt-hann", "hop": 300}, "at most 250"),
        (MDCTConfig, {"hop": 255}, "multiple of 2"),
        (MuLawConfig, {"levels": 1}, "greater than or equal to 2"),
    ],
)
def test_options_that_lose_samples_are_refused(config: Any, values: Any, words: str) -> None:
    with pytest.raises(OptionError, match=words):
        build(config, values)


class _Broken(Raw):
    """Shifts every sample by one frame."""

    def encode(self, samples: Samples) -> Frames:
        return np.roll(super().encode(samples), 1, axis=1)


@pytest.mark.parametrize("check", [suite.check_round_trip, suite.check_grid, suite.check_streaming])
def test_the_suite_sees_frames_that_are_out_of_place(check: Any) -> None:
    check(Raw(RawConfig(), RATE))
    with pytest.raises(AssertionError, match=r"error of|by themselves|not aligned"):
        check(_Broken(RawConfig(), RATE))


class _OneBuffer(Raw):
    """A representation that gives the same array again and again."""

    def encode(self, samples: Samples) -> Frames:
        frames = super().encode(samples)
        kept = getattr(self, "_kept", None)
        if kept is None or kept.shape != frames.shape:
            self._kept = kept = frames.copy()
        kept[:] = frames
        return kept


def test_the_suite_sees_frames_that_are_written_again() -> None:
    with pytest.raises(AssertionError, match="frames that it returned before"):
        suite.check_input_kept(_OneBuffer(RawConfig(), RATE))
