"""Chunks: drawn alike every time, from the clips that they may be drawn from."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofikit.chunks import Chunks, DataConfig, level_gain, split
from lofikit.errors import LibraryError, OptionError
from lofikit.library import Clip, Library
from lofikit.representations.raw import Raw, RawConfig
from lofikit.samples import ClipSamples, SampleStore, open_samples


def _clip(name: str) -> Clip:
    return Clip(name, "x/y", name, f"clips/{name}.flac", "0", 4410, 1, 1, 0.5, title=name.upper())


def _store(lengths: list[int]) -> SampleStore:
    """Clips whose samples tell which clip and place they are of: clip + place / 1000."""
    parts, clips, offset = [], [], 0
    for i, length in enumerate(lengths):
        parts.append(((i + np.arange(length) / 1000) / 10).astype(np.float32))
        clips.append(ClipSamples(_clip(f"clip-{i}"), offset, length, 0.1))
        offset += length
    return SampleStore(np.concatenate(parts), tuple(clips), 4410)


def _raw() -> Raw:
    return Raw(RawConfig(), 4410)


@given(
    st.lists(st.integers(1, 60), min_size=1, max_size=6).filter(lambda n: max(n) >= 8),
    st.integers(1, 8),
)
def test_every_place_is_a_window_of_one_clip(lengths: list[int], frames: int) -> None:
    store = _store(lengths)
    chunks = Chunks(store, store.clips, _raw(), frames)
    assert chunks.places == sum(n - frames + 1 for n in lengths if n >= frames)
    windows = chunks.windows(np.arange(chunks.places))
    steps = np.diff(windows, axis=1)
    np.testing.assert_allclose(steps, 1e-4, atol=1e-6)  # no window crosses from clip to clip
    assert len(np.unique(windows[:, 0].round(5))) == chunks.places


@given(st.integers(0, 2**31 - 1), st.integers(0, 10**9), st.integers(1, 5))
def test_draws_hang_on_seed_and_step_alone(seed: int, step: int, world: int) -> None:
    store = _store([50, 30, 9])
    chunks = Chunks(store, store.clips, _raw(), 8)
    batch = chunks.draw(10, seed, step)
    np.testing.assert_array_equal(batch, Chunks(store, store.clips, _raw(), 8).draw(10, seed, step))
    shares = [chunks.draw(10, seed, step, rank, world) for rank in range(world)]
    together = np.concatenate(shares)
    assert sorted(together[:, 0, 0]) == sorted(batch[:, 0, 0])


def test_draws_differ_from_step_to_step_and_reach_everything() -> None:
    store = _store([40, 40])
    chunks = Chunks(store, store.clips, _raw(), 8)
    first = np.concatenate([chunks.draw(16, 0, step)[:, 0, 0] for step in range(60)])
    assert len(np.unique(first)) == chunks.places
    assert not np.array_equal(chunks.draw(16, 0, 0), chunks.draw(16, 0, 1))
    assert not np.array_equal(chunks.draw(16, 0, 0), chunks.draw(16, 1, 0))


def test_clips_shorter_than_a_chunk_are_left_out_and_named() -> None:
    store = _store([4, 40])
    chunks = Chunks(store, store.clips, _raw(), 8)
    assert [c.clip.id for c in chunks.too_short] == ["clip-0"]
    with pytest.raises(LibraryError, match="every clip is shorter than a chunk"):
        Chunks(store, store.clips, _raw(), 41)


def test_clips_are_brought_to_one_level(music: Path) -> None:
    store = open_samples(Library(music), 4410)
    chunks = Chunks(store, store.clips[:1], _raw(), store.clips[0].length, level=-20.0)
    whole = chunks.spread(1)
    assert 20 * np.log10(np.sqrt(np.mean(whole**2))) == pytest.approx(-20, abs=0.1)
    assert np.abs(whole).max() <= 1.0


def test_silence_is_not_raised_to_noise() -> None:
    assert level_gain(0.0, -20.0) == 1.0
    assert level_gain(1e-9, -20.0) <= 30.0
    assert level_gain(0.3, None) == 1.0


@given(st.integers(2, 40), st.floats(0.01, 0.9))
def test_a_split_is_of_clips_and_leaves_both_sides(count: int, share: float) -> None:
    clips = _store([5] * count).clips
    parts = split(clips, DataConfig(held_out=share))
    training = {c.clip.id for c in parts.training}
    held = {c.clip.id for c in parts.held_out}
    assert training and held
    assert not training & held
    assert len(training | held) == count


def test_a_split_stays_when_clips_are_given_in_another_order() -> None:
    clips = _store([5] * 20).clips
    config = DataConfig(held_out=0.3)
    one, other = split(clips, config), split(clips[::-1], config)
    assert {c.clip.id for c in one.held_out} == {c.clip.id for c in other.held_out}


def test_clips_are_held_out_by_name() -> None:
    clips = _store([5] * 4).clips
    parts = split(clips, DataConfig(hold_out=("CLIP-1", "clip-3")))
    assert [c.clip.id for c in parts.held_out] == ["clip-1", "clip-3"]
    with pytest.raises(OptionError, match="no clip has this id"):
        split(clips, DataConfig(hold_out=("clip-9",)))
    with pytest.raises(LibraryError, match="none is left"):
        split(clips, DataConfig(hold_out=("clip-*",)))
