"""Silence: found where it is, and left out of what is drawn to train on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st

from lofikit.audio import Audio
from lofikit.chunks import Chunks, DataConfig
from lofikit.cli.main import cli
from lofikit.errors import LibraryError
from lofikit.library import Clip, Library
from lofikit.options import build
from lofikit.representations.raw import Raw, RawConfig
from lofikit.samples import ClipSamples, SampleStore
from lofikit.silence import block_length, silent_share, sounding_places
from lofikit.sources.base import ClipData

RATE = 200  # blocks of 10 samples
SOUND, REST = 0.1, 1e-5


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.booleans(), st.integers(1, 25)), min_size=1, max_size=8),
    st.integers(1, 40),
)
def test_a_window_is_left_out_if_and_only_if_no_block_in_it_sounds(
    stretches: list[tuple[bool, int]], span: int
) -> None:
    samples = np.concatenate([np.full(n, SOUND if on else REST) for on, n in stretches])
    samples = samples.astype(np.float32)
    if len(samples) < span:
        return
    size = block_length(RATE)
    loud = [
        np.sqrt(np.mean(samples[i : i + size].astype(np.float64) ** 2)) >= 1e-3
        for i in range(0, len(samples), size)
    ]
    expected = [
        begin
        for begin in range(len(samples) - span + 1)
        if any(loud[begin // size : (begin + span - 1) // size + 1])
    ]
    ranges = sounding_places(samples, RATE, -60.0, span)
    assert [place for begin, end in ranges for place in range(begin, end)] == expected


def test_the_share_of_silence() -> None:
    music = np.concatenate([np.full(300, SOUND), np.full(100, REST)]).astype(np.float32)
    assert silent_share(np.stack([music, 0 * music]), RATE) == pytest.approx(0.25)
    assert silent_share(music, RATE, threshold=-120.0) == 0.0
    assert silent_share(np.zeros((2, 0), np.float32), RATE) == 1.0


def _store(parts: list[np.ndarray]) -> SampleStore:
    places, offset = [], 0
    for number, part in enumerate(parts):
        clip = Clip(f"clip-{number}", "t", str(number), "", "", RATE, 1, len(part), 1.0)
        places.append(ClipSamples(clip, offset, len(part), float(np.sqrt(np.mean(part**2)))))
        offset += len(part)
    return SampleStore(np.concatenate(parts).astype(np.float32), tuple(places), RATE)


def test_silent_chunks_are_never_drawn_and_all_others_are() -> None:
    rest, sound = np.zeros(200), np.full(50, SOUND)
    store = _store([np.concatenate([rest, sound, rest, sound]), np.zeros(300), sound])
    raw = Raw(RawConfig(), RATE)
    kept = Chunks(store, store.clips, raw, 20)
    assert (kept.places, kept.silent) == (481 + 281 + 31, 0.0)
    chunks = Chunks(store, store.clips, raw, 20, skip_silence=-60.0)
    assert chunks.places == (50 + 19) + (31 + 19) + 31
    assert chunks.silent == pytest.approx(1 - 150 / 793)
    drawn = np.concatenate([chunks.draw(64, 0, step) for step in range(30)])
    assert (np.abs(drawn).max(axis=(1, 2)) > 0).all()
    every = chunks.windows(np.arange(chunks.places))
    assert (np.abs(every).max(axis=1) > 0).all()


def test_a_stem_that_is_silent_throughout_is_refused() -> None:
    store = _store([np.zeros(300)])
    with pytest.raises(LibraryError, match="all clips are silent"):
        Chunks(store, store.clips, Raw(RawConfig(), RATE), 20, skip_silence=-60.0)


def test_the_threshold_is_an_option_and_none_keeps_silence() -> None:
    assert build(DataConfig).skip_silence is None
    assert build(DataConfig, {"skip_silence": "-55"}).skip_silence == -55.0
    assert build(DataConfig, {"skip_silence": "none"}).skip_silence is None


def test_a_library_shows_how_much_of_each_stem_is_silent(tmp_path: Path) -> None:
    library = Library(tmp_path / "library", create=True)
    sound = np.full((1, 8000), 0.25, np.float32)
    rest = np.zeros((1, 24_000), np.float32)
    whole = Audio(np.concatenate([sound, rest], axis=1), 8000)
    clip, _ = library.add("core/folder", ClipData(key="a", audio=whole))
    library.add_stem(clip, "some/drums", whole)
    library.add_stem(clip, "some/bass", Audio(np.abs(whole.samples) + 0.1, 8000))
    again = Library(library.path)
    assert again.silent_share("some/drums") == pytest.approx(0.75)
    assert again.silent_share("some/bass") == 0.0
    assert again.silent_share("some/other") is None
    shown = CliRunner().invoke(cli, ["library", str(library.path)], standalone_mode=False)
    assert "stem some/drums: 1 clips, 75% silent (below -60 dBFS)" in shown.output
