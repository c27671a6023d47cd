"""Libraries: nothing twice, nothing half-written, nothing lost."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from lofikit.audio import Audio
from lofikit.collection import collect
from lofikit.errors import LibraryError
from lofikit.library import Library, licences
from lofikit.samples import open_samples
from lofikit.sources.base import ClipData, ClipFailure, Source
from lofikit.sources.folder import Folder, FolderConfig
from lofikit.writers import write

RATE = 8000


def tone(pitch: float, seconds: float = 0.5, channels: int = 1) -> Audio:
    time_axis = np.arange(round(seconds * RATE)) / RATE
    wave = 0.4 * np.sin(2 * np.pi * pitch * time_axis).astype(np.float32)
    return Audio(np.repeat(wave[None], channels, axis=0), RATE)


class Listed(Source):
    """Gives what it is given, and counts what it was asked for."""

    def __init__(self, items: list[ClipData | ClipFailure]) -> None:
        super().__init__(None)
        self.items = items
        self.given: list[str] = []

    def clips(self, known: frozenset[str]) -> Iterable[ClipData | ClipFailure]:
        for item in self.items:
            if item.key not in known:
                self.given.append(item.key)
                yield item


@pytest.fixture
def library(tmp_path: Path) -> Library:
    return Library(tmp_path / "library", create=True)


def test_provenance_is_kept(library: Library, tmp_path: Path) -> None:
    path = tmp_path / "a tune.wav"
    write(path, tone(440))
    data = ClipData(
        "a tune.wav", path, "A Tune", "Somebody", "CC0-1.0", "a folder", details={"tempo": 80}
    )
    collect(Listed([data]), "core/folder", library)
    (clip,) = Library(library.path).clips
    assert (clip.title, clip.artist, clip.licence, clip.origin) == (
        "A Tune", "Somebody", "CC0-1.0", "a folder",
    )  # fmt: skip
    assert clip.details == {"tempo": 80}
    assert clip.seconds == 0.5
    assert (library.path / clip.file).read_bytes() == path.read_bytes()
    assert len(clip.sha256) == 64


def test_collecting_twice_adds_nothing_twice(library: Library) -> None:
    source = Listed([ClipData("a", tone(440)), ClipData("b", tone(550))])
    assert len(collect(source, "x/y", library).added) == 2
    again = collect(source, "x/y", Library(library.path))
    assert (again.added, again.known) == ([], 2)
    assert source.given == ["a", "b"]
    assert len(Library(library.path).clips) == 2


def test_the_same_content_under_another_key_is_the_same_clip(library: Library) -> None:
    source = Listed([ClipData("a", tone(440)), ClipData("copy", tone(440))])
    done = collect(source, "x/y", library)
    assert (len(done.added), done.known) == (1, 1)
    assert library.known_keys("x/y") == {"a", "copy"}


def test_two_folders_may_hold_files_of_one_name(library: Library, tmp_path: Path) -> None:
    for name, pitch in (("one", 440), ("two", 550)):
        (tmp_path / name).mkdir()
        write(tmp_path / name / "take.wav", tone(pitch))
        for _ in range(2):
            collect(Folder(FolderConfig(path=tmp_path / name)), "core/folder", library)
    assert len(library.clips) == 2


def test_one_bad_clip_stops_nothing(library: Library, tmp_path: Path) -> None:
    bad = tmp_path / "bad.wav"
    bad.write_bytes(b"not a wav at all")
    source = Listed(
        [
            ClipData("bad.wav", bad),
            ClipFailure("gone", "it is gone"),
            ClipData("nan", Audio(np.full((1, 9), np.nan, np.float32), RATE)),
            ClipData("good", tone(330)),
        ]
    )
    done = collect(source, "x/y", library)
    assert len(done.added) == 1
    assert [name for name, _ in done.failed] == ["bad.wav", "gone", "nan"]
    assert all(reason for _, reason in done.failed)
    assert sorted(p.name for p in (library.path / "clips").iterdir()) == [
        Path(library.clips[0].file).name
    ]


def test_real_files_all_in_one_go(library: Library, lofi: Path, odd: Path) -> None:
    files = [*sorted(odd.iterdir()), *sorted(lofi.glob("*.ogg"))[:2]]
    done = collect(Listed([ClipData(f.name, f) for f in files]), "x/y", library)
    assert (len(done.added), len(done.failed), len(done.damaged)) == (14, 12, 2)
    assert done.known == 1  # one odd file is another one under another name
    store = open_samples(library, 4410)
    assert np.isfinite(store.data).all()
    assert np.abs(store.data).max() <= 1.1  # resampling may ring a little above full scale
    assert store.failed == ()


@pytest.mark.parametrize("torn", [b'{"clip": {"id"', b"{"])
def test_a_torn_last_line_is_written_over(library: Library, torn: bytes) -> None:
    collect(Listed([ClipData("a", tone(440))]), "x/y", library)
    with (library.path / "index.jsonl").open("ab") as file:
        file.write(torn)
    again = Library(library.path)
    collect(Listed([ClipData("b", tone(550))]), "x/y", again)
    assert len(Library(library.path).clips) == 2
    for line in (library.path / "index.jsonl").read_text().splitlines():
        json.loads(line)


def test_a_damaged_index_is_refused_by_place(library: Library) -> None:
    collect(Listed([ClipData("a", tone(440))]), "x/y", library)
    index = library.path / "index.jsonl"
    index.write_text("nonsense\n" + index.read_text())
    with pytest.raises(LibraryError, match="damaged near byte 0"):
        Library(library.path)


def test_two_writers_see_each_other(library: Library) -> None:
    other = Library(library.path)
    collect(Listed([ClipData("a", tone(440))]), "x/y", library)
    collect(Listed([ClipData("a", tone(440)), ClipData("b", tone(550))]), "x/y", other)
    collect(Listed([ClipData("c", tone(660))]), "x/y", library)
    assert len(Library(library.path).clips) == 3


KILLED = """
import sys, time
import numpy as np
from pathlib import Path
from lofikit.audio import Audio
from lofikit.collection import collect
from lofikit.library import Library
from lofikit.sources.base import ClipData, Source

