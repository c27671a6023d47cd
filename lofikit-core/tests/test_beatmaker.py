"""The beat maker: deterministic, level, in time, in key, and never the same bar twice."""

from __future__ import annotations

import itertools
import re
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lofikit.evaluation.listening import measure
from lofikit.sources.beatmaker import Song, compose
from lofikit.sources.beatmaker.harmony import LOOPS, VOICINGS, Key, voice_lead
from lofikit.sources.beatmaker.score import Hit
from lofikit.sources.beatmaker.tape import duck, read_at, wobble

RATE = 8000
SEEDS = range(6)
SEMITONES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11}


@cache
def song(seed: int) -> Song:
    return compose(seed, 36.0, RATE)


def decibels(audio: NDArray[np.float32]) -> float:
    return 10 * float(np.log10(np.mean(np.square(audio, dtype=np.float64))))


def pitch_classes(chord: str) -> list[int]:
    match = re.fullmatch(r"([A-G])([b#]?)(.+)", chord)
    assert match, chord
    letter, accidental, quality = match.groups()
    root = SEMITONES[letter] + {"b": -1, "#": 1, "": 0}[accidental]
    return [(root + tone) % 12 for tone in VOICINGS[quality]]


def chroma(audio: NDArray[np.float32]) -> NDArray[np.float64]:
    """Magnitude on each pitch class, of the partials between E3 and C6."""
    mono = audio.mean(axis=0)
    spectrum = np.abs(np.fft.rfft(mono * np.hanning(mono.size), 4 * RATE))
    hertz = np.fft.rfftfreq(4 * RATE, 1 / RATE)
    heard = (hertz > 160) & (hertz < 1060)
    classes = np.round(69 + 12 * np.log2(hertz[heard] / 440)).astype(int) % 12
    return np.bincount(classes, spectrum[heard], minlength=12).astype(np.float64)


def test_same_seed_same_bytes() -> None:
    first, second = compose(3, 8.0, RATE), compose(3, 8.0, RATE)
    assert first.title == second.title
    assert first.chords == second.chords
    assert {name: stem.tobytes() for name, stem in first.stems.items()} == {
        name: stem.tobytes() for name, stem in second.stems.items()
    }


