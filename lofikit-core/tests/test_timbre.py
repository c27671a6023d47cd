"""Timbre: heard in music, varied in training, and kept by takes."""

from __future__ import annotations

from types import MappingProxyType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lofikit.audio import Audio
from lofikit.chunks import UNTOLD, Chunks
from lofikit.evaluation.listening import spectrum, timbre_distance
from lofikit.library import Library
from lofikit.models.base import Sampling, Stream
from lofikit.performers import BatchPerformer, TakeOptions, Voice, perform
from lofikit.representations.base import (
    FREE,
    Decoder,
    Frames,
    FrameSpec,
    Representation,
    Samples,
    Signals,
)
from lofikit.representations.code_signals import NO_BEAT, TIMBRE_CLASSES
from lofikit.representations.codes import Codes, CodesConfig
from lofikit.samples import SampleStore, open_samples
from lofikit.sources.base import ClipData
from lofikit.testing.representations import check_signals
from lofikit.timbre import HALF_KNOWN, equalised, restoring_gains, timbre_signals

RATE = 4410
NAMES = ("timbre-1", "timbre-2", "beat", "timbre-3")


def coloured(seconds: float, tilt: float, seed: int = 0) -> NDArray[np.float32]:
    """Noise whose level falls by so many dB from the lowest frequency to the highest."""
    noise = np.random.default_rng(seed).standard_normal(round(seconds * RATE))
    bins = np.fft.rfft(noise)
    bins *= 10 ** (-tilt / 20 * np.linspace(0, 1, len(bins)))
    samples = np.fft.irfft(bins, len(noise))
    return (0.1 * samples / samples.std()).astype(np.float32)


def test_gains_bring_back_what_an_equaliser_took() -> None:
    music = np.stack([coloured(4.0, 10.0), coloured(4.0, 20.0, seed=1)])
    settings = np.array([[4.0, 2.0, 0.0, -4.0], [-3.0, -3.0, 3.0, 3.0]])
    frequencies = np.linspace(0, RATE / 2, 257)
    gains = restoring_gains(music, equalised(music, RATE, settings), RATE, frequencies)
    mels = np.log1p(frequencies / 700)
    knots = np.linspace(0, mels[-1], 4)
    inner = (frequencies > 150) & (frequencies < 2000)
    known = 4 / (4 + HALF_KNOWN)
    for row, taken in zip(gains, settings, strict=True):
        # An equaliser keeps the level, and so its gains are known but for a constant.
        sums = 20 * np.log10(row[inner]) / known + np.interp(mels[inner], knots, taken)
        assert np.ptp(sums) < 2.0


def test_the_longer_music_is_the_more_of_its_loss_is_given_back() -> None:
    music, frequencies = coloured(32.0, 10.0)[None], np.linspace(0, RATE / 2, 257)
    heard = equalised(music, RATE, np.array([[6.0, 2.0, -2.0, -6.0]]))
    ranges = []
    for seconds in (0.25, 2.0, 8.0, 32.0):
        stretch = slice(0, round(seconds * RATE))
        gains = restoring_gains(music[:, stretch], heard[:, stretch], RATE, frequencies)
        ranges.append(float(np.ptp(20 * np.log10(gains))))
    assert ranges == sorted(ranges)
    assert ranges[0] < 1.0
    assert 6.0 < ranges[-1] < 12.0


def test_gains_are_bounded_and_leave_silence_alone() -> None:
    flat, rest = coloured(8.0, 0.0), np.zeros(8 * RATE, np.float32)
    music, heard = np.stack([flat, rest, flat]), np.stack([coloured(8.0, 60.0), flat, rest])
    gains = restoring_gains(music, heard, RATE, np.linspace(0, RATE / 2, 257))
    assert 0.5 <= gains[0].min() < gains[0].max() == pytest.approx(2.0)
    np.testing.assert_array_equal(gains[1:], 1.0)
    np.testing.assert_array_equal(
        restoring_gains(music[:, :0], heard[:, :0], RATE, np.linspace(0, RATE / 2, 257)), 1.0
    )


@pytest.mark.parametrize("rate", [RATE, 44_100])
def test_gains_leave_the_level_alone(rate: int) -> None:
    music = coloured(8.0, 5.0)[None]
    gains = restoring_gains(music, 0.5 * music, rate, np.linspace(0, rate / 2, 65))
    np.testing.assert_allclose(gains, 1.0, rtol=0.02)


