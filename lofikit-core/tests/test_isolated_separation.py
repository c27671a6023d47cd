"""A separator in a worker: what becomes of a library when the worker or the disk fails."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from lofikit.audio import Audio, read
from lofikit.errors import LofikitError
from lofikit.isolation import Worker
from lofikit.library import Library
from lofikit.separation import separate
from lofikit.separators.base import Separator
from lofikit.sources.base import ClipData

pytestmark = pytest.mark.usefixtures("offline_uv")
HALVES = """\
# /// script
# requires-python = ">=3.8"
# dependencies = []
# ///
import array
import time
import lofikit_worker

def halve(source, target):
    samples = array.array("f")
    with open(source, "rb") as file:
        samples.frombytes(file.read())
    time.sleep(0.15)
    with open(target, "wb") as file:
        array.array("f", [value / 2 for value in samples]).tofile(file)

lofikit_worker.serve(halve)
"""


class Halves(Separator):
    """Two equal stems, made by a worker."""

    stems = ("one", "other")

    def __init__(self, script: Path) -> None:
        super().__init__(None)
        self.worker = Worker(script, name="halves")

    def separate(self, audio: Audio) -> dict[str, Audio]:
        source, target = (self.worker.folder / name for name in ("in.f32", "out.f32"))
        audio.samples.tofile(source)
        self.worker.call("halve", source=str(source), target=str(target))
        half = np.fromfile(target, np.float32).reshape(audio.samples.shape)
        return dict.fromkeys(self.stems, Audio(half, audio.rate))

    def close(self) -> None:
        self.worker.close()


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path / "library", create=True)
    for number in range(20):
        noise = np.random.default_rng(number).uniform(-0.9, 0.9, (1, 2000)).astype(np.float32)
        made.add("test/noise", ClipData(str(number), Audio(noise, 8000)))
    return made


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
def test_a_worker_killed_at_random_moments_loses_nothing(
    tmp_path: Path, library: Library, processes_of: Callable[[Path], list[str]]
) -> None:
    script = tmp_path / "halves.py"
    script.write_text(HALVES)
    rng = np.random.default_rng(5)
    with closing(Halves(script)) as separator:
        over = threading.Event()
        kills = 0

        def kill() -> None:
            nonlocal kills
            while kills < 10 and not over.wait(rng.uniform(0.02, 0.4)):
                if found := processes_of(separator.worker.folder):
                    with contextlib.suppress(OSError):
                        os.kill(int(rng.choice(found)), signal.SIGKILL)
                        kills += 1

        separator.separate(Audio(np.zeros((1, 10), np.float32), 8000))
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            done = separate(library, separator, "halves")
        finally:
            over.set()
            killer.join()
        assert len(done.added) + len(done.failed) == 20
        assert all("died twice" in reason for _, reason in done.failed)
        _check_stems(library)
        again = separate(Library(library.path), separator, "halves")
        assert (len(again.added), again.known) == (len(done.failed), len(done.added))
    assert kills >= 5
    _check_stems(library)
    assert Library(library.path).stem_names() == {"halves/one": 20, "halves/other": 20}


@pytest.mark.skipif(sys.platform == "win32", reason="limits of POSIX")
def test_a_full_disk_stops_a_separation_and_leaves_no_half_stem(
    tmp_path: Path, library: Library
) -> None:
    import resource

    script = tmp_path / "halves.py"
    script.write_text(HALVES)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with closing(Halves(script)) as separator:
        separator.worker.start()
        try:
            resource.setrlimit(resource.RLIMIT_FSIZE, (2000, limits[1]))
            with pytest.raises((LofikitError, OSError)):
                separate(library, separator, "halves")
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
            signal.signal(signal.SIGXFSZ, handler)
        _check_stems(library)
        assert not separate(Library(library.path), separator, "halves").failed
    _check_stems(library)


def _check_stems(library: Library) -> None:
    """Every stem that the library names is whole, and half of its clip."""
    found = Library(library.path)
    for clip in found.clips:
        whole = read(found.path / clip.file).samples
        for stem in found.stems(clip):
            ((file, gain),) = found.files(clip, stem)
            np.testing.assert_allclose(read(file).samples * gain * 2, whole, atol=2e-4)
