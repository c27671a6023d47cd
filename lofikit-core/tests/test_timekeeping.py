"""Keeping time: where in the bar a prompt is, and the groove that takes go on with."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from lofikit.beats import NO_BEATS, Beats
from lofikit.errors import OptionError
from lofikit.models.base import Sampling, Stream
from lofikit.performers import BatchPerformer
from lofikit.representations.base import FREE, Decoder, Frames, Samples
from lofikit.representations.code_signals import NO_BEAT
from lofikit.representations.codes import Codes, CodesConfig
from lofikit.timekeeping import Timekeeper

RATE = 4410
PERIOD = 0.75
"""Seconds from one beat to the next: 80 beats a minute."""


def bars(seconds: float, start: float = 0.0) -> NDArray[np.float32]:
    """Strokes on beats, the first of each bar of four with a low tone, from a time on."""
    rng = np.random.default_rng(1)
    time = np.arange(round((start + seconds) * RATE)) / RATE
    music = 0.002 * rng.standard_normal(len(time))
    length = round(0.3 * RATE)
    fall = np.exp(-np.arange(length) / (0.02 * RATE))
    stroke = 0.3 * rng.standard_normal(length) * fall
    tone = 0.5 * np.sin(2 * np.pi * 90 * np.arange(length) / RATE)
    for number, beat in enumerate(np.arange(0, start + seconds - 0.5, PERIOD)):
        first = round(beat * RATE)
        music[first : first + length] += stroke + (tone if number % 4 == 0 else 0)
    return np.clip(music, -1, 1).astype(np.float32)[round(start * RATE) :]


class WhatFallsWhere(Stream):
    """Knows how often each code of the first book falls on each place in the bar."""

    def __init__(self, chances: NDArray[np.float64], size: int) -> None:
        self._logits, self._size = np.log(chances), size
        self.given: list[NDArray[np.int32]] = []

    def prime(self, frames: NDArray[np.int32]) -> NDArray[np.float32]:
        logits = np.zeros((*frames.shape, self._logits.shape[1]), np.float32)
        logits[:, :, -self._size] = self._logits[frames[:, :, 0]]
        return logits

    def next(self, n: int, given: NDArray[np.int32] | None = None) -> NDArray[np.int32]:
        assert given is not None
        self.given.append(given)
        return np.maximum(given, 0)


@pytest.fixture(scope="module")
def codes() -> Codes:
    made = Codes(CodesConfig(beat=True, onsets=2, dynamics=True, books=1, levels=80), RATE)
    made.fit([bars(30.0)], seed=0)
    return made


@pytest.fixture(scope="module")
def model(codes: Codes) -> Any:
    """Fitted to music whose bars are known."""
    samples = bars(40.0)[None]
    counts = (np.arange(samples.shape[1]) / RATE / PERIOD).astype(np.float32)[None]
    frames = codes.encode(samples, {"beat": counts})[0]
    chances = np.full((NO_BEAT + 1, codes.config.levels), 1e-3)
    np.add.at(chances, (frames[:-1, 0], frames[1:, 4]), 1.0)
    chances /= chances.sum(axis=1, keepdims=True)
    made = SimpleNamespace(spec=codes.spec, block=1, context=1, streams=[])

    def stream(batch: int, sampling: Sampling, seed: int) -> Stream:
        made.streams.append(WhatFallsWhere(chances, codes.config.books))
        return made.streams[-1]

    made.stream = stream
    return made


def told_by(model: Any) -> NDArray[np.int32]:
    """Returns what the stream that played last was given."""
    played = next(stream for stream in reversed(model.streams) if stream.given)
    return np.concatenate(played.given, axis=1)


@pytest.mark.parametrize("beats_in", [0.0, 1.0, 2.5, 3.0, 4.25])
def test_a_prompt_is_counted_as_the_model_has_learned_bars(
    codes: Codes, model: Any, beats_in: float
) -> None:
    seconds = 9.0
    prompt = bars(seconds, beats_in * PERIOD)
    performer = BatchPerformer(model, codes, prompt[None], Sampling(), 0)
    (pulse,) = performer.pulses
    assert pulse is not None
    off = (pulse.begun - (beats_in + seconds / PERIOD)) % 4
    assert min(off, 4 - off) < 0.3


def test_bars_and_groove_go_on_together(codes: Codes, model: Any) -> None:
    prompt = bars(9.0, 0.5)
    performer = BatchPerformer(model, codes, prompt[None], Sampling(), 0)
    performer.next(15 * RATE)
    told = told_by(model)[0]
    strong = told[:, 2] >= told[:, 2].max() - 3
    places = told[strong, 0] % 16
    assert np.minimum(places, 16 - places).max() <= 4
    # A strong onset in each of the twenty beats, in some frames of its 26.
    assert 20 <= strong.sum() <= 20 * 6
    # The strokes are short: what lies between them is quiet, and told to be.
    middle = (told[:, 0] % 16 >= 8) & (told[:, 0] % 16 < 13)
    assert told[strong, 3].min() > told[middle, 3].max() + 2


def test_the_end_of_a_prompt_tells_of_the_stroke_that_a_take_begins_with(
    codes: Codes, model: Any
) -> None:
    prompt = bars(12.0)[: 9 * RATE]  # twelve beats
    before = codes.window - codes.spec.hop
    timekeeper = Timekeeper(codes, prompt[None], before, bpm=None, pulse=None)
    told = timekeeper.prompt_frames(model)[0, :, 1:4]
    beat = round(PERIOD * RATE / codes.spec.hop)
    earlier = told[len(told) - beat - 4 : len(told) - beat + 3]
    assert told[-2:, 1].max() >= earlier[:, 1].max() - 2
    assert told[-2:, 2].max() >= earlier[:, 2].max() - 1


def test_takes_without_a_beat_are_free_and_others_beside_them_are_not(
    codes: Codes, model: Any
) -> None:
    prompts = np.stack([bars(8.0), np.zeros(8 * RATE, np.float32)])
    performer = BatchPerformer(model, codes, prompts, Sampling(), 0)
    performer.next(RATE)
    told = told_by(model)
    assert (told[0, :, :4] != FREE).all()
    assert (told[1] == FREE).all()
    assert performer.pulses[1] is None


def test_signals_are_the_same_however_a_take_is_cut(codes: Codes, model: Any) -> None:
    told = []
    for size in (RATE, 3 * RATE, 100):
        performer = BatchPerformer(model, codes, bars(9.0)[None], Sampling(), 0)
        for _ in range(3 * RATE // size):
            performer.next(size)
        told.append(told_by(model)[:, :80])
    np.testing.assert_array_equal(told[1], told[0])
    np.testing.assert_array_equal(told[2], told[0])


def test_takes_begin_where_prompts_end(codes: Codes, model: Any) -> None:
    prompts = bars(9.0)[None]
    performer = BatchPerformer(model, codes, prompts, Sampling(), 0)
    assert performer.prompts.shape[1] == prompts.shape[1] // codes.spec.hop * codes.spec.hop
    coded = codes.decode_clip(codes.encode_clip(prompts), prompts.shape[1])
    end = performer.prompts.shape[1] - 2 * codes.window
    begin = prompts.shape[1] - performer.prompts.shape[1]
    found = performer.prompts[0, codes.window : end]
    wanted = coded[0, begin + codes.window : begin + end]
    levels = [
        np.square(one[: len(one) // 441 * 441]).reshape(-1, 441).mean(1) for one in (found, wanted)
    ]
    assert np.corrcoef(*levels)[0, 1] > 0.95


def test_prompts_and_takes_have_the_level_of_what_was_given(codes: Codes, model: Any) -> None:
    # The codes have learned nothing like this tone, and leave it out.
    tone = 0.1 * np.sin(2 * np.pi * 700 * np.arange(9 * RATE) / RATE)
    prompts = np.stack([bars(9.0), bars(9.0) + tone.astype(np.float32)])
    performer = BatchPerformer(model, codes, prompts, Sampling(), 0)
    given, heard = (
        10 * np.log10(np.square(x[:, -8 * RATE : -RATE]).mean(axis=1))
        for x in (prompts, performer.prompts)
    )
    np.testing.assert_allclose(heard, given, atol=0.5)


def test_takes_of_music_and_not_of_noise_get_back_what_codes_lose(
    codes: Codes, model: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    after: list[tuple[int, int]] = []
    whole = codes.decoder_after

    def watched(samples: Samples, frames: Frames) -> Decoder:
        after.append((samples.shape[1], frames.shape[1] * codes.spec.hop))
        return whole(samples, frames)

    monkeypatch.setattr(codes, "decoder_after", watched)
    BatchPerformer(model, codes, bars(9.0)[None], Sampling(), 0, music=False)
    assert after == []
    BatchPerformer(model, codes, bars(9.0)[None], Sampling(), 0)
    ((samples, frames),) = after
    assert samples == frames


def test_codes_that_tell_the_beat_alone_keep_time_too() -> None:
    codes = Codes(CodesConfig(beat=True, books=1, levels=80, components=16), RATE)
    codes.fit([bars(30.0)], seed=0)
    stream = WhatFallsWhere(np.full((NO_BEAT + 1, 80), 1 / 80), 1)
    model: Any = SimpleNamespace(spec=codes.spec, block=1, context=1, stream=lambda *_: stream)
    performer = BatchPerformer(model, codes, bars(9.0)[None], Sampling(), 0)
    performer.next(RATE)
    told = np.concatenate(stream.given, axis=1)
    assert (told[:, :, 0] < NO_BEAT).all()
    assert (told[:, :, 1:] == FREE).all()


def test_parts_of_one_music_are_counted_alike(codes: Codes, model: Any) -> None:
    """What another part of the band goes on with is not looked for again."""
    prompt = bars(9.0, 1.5 * PERIOD)[None]
    first = BatchPerformer(model, codes, prompt, Sampling(), 0).pulses[0]
    assert first is not None
    elsewhere = replace(first, begun=first.begun + 2)  # as another model may have counted
    part = BatchPerformer(model, codes, prompt, Sampling(), 0, pulse=elsewhere)
    part.next(9 * RATE)
    told = told_by(model)[0]
    strong = told[:, 2] >= told[:, 2].max() - 3
    places = told[strong, 0] % 16
    assert np.minimum(places, 16 - places).max() <= 4
    assert part.pulses == [elsewhere]


def test_a_groove_goes_at_the_tempo_asked_for(codes: Codes, model: Any) -> None:
    performer = BatchPerformer(model, codes, bars(9.0)[None], Sampling(), 0, bpm=100.0)
    performer.next(12 * RATE)
    told = told_by(model)[0]
    strong = np.flatnonzero(told[:, 2] >= told[:, 2].max() - 2)
    begins = strong[np.diff(strong, prepend=-10) > 5]
    assert np.median(np.diff(begins)) == pytest.approx(0.6 * codes.spec.frame_rate, abs=1)


def test_a_stream_that_takes_no_values_is_refused_before_it_plays(codes: Codes) -> None:
    class Deaf(WhatFallsWhere):
        def next(self, n: int) -> NDArray[np.int32]:  # type: ignore[override]
            raise AssertionError

    deaf = Deaf(np.ones((NO_BEAT + 1, 80)), 1)
    model = SimpleNamespace(spec=codes.spec, block=1, context=1, stream=lambda *_: deaf)
    with pytest.raises(OptionError, match="given"):
        BatchPerformer(model, codes, bars(9.0)[None], Sampling(), 0)  # type: ignore[arg-type]


def test_beats_that_are_known_win_over_those_that_sound(codes: Codes, model: Any) -> None:
    # As if every stroke were an off-beat: what a stem by itself cannot tell.
    prompts, end = np.tile(bars(9.0), (2, 1)), 9.0
    grid = np.arange(-40, 12) * PERIOD + PERIOD / 2
    performer = BatchPerformer(
        model, codes, prompts, Sampling(), 0, beats=[Beats(grid).until(end), NO_BEATS]
    )
    told, heard = performer.pulses
    assert told is not None and heard is not None
    for pulse, apart in ((told, 0.5), (heard, 0.0)):
        assert pulse.period == pytest.approx(PERIOD, rel=0.02)
        off = (pulse.begun - end / PERIOD - apart) % 1
        assert min(off, 1 - off) < 0.1


def test_a_rest_keeps_its_clips_time_and_has_no_groove(codes: Codes, model: Any) -> None:
    prompts = np.stack([bars(8.0), np.zeros(8 * RATE, np.float32)])
    known = [Beats(np.arange(-40, 1) * PERIOD)] * 2
    performer = BatchPerformer(model, codes, prompts, Sampling(), 0, beats=known)
    performer.next(RATE)
    told = told_by(model)
    assert (told[:, :, 0] != FREE).all()
    assert (told[0, :, 1:3] != FREE).all()
    assert (told[1, :, 1:3] == FREE).all()


def test_known_beats_of_another_tempo_are_not_believed(codes: Codes, model: Any) -> None:
    # As where a clip changes its tempo.
    known = [Beats(np.arange(-40, 1) * 1.3 * PERIOD)]
    performer = BatchPerformer(model, codes, bars(9.0)[None], Sampling(), 0, beats=known)
    (pulse,) = performer.pulses
    assert pulse is not None
    assert pulse.period == pytest.approx(PERIOD, rel=0.02)


def test_beats_are_asked_for_each_prompt(codes: Codes, model: Any) -> None:
    with pytest.raises(ValueError, match="beats of 2 prompts are given, and 1 prompts"):
        BatchPerformer(model, codes, bars(9.0)[None], Sampling(), 0, beats=[NO_BEATS, NO_BEATS])
