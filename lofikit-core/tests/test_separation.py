"""Separating a library: long clips in parts, and stems that were made in different ways."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from lofikit.audio import Audio, read
from lofikit.cli.main import run as lofikit
from lofikit.errors import OptionError
from lofikit.library import Library
from lofikit.options import Options, option
from lofikit.separation import separate
from lofikit.separators.base import Separator
from lofikit.separators.hpss import HPSS, HPSSConfig
from lofikit.sources.base import ClipData

RATE = 8000


STUCK = """
import sys, time
from pathlib import Path
from lofikit.library import Library
from lofikit.separation import separate
from lofikit.separators.base import Separator

class Stuck(Separator):
    stems = ("all",)

    def separate(self, audio):
        print("at work", flush=True)
        time.sleep(600)

separate(Library(Path(sys.argv[1])), Stuck(None), "stuck", part_seconds=0.1)
"""


class ShareConfig(Options):
    """Options of :class:`Shares`."""

    share: float = option(0.25, "What of the music is in the first stem.")
    workers: int = option(1, "Processes.", machine=True)


class Shares(Separator):
    """Two stems that are the music at two levels."""

    stems = ("less", "more")

    def separate(self, audio: Audio) -> dict[str, Audio]:
        less = (audio.samples * self.config.share).astype(np.float32)
        return {"less": Audio(less, audio.rate), "more": Audio(audio.samples - less, audio.rate)}


def library_of(path: Path, samples: NDArray[np.float32]) -> Library:
    made = Library(path, create=True)
    made.add("test/made", ClipData("clip", Audio(samples, RATE)))
    return made


def stem(library: Library, name: str) -> NDArray[np.float32]:
    ((file, gain),) = library.files(library.clips[0], name)
    return read(file).samples * np.float32(gain)


@settings(max_examples=20, deadline=None)
@given(
    frames=st.integers(200, 4000),
    channels=st.integers(1, 2),
    part=st.floats(0.01, 0.3),
    seed=st.integers(0, 9),
)
def test_parts_of_a_long_clip_add_up_to_the_whole(
    tmp_path_factory: pytest.TempPathFactory, frames: int, channels: int, part: float, seed: int
) -> None:
    samples = np.random.default_rng(seed).uniform(-0.9, 0.9, (channels, frames)).astype(np.float32)
    library = library_of(tmp_path_factory.mktemp("parts") / "library", samples)
    done = separate(library, Shares(ShareConfig()), "shares", part_seconds=part)
    assert len(done.added) == 1
    np.testing.assert_allclose(stem(library, "shares/less"), samples * 0.25, atol=1e-4)
    np.testing.assert_allclose(stem(library, "shares/more"), samples * 0.75, atol=1e-4)
    assert not list(library.path.glob(".partial-*"))


def test_what_a_killed_separation_left_is_swept_and_one_at_work_is_not(tmp_path: Path) -> None:
    samples = np.zeros((1, 4000), np.float32)
    samples[0, ::100] = 0.5
    library = library_of(tmp_path / "library", samples)
    killed = subprocess.Popen([sys.executable, "-c", STUCK, str(library.path)], stdout=-1)
    working = subprocess.Popen([sys.executable, "-c", STUCK, str(library.path)], stdout=-1)
    try:
        for process in (killed, working):
            assert process.stdout is not None
            process.stdout.readline()
        assert len(list(library.path.glob(".partial-*"))) == 2
        killed.kill()
        killed.wait()
        separate(library, Shares(ShareConfig()), "shares", part_seconds=0.1)
        assert len(list(library.path.glob(".partial-*"))) == 1
    finally:
        for process in (killed, working):
            process.kill()
            process.communicate()
    separate(library, Shares(ShareConfig()), "again", part_seconds=0.1)
    assert not list(library.path.glob(".partial-*"))


def test_median_filters_leave_no_seam(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    time = np.arange(8 * RATE) / RATE
    music = 0.3 * np.sin(2 * np.pi * 220 * time)
    music[:: RATE // 2] += 0.5
    music += 0.01 * rng.standard_normal(len(time))
    library = library_of(tmp_path / "library", music[None].astype(np.float32))
    for label, seconds in (("whole", 60.0), ("parts", 3.0)):
        separate(library, HPSS(HPSSConfig()), label, part_seconds=seconds)
    whole, parts = (stem(library, f"{label}/percussive") for label in ("whole", "parts"))
    np.testing.assert_allclose(parts, whole, atol=0.02)


def peak_memory(path: Path, seconds: int) -> int:
    library = library_of(path, np.full((1, seconds * RATE), 0.5, np.float32))
    tracemalloc.start()
    try:
        separate(library, Shares(ShareConfig()), "shares", part_seconds=20.0)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_memory_does_not_grow_with_a_clip(tmp_path: Path) -> None:
    short, long = (peak_memory(tmp_path / str(seconds), seconds) for seconds in (300, 1200))
    assert long < 1.1 * short


def test_stems_of_one_name_are_of_one_kind(tmp_path: Path) -> None:
    library = library_of(tmp_path / "library", np.full((1, 800), 0.5, np.float32))
    separate(library, Shares(ShareConfig(share=0.5)), "shares")
    with pytest.raises(OptionError) as caught:
        separate(library, Shares(ShareConfig()), "shares")
    assert "--separator.share 0.5" in caught.value.message
    assert "--as shares-2" in caught.value.hint
    assert separate(library, Shares(ShareConfig(share=0.5, workers=2)), "shares").known == 1
    separate(Library(library.path), Shares(ShareConfig()), "shares-2")
    assert np.allclose(stem(Library(library.path), "shares/less"), 0.25, atol=1e-4)
    assert np.allclose(stem(Library(library.path), "shares-2/less"), 0.125, atol=1e-4)


def test_the_command_names_stems_as_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    library = library_of(tmp_path / "library", np.full((1, RATE), 0.1, np.float32))
    words = ["separate", str(library.path), "--separator", "hpss"]
    assert lofikit([*words]) == 0
    assert lofikit([*words, "--separator.power", "1"]) == 1
    assert "--as hpss-2" in capsys.readouterr().err
    assert lofikit([*words, "--separator.power", "1", "--as", "soft"]) == 0
    assert {"hpss/percussive", "soft/percussive"} <= set(Library(library.path).stem_names())
    assert lofikit([*words, "--as", "../out"]) == 1
    assert "is not a stem's name" in capsys.readouterr().err