def test_signals_are_the_balance_of_bands() -> None:
    both = np.stack([coloured(3.0, 30.0), coloured(3.0, 0.0)])
    heard = timbre_signals(both, RATE, NAMES)
    assert list(heard) == ["timbre-1", "timbre-2", "timbre-3"]
    assert all(curve.shape == both.shape for curve in heard.values())
    values = np.array([curve[:, 0] for curve in heard.values()])
    assert (np.diff(values[:, 0]) < -4).all()
    assert np.abs(values[:, 1]).max() < 1.5
    np.testing.assert_allclose(values, np.array([c[:, -1] for c in heard.values()]))
    louder = timbre_signals(2 * both, RATE, NAMES)
    np.testing.assert_allclose([c[:, 0] for c in louder.values()], values, atol=1e-3)
    assert timbre_signals(both, RATE, ("beat", "onsets-1")) == {}


def test_silence_has_no_balance() -> None:
    heard = timbre_signals(np.zeros((1, RATE), np.float32), RATE, NAMES)
    assert all((curve == 0).all() for curve in heard.values())


def test_an_equaliser_changes_bands_by_what_it_is_set_to() -> None:
    music = coloured(4.0, 10.0)[None]
    flat = equalised(music, RATE, np.full((1, 8), 6.0))
    np.testing.assert_allclose(flat, music, atol=1e-5)
    settings = np.linspace(-9, 9, 8)[None]
    played = equalised(music, RATE, settings)
    assert played.dtype == np.float32
    assert played.shape == music.shape
    assert np.std(played) == pytest.approx(np.std(music), rel=1e-3)
    names = [f"timbre-{n + 1}" for n in range(8)]
    before, after = (timbre_signals(x, RATE, names) for x in (music, played))
    gains = [float(after[name][0, 0] - before[name][0, 0]) for name in names]
    # Bands of spectra begin at 50 Hz, and an equaliser at 0.
    np.testing.assert_allclose(gains, np.linspace(-9, 9, 8), atol=2.0)


