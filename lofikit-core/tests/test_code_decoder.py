"""Samples of codes: the delay of their books, their phase, and what is smooth between strokes."""

import itertools
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lofikit.evaluation.listening import spectrum, timbre_distance
from lofikit.representations.base import FREE, Decoder, Frames, Representation, Samples
from lofikit.representations.code_decoder import Smoothing, delayed, smoothing_at
from lofikit.representations.codes import Codes, CodesConfig
from lofikit.representations.overlap import hann, windows
from lofikit.representations.phase import PhaseFinder
from lofikit.testing.components import music as tune
from lofikit.testing.representations import training_clips
from lofikit.timbre import equalised

RATE = 4410
laws = settings(max_examples=40, deadline=None)


def fitted(config: CodesConfig, rate: int = RATE) -> Codes:
    found = Codes(config, rate)
    found.fit(training_clips(rate), seed=0)
    return found


@cache
def fitted_once() -> Codes:
    return fitted(CodesConfig())


# The delay


@laws
@given(st.integers(1, 6), st.integers(0, 12))
def test_a_frame_holds_book_b_of_the_spectrum_b_before_its_last(books: int, spectra: int) -> None:
    ids = np.arange(spectra)[None, :, None] * 10 + np.arange(books)
    frames = delayed(ids, books - 1)
    assert frames.shape == (1, max(0, spectra - books + 1), books)
    for t in range(frames.shape[1]):
        for b in range(books):
            assert frames[0, t, b] == 10 * (t + books - 1 - b) + b


