"""What happens to a library while spleeter's process is killed again and again."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from lofikit.audio import Audio, read
from lofikit.library import Library
from lofikit.separation import separate
from lofikit.sources.base import ClipData
from lofikit_spleeter.config import SpleeterConfig
from lofikit_spleeter.separator import Spleeter

CLIPS, KILLS, RATE = 20, 10, 22_050


@pytest.fixture
def library(tmp_path: Path) -> Library:
    made = Library(tmp_path / "library", create=True)
    for number in range(CLIPS):
        time = np.arange(2 * RATE) / RATE
        tone = 0.4 * np.sin(2 * np.pi * (110 + 40 * number) * time)
        made.add("test/tones", ClipData(str(number), Audio(tone[None].astype(np.float32), RATE)))
    return made


@pytest.mark.slow
@pytest.mark.usefixtures("environment")
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="finds processes in /proc")
def test_ten_kills_at_random_moments_lose_nothing(
    tmp_path: Path, library: Library, genuine: Path
) -> None:
    rng = np.random.default_rng(2)
    kills = 0
    over = threading.Event()
    config = SpleeterConfig(stems=2, weights=str(genuine))
    runs = []
    with closing(Spleeter(config)) as separator:

        def kill() -> None:
            nonlocal kills
            # A start takes some seconds: kills fall on it, on work, and on what lies between.
            while kills < KILLS and not over.wait(rng.uniform(0.5, 8.0)):
                if found := workers(separator._worker.folder):
                    with contextlib.suppress(OSError):
                        os.kill(int(rng.choice(found)), signal.SIGKILL)
                        kills += 1

        # A worker that never came to work is a missing environment, and no clip's fault.
        separator.separate(Audio(np.zeros((1, RATE), np.float32), RATE))
        killer = threading.Thread(target=kill)
        killer.start()
        try:
            while kills < KILLS or not runs or runs[-1].failed:
                runs.append(separate(Library(library.path), separator, f"run{len(runs)}"))
                check(library)
                again = separate(Library(library.path), separator, f"run{len(runs) - 1}")
                assert again.known == len(runs[-1].added)
                assert len(runs) < 20
        finally:
            over.set()
            killer.join()
    assert kills == KILLS
    for done in runs:
        assert len(done.added) + len(done.failed) == CLIPS
        assert all("died twice" in reason for _, reason in done.failed)
    assert not list(library.path.rglob(".partial-*"))


def workers(folder: Path) -> list[int]:
    """Returns the processes whose environment names a worker's folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if str(folder).encode() in (process / "environ").read_bytes():
                found.append(int(process.name))
    return found


def check(library: Library) -> None:
    """Every stem that the library names is whole, and the stems add up to their clip."""
    found = Library(library.path)
    for clip in found.clips:
        labels = {name.partition("/")[0] for name in found.stems(clip)}
        for label in labels:
            total = np.zeros((clip.channels, clip.frames), np.float32)
            for stem in ("vocals", "accompaniment"):
                if f"{label}/{stem}" in found.stems(clip):
                    ((file, gain),) = found.files(clip, f"{label}/{stem}")
                    samples = read(file).samples
                    assert samples.shape == total.shape
                    total += samples * np.float32(gain)
            if f"{label}/accompaniment" in found.stems(clip):
                whole = read(found.path / clip.file).samples
                assert np.abs(total - whole).max() < 0.05