def test_an_equaliser_does_not_ring_from_the_end_into_the_beginning() -> None:
    music = np.zeros((1, RATE), np.float32)
    music[0, -1] = 1.0
    settings = np.random.default_rng(0).uniform(-12, 12, (1, 8))
    played = equalised(music, RATE, settings)
    assert np.abs(played[0, : RATE // 2]).max() < 1e-3 * np.abs(played).max()


def test_an_equaliser_leaves_silence_silent() -> None:
    assert not equalised(np.zeros((2, 500), np.float32), RATE, np.ones((2, 8))).any()


@pytest.fixture(scope="module")
def codes() -> Codes:
    made = Codes(CodesConfig(timbre=3, beat=True, books=1, levels=80, components=16), RATE)
    made.fit([coloured(20.0, 20.0)], seed=0)
    return made


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> SampleStore:
    library = Library(tmp_path_factory.mktemp("music") / "library", create=True)
    library.add("test/noise", ClipData("20", Audio(coloured(30.0, 20.0)[None], RATE)))
    return open_samples(library, RATE)


def test_frames_tell_the_timbre_first(codes: Codes) -> None:
    assert codes.signals == ("timbre-1", "timbre-2", "timbre-3", "beat")
    assert codes.spec.conditions == 3
    assert codes.spec.signals == 4
    music = coloured(3.0, 25.0)[None]
    signals = timbre_signals(music, RATE, codes.signals)
    frames = codes.encode(music, signals)
    for column, curve in enumerate(signals.values()):
        wanted = TIMBRE_CLASSES // 2 + round(float(curve[0, 0]) / 2)
        assert (frames[0, :, column] == wanted).all()
    assert (frames[:, :, 3] == NO_BEAT).all()
    untold = codes.encode(music)
    assert (untold[:, :, :3] == 0).all()
    np.testing.assert_array_equal(untold[:, :, 3:], frames[:, :, 3:])


def test_chunks_tell_the_timbre_that_they_are_played_with(codes: Codes, store: SampleStore) -> None:
    plain = Chunks(store, store.clips, codes, 60)
    (usual,) = np.unique(plain.spread(8)[:, :, :3].reshape(-1, 3), axis=0)[None, 0]
    assert usual.all()
    varied = Chunks(store, store.clips, codes, 60, vary_timbre=9.0)
    drawn = varied.draw(64, 0, 0)
    np.testing.assert_array_equal(drawn, varied.draw(64, 0, 0))
    told = drawn[:, 0, :3]
    assert (drawn[:, :, :3] == told[:, None]).all()
    assert len(np.unique(told, axis=0)) > 20
    untold = (told == 0).all(axis=1)
    assert ((told == 0).any(axis=1) == untold).all()
    assert 0 < untold.mean() < 2.5 * UNTOLD
    halves = [varied.draw(64, 0, 0, rank, 2) for rank in (0, 1)]
    np.testing.assert_array_equal(np.concatenate(halves), np.concatenate([drawn[::2], drawn[1::2]]))


def test_an_equaliser_is_heard_in_other_representations(store: SampleStore) -> None:
    from lofikit.representations.raw import Raw, RawConfig

    raw = Raw(RawConfig(), RATE)
    plain = Chunks(store, store.clips, raw, 2 * RATE).draw(4, 0, 0)
    varied = Chunks(store, store.clips, raw, 2 * RATE, vary_timbre=12.0).draw(4, 0, 0)
    for one, other in zip(plain[:, :, 0], varied[:, :, 0], strict=True):
        assert other.std() == pytest.approx(one.std(), rel=1e-3)
        assert timbre_distance(spectrum(one, RATE), spectrum(other, RATE)) > 2


class Moody(Representation):
    """Codes that tell a mood first: 2 where it is found in music, 1 where told, 0 where unknown."""

    def __init__(self, inner: Codes) -> None:
        super().__init__(inner.config, inner.sample_rate)
        self.inner = inner

    @property
    def signals(self) -> tuple[str, ...]:
        return ("mood", *self.inner.signals)

    @property
    def window(self) -> int:
        return self.inner.window

    @property
    def spec(self) -> FrameSpec:
        inner = self.inner.spec
        more = {"size": inner.size + 1, "signals": inner.signals + 1, "conditions": 1}
        return inner.model_copy(update=more)

    def encode(self, samples: Samples, signals: Signals = MappingProxyType({})) -> Frames:
        assert "mood" not in signals  # which nobody else can know of
        frames = self.inner.encode(samples, signals)
        return np.concatenate([np.full_like(frames[:, :, :1], 2), frames], axis=2)

    def given(self, signals: Signals) -> Frames:
        some = next(iter(signals.values()))
        count = 1 + (some.shape[1] - self.window) // self.spec.hop
        frames = np.full((len(some), count, self.spec.size), FREE, np.int32)
        if "mood" in signals:
            frames[:, :, 0] = np.where(np.isnan(signals["mood"][:, :1]), 0, 1)
        others = {name: curve for name, curve in signals.items() if name != "mood"}
        if others:
            frames[:, :, 1:] = self.inner.given(others)
        return frames

    def decoder(self, batch: int = 1) -> Decoder:
        inner = self.inner.decoder(batch)
        push = inner.push
        inner.push = lambda frames: push(frames[:, :, 1:])  # type: ignore[method-assign]
        return inner


class Swinging(Codes):
    """Says of the beat that it is always given."""

    @property
    def spec(self) -> FrameSpec:
        return super().spec.model_copy(update={"conditions": 1})


class Listening(Stream):
    """Keeps what it hears and what it is given."""

    def __init__(self) -> None:
        self.heard: list[Any] = []
        self.given: list[Any] = []

    def prime(self, frames: NDArray[np.int32]) -> NDArray[np.float32]:
        self.heard.append(frames)
        return np.zeros((*frames.shape, 80), np.float32)

    def next(self, n: int, given: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
        assert given is not None
        self.given.append(given)
        return np.maximum(given, 0)


def model_of(codes: Representation) -> tuple[Any, Listening]:
    stream = Listening()
    made = SimpleNamespace(spec=codes.spec, block=1, context=1, stream=lambda *_: stream)
    return made, stream


def test_takes_are_told_the_timbre_of_their_prompts(codes: Codes) -> None:
    model, stream = model_of(codes)
    prompts = np.stack([coloured(8.0, 0.0), coloured(8.0, 30.0)])
    performer = BatchPerformer(model, codes, prompts, Sampling(), 0)
    performer.next(3 * RATE)
    told = np.concatenate([stream.heard[-1], *stream.given], axis=1)
    balance = timbre_signals(prompts, RATE, codes.signals).values()
    wanted = TIMBRE_CLASSES // 2 + np.rint(np.array([curve[:, 0] for curve in balance]) / 2)
    for row in range(2):
        assert (told[row, :, :3] == wanted[:, row]).all()
    assert wanted[0, 1] > wanted[0, 0] + 2
    # No beat is heard in noise: all else is the model's to choose.
    given = np.concatenate(stream.given, axis=1)
    assert (given[:, :, 3:] == FREE).all()


class _Unsure(Codes):
    """Leaves to the model what timbre is not told."""

    def given(self, signals: Signals) -> Frames:
        frames = super().given(signals)
        timbre = frames[:, :, :3]
        frames[:, :, :3] = np.where(timbre == 0, FREE, timbre)
        return frames


def test_the_suite_sees_conditions_that_are_none(codes: Codes) -> None:
    made = _Unsure(codes.config, RATE)
    made.load_state(codes.state())
    check_signals(codes)
    with pytest.raises(AssertionError, match="left to the model"):
        check_signals(made)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ({"signals": 1, "conditions": 2}, "2 of 1 signals cannot be always given"),
        ({"signals": 3, "conditions": 3}, "3 signals leave no sound in frames of 3"),
    ],
)
def test_frames_are_not_conditions_alone(counts: dict[str, int], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        FrameSpec(sample_rate=RATE, hop=8, size=3, levels=8, ordinal=False, **counts)


def test_more_bands_than_a_spectrum_has_are_refused() -> None:
    with pytest.raises(ValueError, match="33 bands of timbre"):
        timbre_signals(coloured(1.0, 0.0)[None], RATE, [f"timbre-{n}" for n in range(33)])


def test_timbre_is_told_without_a_beat_too() -> None:
    codes = Codes(CodesConfig(timbre=2, books=1, levels=80, components=16), RATE)
    codes.fit([coloured(20.0, 20.0)], seed=0)
    model, stream = model_of(codes)
    performer = BatchPerformer(model, codes, coloured(4.0, 20.0)[None], Sampling(), 0)
    performer.next(RATE)
    given = np.concatenate(stream.given, axis=1)
    assert performer.pulses == [None]
    assert (given[:, :, :2] > 0).all()
    assert (given[:, :, 2:] == FREE).all()


def test_takes_from_noise_are_told_no_timbre(codes: Codes) -> None:
    model, stream = model_of(codes)
    config: Any = SimpleNamespace(data=SimpleNamespace(level=-20.0))
    run: Any = SimpleNamespace(config=config)
    performer = perform(model, codes, Voice(run, None), TakeOptions(1.0))
    performer.next(RATE)
    assert (stream.heard[0][:, :, :3] == 0).all()
    assert all((given[:, :, :3] == 0).all() for given in stream.given)


def test_a_prompt_that_ends_louder_is_played_at_its_own_level(codes: Codes) -> None:
    # What its end is made of, the decoder holds back: that tells nothing of the rest's level.
    prompt = coloured(4.0, 20.0)
    loud = len(prompt) - (codes.window - codes.spec.hop)
    prompt[:loud] *= 0.5
    prompt[loud:] *= 4.0
    model, _ = model_of(codes)
    performer = BatchPerformer(model, codes, prompt[None], Sampling(), 0)
    played = performer.prompts[0, RATE : loud - RATE]
    wanted = float(prompt[RATE : loud - RATE].std())
    assert float(played.std()) == pytest.approx(wanted, rel=0.15)


@pytest.mark.parametrize("beat", [False, True])
def test_takes_are_told_that_nothing_is_known_of_other_conditions(beat: bool) -> None:
    inner = Codes(CodesConfig(beat=beat, books=1, levels=80, components=16), RATE)
    inner.fit([coloured(20.0, 20.0)], seed=0)
    moody = Moody(inner)
    check_signals(moody)
    model, stream = model_of(moody)
    BatchPerformer(model, moody, coloured(4.0, 20.0)[None], Sampling(), 0).next(RATE)
    given = np.concatenate(stream.given, axis=1)
    assert (given[:, :, 0] == 0).all()
    assert (given[:, :, 1:] == FREE).all()
    # What the representation finds in the prompt, it tells of that.
    assert (stream.heard[0][:, :-8, 0] == 2).all()


def test_a_beat_that_is_always_given_is_given_to_takes_without_one() -> None:
    swinging = Swinging(CodesConfig(beat=True, books=1, levels=80, components=16), RATE)
    swinging.fit([coloured(20.0, 20.0)], seed=0)
    model, stream = model_of(swinging)
    performer = BatchPerformer(model, swinging, coloured(4.0, 20.0)[None], Sampling(), 0)
    performer.next(RATE)
    given = np.concatenate(stream.given, axis=1)
    assert performer.pulses == [None]
    assert (given[:, :, 0] == NO_BEAT).all()
    assert (given[:, :, 1:] == FREE).all()