def test_seeds_differ() -> None:
    songs = [song(seed) for seed in SEEDS]
    assert len({s.title for s in songs}) == len(songs)
    assert len({(s.tempo, s.key, s.swing) for s in songs}) == len(songs)
    for one, other in itertools.combinations(songs, 2):
        for name in one.stems:
            assert not np.allclose(one.stems[name], other.stems[name], atol=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_mix_is_the_sum_of_its_stems_at_a_listening_level(seed: int) -> None:
    stems = song(seed).stems
    assert list(stems) == ["drums", "bass", "keys", "texture"]
    for stem in stems.values():
        assert stem.dtype == np.float32
        assert stem.shape == (2, 36 * RATE)
    mix = song(seed).mix
    assert mix.dtype == np.float32
    np.testing.assert_array_equal(
        mix, stems["drums"] + stems["bass"] + stems["keys"] + stems["texture"]
    )
    assert 0.5 < np.abs(mix).max() <= 1.0
    assert -18 < decibels(mix) < -14
    # No part buries another, and the record's noise stays under the music.
    music = [decibels(stems[name]) for name in ("drums", "bass", "keys")]
    assert max(music) - min(music) < 5
    assert -32 < decibels(stems["texture"]) - decibels(mix) < -18


@pytest.mark.parametrize("seed", SEEDS)
def test_drums_keep_the_tempo(seed: int) -> None:
    s = song(seed)
    assert 70 <= s.tempo <= 90
    assert 0.5 < s.swing < 2 / 3
    assert s.beats[0] == 0
    assert s.beats[-1] < 36 <= s.beats[-1] + 60 / s.tempo
    np.testing.assert_allclose(np.diff(s.beats), 60 / s.tempo)

    hop = RATE // 100
    frames = s.stems["drums"].mean(axis=0).reshape(-1, hop)
    loudness = np.log(1e-4 + np.mean(np.square(frames), axis=1))
    flux = np.maximum(0, np.diff(loudness, prepend=loudness[0]))
    # Played by hand: onsets of the same place in a bar differ by some 10 ms.
    flux = np.convolve(flux, np.hanning(9), "same")
    centred = flux - flux.mean()
    # By the autocorrelation, onsets recur after a beat, and not after a beat and a third.
    correlation = np.correlate(centred, centred, "full")[flux.size - 1 :]

    def recurrence(seconds: float) -> float:
        lag = round(seconds * RATE / hop)
        return float(correlation[lag - 2 : lag + 3].max() / correlation[0])

    beat = 60 / s.tempo
    assert recurrence(beat) > 0.15
    assert recurrence(beat) > 2 * max(recurrence(1.35 * beat), recurrence(0.65 * beat))
    # And they lie on the beats that the song declares, not merely as far apart.
    places = np.round(s.beats * RATE / hop).astype(int)
    at_beats = np.mean([flux[max(0, p - 1) : p + 5].max() for p in places])
    between = np.round((s.beats + 0.38 * beat) * RATE / hop).astype(int)
    off_beats = np.mean([flux[p - 1 : p + 5].max() for p in between if p + 5 < flux.size])
    assert at_beats > 5 * off_beats


@pytest.mark.parametrize("seed", SEEDS)
def test_keys_play_the_declared_chords(seed: int) -> None:
    s = song(seed)
    starts = [start for start, _ in s.chords]
    assert starts[0] == 0
    assert starts == sorted(starts)
    ends = [*starts[1:], 36.0]
    shares = []
    for (start, name), end in zip(s.chords, ends, strict=True):
        if end > 33:  # the song fades out
            break
        heard = chroma(s.stems["keys"][:, round((start + 0.1) * RATE) : round(end * RATE)])
        shares.append(heard[pitch_classes(name)].sum() / heard.sum())
    # Four of twelve pitch classes would have a third of an arbitrary spectrum.
    assert np.mean(shares) > 0.55
    assert len({name for _, name in s.chords}) >= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_bars_vary(seed: int) -> None:
    s = song(seed)
    length = round(4 * 60 / s.tempo * RATE)
    for name, least in (("drums", 3), ("bass", 3), ("keys", 6)):
        bars = [
            s.stems[name][:, start : start + length]
            for start in np.round(s.beats[::4] * RATE).astype(int)
        ]
        played = [bar for bar in bars if bar.shape[1] == length and decibels(bar + 1e-9) > -40]
        assert len(played) >= least
        for one, other in itertools.combinations(played, 2):
            assert np.abs(one - other).max() > 0.05


@pytest.mark.parametrize("stem", ["drums", "bass", "keys"])
def test_most_stems_have_a_beat_of_their_own(stem: str) -> None:
    found = [measure(song(seed).stems[stem].mean(axis=0), RATE)["beat"] for seed in range(12)]
    noise = [measure(song(seed).stems["texture"].mean(axis=0), RATE)["beat"] for seed in range(6)]
    assert np.median(found) > 0.4 > 2 * np.median(noise)


@pytest.mark.parametrize("seed", SEEDS)
def test_intro_has_no_drums_and_the_song_does(seed: int) -> None:
    s = song(seed)
    bar = round(4 * 60 / s.tempo * RATE)
    assert np.abs(s.stems["drums"][:, :bar]).max() == 0
    assert decibels(s.stems["keys"][:, :bar]) > -40
    assert decibels(s.stems["drums"][:, 4 * bar : 8 * bar]) > -26


@pytest.mark.parametrize("seed", [0, 5])
def test_longer_song_begins_as_the_shorter(seed: int) -> None:
    short, long = compose(seed, 12.0, RATE), song(seed)
    assert long.chords[: len(short.chords)] == short.chords
    assert (long.title, long.tempo, long.key) == (short.title, short.tempo, short.key)
    before_fade = round(10.5 * RATE)
    head = {name: stem[:, :before_fade] for name, stem in long.stems.items()}
    gain = np.linalg.norm(short.stems["keys"][:, :before_fade]) / np.linalg.norm(head["keys"])
    for name, stem in short.stems.items():
        np.testing.assert_allclose(stem[:, :before_fade], gain * head[name], atol=1e-5)


def test_balance_survives_a_low_sample_rate() -> None:
    low, full = compose(2, 15.0, 4410), compose(2, 15.0, 44100)
    for name in ("drums", "bass", "keys"):
        assert abs(decibels(low.stems[name]) - decibels(full.stems[name])) < 2


def test_tape_wobbles_the_pitch_and_leaves_the_beat() -> None:
    for seed in SEEDS:
        shift = wobble(seed, 20 * RATE, RATE)
        assert np.abs(shift).max() < 0.002 * RATE
        speed = np.diff(shift)  # relative deviation of the tape's speed
        assert 0.0005 < np.abs(speed).max() < 0.005


def test_reading_between_samples_delays_a_sine() -> None:
    time = np.arange(RATE, dtype=np.float32)
    sine = np.sin(0.3 * time)
    read = read_at(sine, np.full(RATE, -2.4, np.float32))
    np.testing.assert_allclose(read[8:-8], np.sin(0.3 * (time - 2.4))[8:-8], atol=3e-3)


def test_only_kicks_duck_and_the_gain_recovers() -> None:
    gain = duck([Hit(0.5, "kick", 1.0), Hit(1.5, "snare", 1.0)], 0.4, 2 * RATE, RATE)
    assert np.all(gain[: RATE // 2] == 1)
    assert 0.6 <= gain.min() < 0.7
    assert np.argmin(gain) / RATE == pytest.approx(0.51, abs=0.01)
    assert np.all(gain[RATE + RATE // 4 :] == 1)


@given(
    seed=st.integers(0, 2**64),
    seconds=st.floats(1e-4, 2.0),
    sample_rate=st.sampled_from((4000, 4410, 11025)),
)
@settings(max_examples=25, deadline=None)
def test_any_length_works(seed: int, seconds: float, sample_rate: int) -> None:
    s = compose(seed, seconds, sample_rate)
    assert s.mix.shape == (2, max(1, round(seconds * sample_rate)))
    assert np.isfinite(s.mix).all()
    assert np.abs(s.mix).max() <= 1
    assert s.chords[0][0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((0, 0.0), "length.*more than 0 seconds, not 0.0"),
        ((0, -1.0), "length.*more than 0 seconds, not -1.0"),
        ((0, float("nan")), "length.*not nan"),
        ((0, float("inf")), "length.*not inf"),
        ((0, 1.0, 3999), "sample rate.*at least 4000 Hz, not 3999"),
        ((-1, 1.0), "seed.*0 or more, not -1"),
    ],
)
def test_impossible_songs_are_refused(arguments: tuple[int, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        compose(*arguments)


@pytest.mark.parametrize("mode", LOOPS)
def test_voices_move_little_between_chords(mode: str) -> None:
    movements = []
    for tonic, text in itertools.product(range(12), LOOPS[mode]):
        voicing: tuple[int, ...] | None = None
        for chord in itertools.chain.from_iterable(Key(tonic, mode).loop(text) * 2):
            following = voice_lead(chord, voicing)
            assert {pitch % 12 for pitch in following} == set(chord.pitch_classes)
            if voicing is not None:
                movements.append([abs(a - b) for a, b in zip(voicing, following, strict=True)])
            voicing = following
    assert np.mean(movements) < 1.5
    assert np.max(movements) <= 7