def test_delayed_codes_say_the_same_as_codes_side_by_side() -> None:
    """All but the first spectra, whose rough books are not there, and the last, whose fine."""
    late, plain = fitted(CodesConfig(books=3)), fitted(CodesConfig(books=3, delay=False))
    samples = tune(2 * RATE, RATE, channels=2, seed=7)
    whole, back = (decode(c, c.encode(samples)) for c in (plain, late))
    assert whole.shape == back.shape
    # A phase depends on all that came before; magnitudes do not.
    inner = slice(10, -12)
    one, other = (spectra_of(x)[:, inner] for x in (whole, back))
    assert np.linalg.norm(one - other) < 0.2 * np.linalg.norm(one)
    silent = 2 * late.spec.hop
    assert np.abs(back[:, : silent // 2]).max() < np.abs(whole[:, : silent // 2]).max()


# The phase


def spectra_of(samples: Samples, window: int = 512, hop: int = 128) -> Any:
    blocks = windows(samples, window, hop) * hann(window)
    return np.abs(np.fft.rfft(blocks)).astype(np.float32)


def found_phase(spectra: Any, cuts: tuple[int, ...] = (10_000,), hop: int = 128) -> Samples:
    finder = PhaseFinder(len(spectra), 2 * (spectra.shape[2] - 1), hop)
    parts, position, turn = [], 0, 0
    while position < spectra.shape[1]:
        step = cuts[turn % len(cuts)]
        parts.append(finder.push(spectra[:, position : position + step]))
        position, turn = position + step, turn + 1
    return np.concatenate([*parts, finder.flush()], axis=1)


def decode(codes: Representation, frames: Frames) -> Samples:
    decoder = codes.decoder(len(frames))
    return np.concatenate([decoder.push(frames), decoder.flush()], axis=1)


def test_spectra_come_back_with_their_level() -> None:
    given_ = spectra_of(tune(6 * RATE, RATE, channels=2))
    came = spectra_of(found_phase(given_))
    inner = slice(8, -8)
    error = np.linalg.norm(came[:, inner] - given_[:, inner]) / np.linalg.norm(given_[:, inner])
    assert 20 * np.log10(error) < -15
    level = np.square(came[:, inner]).sum() / np.square(given_[:, inner]).sum()
    assert abs(10 * np.log10(level)) < 0.2


def test_a_steady_tone_keeps_its_pitch_and_its_level() -> None:
    seconds = np.arange(4 * RATE) / RATE
    tone = (0.3 * np.sin(2 * np.pi * 333.3 * seconds)).astype(np.float32)[None]
    back = found_phase(spectra_of(tone))[0, 2048:-2048]
    spectrum = np.abs(np.fft.rfft(back * np.hanning(len(back))))
    assert spectrum.argmax() * RATE / len(back) == pytest.approx(333.3, abs=0.5)
    assert np.sqrt(2 * np.mean(back**2)) == pytest.approx(0.3, rel=0.03)
    # One tone, not a chord of parts that beat against each other.
    envelope = np.sqrt(np.mean(back[: len(back) // 441 * 441].reshape(-1, 441) ** 2, axis=1))
    assert envelope.std() < 0.05 * envelope.mean()


def test_minutes_of_one_spectrum_do_not_fade() -> None:
    spectrum = spectra_of(tune(RATE, RATE, seed=3))[:, 10:11]
    back = found_phase(np.repeat(spectrum, 6000, axis=1), (500,))[0]
    early, late = (np.sqrt(np.mean(back[a : a + 20_000] ** 2)) for a in (5_000, -30_000))
    assert late == pytest.approx(early, rel=0.05)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=5).filter(any), st.integers(1, 40))
def test_spectra_may_be_pushed_in_any_pieces(cuts: list[int], time: int) -> None:
    spectra = np.random.default_rng(time).uniform(0, 1, (2, time, 33)).astype(np.float32) ** 4
    whole = found_phase(spectra, hop=16)
    assert whole.shape == (2, 64 + (time - 1) * 16)
    np.testing.assert_allclose(found_phase(spectra, tuple(cuts), 16), whole, rtol=0, atol=1e-6)


def test_silence_has_a_phase_too() -> None:
    assert not found_phase(np.zeros((1, 20, 257), np.float32)).any()


# Between strokes


def told(codes: Codes, strengths: list[int], batch: int = 1) -> Frames:
    """Frames of random codes, all of which tell the same classes of onsets."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, codes.config.levels, (batch, 60, codes.config.books))
    signals = np.broadcast_to(np.array(strengths), (batch, 60, len(strengths)))
    return np.concatenate([signals, ids], axis=2).astype(np.int32)


def unrest(samples: Samples, low: int = 0, high: int = 257) -> float:
    """How much spectra change from one to the next, for their size."""
    seen = spectra_of(samples)[:, 8:-8, low:high]
    return float(np.abs(np.diff(seen, axis=1)).mean() / seen.mean())


def test_codes_flicker_less_where_no_sound_is_told_to_begin() -> None:
    codes = fitted(CodesConfig(onsets=1))
    still, strokes, unknown = (decode(codes, told(codes, [c])) for c in (0, 15, FREE))
    assert unrest(still) < 0.7 * unrest(strokes)
    # Where strokes are told, or nothing is, spectra are those that the codes say.
    plain = Codes(CodesConfig(), RATE)
    plain.load_state(codes.state())
    as_said = decode(plain, told(codes, [0])[:, :, 1:])
    np.testing.assert_allclose(unknown, as_said, rtol=0, atol=1e-5)
    np.testing.assert_allclose(strokes, as_said, rtol=0, atol=1e-5)


def test_codes_of_low_rates_are_believed_less_and_smoothed_more() -> None:
    """A stroke of 3 dB is one at 22,050 Hz, and half of one at the paper's rate."""
    assert smoothing_at(44100) == smoothing_at(22050) == pytest.approx((0.1, 0.6, 2.0))
    assert smoothing_at(2000) == smoothing_at(4410) == pytest.approx((0.15, 0.15, 6.0))
    assert 2 < smoothing_at(11025)[2] < 6
    low, high = (fitted(CodesConfig(onsets=1), rate) for rate in (RATE, 22050))
    weak, strong = (decode(low, told(low, [c])) for c in (6, 15))
    assert unrest(weak) < 0.95 * unrest(strong)
    weak, strong = (decode(high, told(high, [c])) for c in (6, 15))
    np.testing.assert_array_equal(weak, strong)


def test_each_band_is_smoothed_by_its_own_strokes() -> None:
    codes = fitted(CodesConfig(onsets=2))
    both, low, high = (decode(codes, told(codes, c)) for c in ([15, 15], [0, 15], [15, 0]))
    # Half of the mel scale up to 2,205 Hz is 760 Hz, bin 88.
    assert unrest(low, 0, 80) < 0.7 * unrest(both, 0, 80)
    assert unrest(low, 96) > 0.9 * unrest(both, 96)
    assert unrest(high, 0, 80) > 0.9 * unrest(both, 0, 80)
    assert unrest(high, 96) < 0.7 * unrest(both, 96)


def test_a_stroke_swells_on_after_the_spectrum_that_it_is_told_of() -> None:
    codes = fitted(CodesConfig(onsets=1), 22050)
    smoothing = Smoothing(codes, 1)
    spectra = np.full((1, 40, codes.span // 2 + 1), 0.1, np.float32)
    spectra[:, 10] = spectra[:, 25] = 1.0  # a swell of two spectra, and another one
    spectra[:, 11:25] = spectra[:, 26:] = 2.0
    spectra[:, 18:25] = 0.1
    signals = np.zeros((1, 40, 1), np.int32)
    signals[:, 9] = 15  # the frame before the first one tells of it
    smoothing.hear(signals)
    parts = [smoothing.push(spectra[:, first : first + 8]) for first in range(0, 40, 8)]
    smoothed = np.concatenate(parts, axis=1)
    np.testing.assert_allclose(smoothed[:, :18], spectra[:, :18], rtol=1e-5)
    assert smoothed[:, 25].max() < 0.5
    assert smoothed[:, 26].max() < 0.5
    assert smoothed[:, 39].min() > 0.5  # no less than what the codes say, in the end


def test_takes_begin_at_once_and_not_out_of_silence() -> None:
    codes = fitted(CodesConfig(onsets=1, delay=False))
    frames = told(codes, [0])
    loudness = np.sqrt(np.square(spectra_of(decode(codes, frames))).sum(axis=2))[0]
    assert loudness[1:4].mean() > 0.5 * loudness[8:-8].mean()


# The balance of low and high


def bright(samples: Samples) -> Samples:
    """Music with more of the high tones than codes of :func:`tune` have learned."""
    return np.clip(equalised(samples, RATE, np.array([[-6.0, 0.0, 6.0, 12.0]])), -1, 1)


def padded(codes: Codes, samples: Samples) -> Samples:
    return np.pad(samples, ((0, 0), (codes.window - codes.spec.hop, 0)))


def test_what_codes_lose_of_music_is_given_back_to_what_follows() -> None:
    codes = fitted(CodesConfig())
    music = bright(tune(16 * RATE, RATE, channels=1, seed=5))
    prompt, after = music[:, : 8 * RATE], music[:, 8 * RATE :]
    frames = codes.encode(padded(codes, prompt))
    distances = []
    for decoder in (codes.decoder(), codes.decoder_after(prompt, frames)):
        back = np.concatenate([decoder.push(codes.encode(after)), decoder.flush()], axis=1)
        distances.append(timbre_distance(spectrum(back[0], RATE), spectrum(after[0], RATE)))
    assert distances[1] < 0.85 * distances[0]


def test_each_of_several_streams_has_what_its_own_music_lost() -> None:
    codes = fitted(CodesConfig(onsets=1))
    music = tune(4 * RATE, RATE, channels=1, seed=5)
    both = np.concatenate([bright(music), music])
    frames = codes.encode(padded(codes, both))
    decoder = codes.decoder_after(both, frames)
    together = np.concatenate([decoder.push(frames), decoder.flush()], axis=1)
    for row in range(2):
        alone = codes.decoder_after(both[row : row + 1], frames[row : row + 1])
        back = np.concatenate([alone.push(frames[row : row + 1]), alone.flush()], axis=1)
        np.testing.assert_array_equal(together[row : row + 1], back)


def test_a_decoder_of_a_derived_class_is_kept() -> None:
    class Silence(Decoder):
        def push(self, frames: Frames) -> Samples:
            return np.zeros((len(frames), frames.shape[1] * 128), np.float32)

        def flush(self) -> Samples:
            return np.zeros((1, 0), np.float32)

    class Silent(Codes):
        def decoder(self, batch: int = 1) -> Decoder:
            return Silence()

    codes = Silent(CodesConfig(), RATE)
    codes.fit(training_clips(RATE), seed=0)
    music = tune(2 * RATE, RATE, channels=1)
    assert isinstance(codes.decoder_after(music, codes.encode(padded(codes, music))), Silence)


@laws
@given(st.lists(st.integers(1, 40), min_size=1, max_size=4))
def test_a_decoder_after_music_gives_the_same_however_it_is_cut(cuts: list[int]) -> None:
    codes = fitted_once()
    music = bright(tune(3 * RATE, RATE, channels=1, seed=5))
    frames = codes.encode(padded(codes, music))
    parts, position = [], 0
    decoder = codes.decoder_after(music, frames)
    for cut in itertools.cycle(cuts):
        parts.append(decoder.push(frames[:, position : position + cut]))
        position += cut
        if position >= frames.shape[1]:
            break
    whole = codes.decoder_after(music, frames)
    np.testing.assert_array_equal(
        np.concatenate([*parts, decoder.flush()], axis=1),
        np.concatenate([whole.push(frames), whole.flush()], axis=1),
    )