class Slow(Source):
    def clips(self, known):
        for i in range(40):
            if str(i) not in known:
                noise = np.random.default_rng(i).uniform(-1, 1, (2, 40000)).astype(np.float32)
                yield ClipData(str(i), Audio(noise, 8000), stems={"one": Audio(noise, 8000)})

collect(Slow(None), "x/y", Library(Path(sys.argv[1]), create=True))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a POSIX signal")
def test_a_killed_collection_goes_on_where_it_stopped(tmp_path: Path) -> None:
    path = tmp_path / "library"
    for _ in range(4):
        process = subprocess.Popen([sys.executable, "-c", KILLED, str(path)])
        before = len(Library(path).clips) if (path / "index.jsonl").exists() else 0
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline and process.poll() is None:
            if (path / "index.jsonl").exists() and len(Library(path).clips) >= before + 5:
                break
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        found = Library(path)
        assert len(found.clips) > before
        for clip in found.clips:  # whatever the index names is whole
            assert (found.path / clip.file).is_file()
            assert found.stems(clip) == ["true/one"]
    subprocess.run([sys.executable, "-c", KILLED, str(path)], check=True, timeout=120)
    found = Library(path)
    assert len(found.clips) == 40
    assert len(list((path / "clips").glob("*.flac"))) == 40
    assert open_samples(found, 4000).data.shape[0] == 40 * 20000


def test_stems_and_their_sums(library: Library) -> None:
    stems = {"low": tone(200), "high": tone(900)}
    mix = Audio(stems["low"].samples + stems["high"].samples, RATE)
    collect(Listed([ClipData("a", mix, stems=stems)]), "x/y", library)
    (clip,) = library.clips
    assert library.stems(clip) == ["true/high", "true/low"]
    assert library.stem_names() == {"true/high": 1, "true/low": 1}
    whole = open_samples(library, RATE)
    both = open_samples(library, RATE, "true/low+high")
    np.testing.assert_allclose(both.data, whole.data, atol=1e-4)


def test_a_stem_above_full_scale_keeps_its_level(library: Library) -> None:
    loud = Audio(tone(200).samples * 4, RATE)
    collect(Listed([ClipData("a", tone(200), stems={"loud": loud})]), "x/y", library)
    assert np.abs(open_samples(library, RATE, "true/loud").data).max() == pytest.approx(1.6, 1e-3)


def test_a_stem_that_is_not_there_is_explained(library: Library) -> None:
    collect(Listed([ClipData("a", tone(440))]), "x/y", library)
    with pytest.raises(LibraryError, match="has the stem 'hpss/harmonic'") as caught:
        library.with_stem("hpss/harmonic")
    assert "lofikit separate" in caught.value.hint
    for name in ("nonsense", "../up", "a/../../b", "a/b+"):
        with pytest.raises(LibraryError, match="not a stem's name"):
            library.with_stem(name)


def test_missing_empty_and_foreign_folders(tmp_path: Path, library: Library) -> None:
    with pytest.raises(LibraryError, match="does not exist"):
        Library(tmp_path / "nowhere")
    with pytest.raises(LibraryError, match="is empty"):
        library.with_stem("mix")
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    (foreign / "diary.txt").write_text("dear diary")
    with pytest.raises(LibraryError, match="other things"):
        Library(foreign, create=True)


def test_licences_are_grouped(library: Library) -> None:
    items = [ClipData("a", tone(440), licence="CC0-1.0"), ClipData("b", tone(550))]
    collect(Listed(list(items)), "x/y", library)
    assert [(name, len(clips)) for name, clips in licences(library.clips)] == [
        ("CC0-1.0", 1),
        ("unknown", 1),
    ]


def test_samples_are_prepared_once_and_appended(library: Library) -> None:
    collect(Listed([ClipData("a", tone(440, channels=2))]), "x/y", library)
    calls: list[int] = []
    open_samples(library, 4000, progress=lambda done, total: calls.append(total))
    open_samples(library, 4000, progress=lambda done, total: calls.append(total))
    assert calls == [1]
    collect(Listed([ClipData("b", tone(550))]), "x/y", library)
    store = open_samples(library, 4000, progress=lambda done, total: calls.append(total))
    assert calls == [1, 1]
    assert [part.length for part in store.clips] == [2000, 2000]
    for part, pitch in zip(store.clips, (440, 550), strict=True):
        spectrum = np.abs(np.fft.rfft(store.of(part)))
        assert np.argmax(spectrum) * 2 == pytest.approx(pitch, abs=2)


def test_stems_that_are_prepared_at_once_keep_apart(library: Library) -> None:
    pitches = {"low": 200, "middle": 500, "high": 900}
    for number in range(8):
        stems = {name: tone(pitch + number, 30.0) for name, pitch in pitches.items()}
        song = ClipData(str(number), tone(300 + number, 30.0), stems=stems)
        collect(Listed([song]), "x/y", library)
    names = [f"true/{name}" for name in pitches]
    with ThreadPoolExecutor(len(names)) as pool:
        stores = list(pool.map(lambda name: open_samples(library, 4000, name), names))
    for store, pitch in zip(stores, pitches.values(), strict=True):
        assert len(store.clips) == 8
        for part in store.clips:
            spectrum = np.abs(np.fft.rfft(store.of(part)))
            assert np.argmax(spectrum) / 30 == pytest.approx(pitch + int(part.clip.key), abs=0.1)


def test_half_prepared_samples_are_made_again(library: Library) -> None:
    collect(Listed([ClipData("a", tone(440))]), "x/y", library)
    good = np.array(open_samples(library, 4000).data)
    data = library.path / "samples" / "mix-4000.f32"
    with data.open("ab") as file:
        file.write(b"\0\0\0\0\0\0\0")
    with data.with_suffix(".jsonl").open("a") as file:
        file.write('{"clip": "x", "off')
    np.testing.assert_array_equal(open_samples(library, 4000).data, good)
    with data.open("r+b") as file:
        file.truncate(100)
    np.testing.assert_array_equal(open_samples(library, 4000).data, good)
