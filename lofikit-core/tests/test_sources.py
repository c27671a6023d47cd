"""Sources: a folder of files as people leave them, and the beat maker."""

import os
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

from lofikit.audio import Audio
from lofikit.errors import LofikitError, OptionError
from lofikit.options import build
from lofikit.sources.base import ClipData, ClipFailure
from lofikit.sources.folder import Folder, FolderConfig
from lofikit.sources.synthetic import Synthetic, SyntheticConfig
from lofikit.testing.sources import SourceSuite

LOFI = Path(__file__).parents[3] / "shared" / "data" / "lofi"


def touch(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"whether this can be read is for the library to see")


def collect(root: Path, known: frozenset[str] = frozenset(), **options: Any) -> list[Any]:
    return list(Folder(build(FolderConfig, {"path": root, **options})).clips(known))


def keys(items: list[Any]) -> list[str]:
    return [item.key for item in items if isinstance(item, ClipData)]


def failures(items: list[Any]) -> dict[str, str]:
    return {item.key: item.reason for item in items if isinstance(item, ClipFailure)}


class TestFolderSuite(SourceSuite):
    component = "core/folder"

    @pytest.fixture(autouse=True)
    def _files(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        touch(tmp_path, "b.wav", "a/c.mp3", "a/d.flac", "e.ogg")
        monkeypatch.setattr(type(self), "options", {"path": tmp_path}, raising=False)


class TestSyntheticSuite(SourceSuite):
    component = "core/synthetic"
    options: ClassVar = {"clips": 3, "seconds": 1.5, "sample_rate": 8000}


def test_nested_folders_and_odd_names_are_found_in_order(tmp_path: Path) -> None:
    names = [
        "Z.WAV",
        "b c/ü ☕.flac",
        "b c/音楽/1.Opus",
        "b c/音楽/%s;'\".ogg",
        "d/x.m4a",
        "d/y.mp3",
    ]
    touch(tmp_path, *names, "notes.txt", "cover.jpg", "d/noise", ".hidden.wav", ".git/z.wav")
    items = collect(tmp_path)
    assert sorted(keys(items)) == sorted(names)
    assert keys(items) == keys(collect(tmp_path))
    assert all(item.audio == tmp_path / item.key for item in items)
    assert all(item.origin == str(tmp_path.resolve()) for item in items)


def test_known_clips_are_passed_over_and_still_counted(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "b/c.wav", "d.wav")
    assert keys(collect(tmp_path, frozenset({"b/c.wav"}))) == ["a.wav", "d.wav"]
    assert Folder(FolderConfig(path=tmp_path)).total() == 3


def test_pattern_and_depth_choose_files(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "drums/b.wav", "drums/c.mp3")
    assert keys(collect(tmp_path, pattern="drums/*.wav")) == ["drums/b.wav"]
    assert keys(collect(tmp_path, recursive=False)) == ["a.wav"]


def test_links_are_followed_once_and_loops_end(tmp_path: Path) -> None:
    music, elsewhere = tmp_path / "music", tmp_path / "elsewhere"
    touch(music, "a/b.wav")
    touch(elsewhere, "c.wav")
    (music / "a" / "loop").symlink_to(music)
    (music / "again").symlink_to(music / "a")
    (music / "out").symlink_to(elsewhere)
    (music / "out twice").symlink_to(elsewhere)
    (elsewhere / "back").symlink_to(music / "out")
    (music / "broken.wav").symlink_to(music / "nowhere.wav")
    (music / "self.wav").symlink_to(music / "self.wav")
    items = collect(music)
    assert keys(items) == ["a/b.wav", "out/c.wav"]
    assert set(failures(items)) == {"broken.wav", "self.wav"}
    assert "leads nowhere" in failures(items)["broken.wav"]


def test_what_is_no_file_is_never_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.wav")  # opening it would wait for a writer for ever
    os.mkfifo(tmp_path / "manifest.csv")
    touch(tmp_path, "folder.wav/a.wav")
    items = collect(tmp_path)
    assert keys(items) == ["folder.wav/a.wav"]
    assert set(failures(items)) == {"pipe.wav", "manifest.csv"}


def test_names_that_are_not_utf8_become_text(tmp_path: Path) -> None:
    name = os.fsdecode(b"caf\xe9.wav")
    try:
        touch(tmp_path, name)
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    (clip,) = collect(tmp_path)
    assert clip.key == "caf\\xe9.wav"
    assert clip.audio.is_file()


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is closed to root")
def test_a_folder_that_is_closed_is_reported(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "closed/b.wav")
    (tmp_path / "closed").chmod(0)
    try:
        items = collect(tmp_path)
    finally:
        (tmp_path / "closed").chmod(0o700)
    assert keys(items) == ["a.wav"]
    assert "closed" in failures(items)


def test_a_folder_that_is_not_there_is_one_clear_error(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav")
    for path, words in ((tmp_path / "nowhere", "no such folder"), (tmp_path / "a.wav", "not a f")):
        with pytest.raises(LofikitError, match=words) as caught:
            collect(path)
        assert "--source.path" in caught.value.hint
    with pytest.raises(OptionError, match=r"--source.path is required"):
        build(FolderConfig, {}, prefix="source")


MANIFEST = "file,title,artist,licence,source,bpm\na.wav,Blüten,Né,CC0-1.0,https://x.org/1,82\n"


@pytest.mark.parametrize(
    "content",
    [
        MANIFEST.encode(),
        MANIFEST.encode("utf-8-sig"),
        MANIFEST.encode("utf-16"),
        MANIFEST.encode("cp1252"),
        MANIFEST.replace(",", ";").replace("\n", "\r\n").encode(),
        MANIFEST.replace(",", "\t").encode(),
        MANIFEST.replace("file,", " File ,").encode(),
    ],
    ids=["utf-8", "bom", "utf-16", "cp1252", "semicolons", "tabs", "header"],
)
def test_a_manifest_gives_provenance(tmp_path: Path, content: bytes) -> None:
    touch(tmp_path, "sub/a.wav", "sub/b.wav")
    (tmp_path / "sub" / "manifest.csv").write_bytes(content)
    first, second = collect(tmp_path)
    assert (first.title, first.artist, first.licence) == ("Blüten", "Né", "CC0-1.0")
    assert first.origin == "https://x.org/1"
    assert first.details == {"bpm": "82"}
    assert (second.title, second.licence) == ("", "")


def test_columns_may_be_missing_and_the_nearest_manifest_counts(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "sub/b.wav", "sub/c.wav")
    (tmp_path / "manifest.csv").write_text("title,file\nA,a.wav\nfar,sub/b.wav\nC,sub/c.wav\n")
    (tmp_path / "sub" / "manifest.csv").write_text("file,origin,title\nb.wav,a friend,near\n,,\n")
    found = {item.key: item for item in collect(tmp_path)}
    assert {key: item.title for key, item in found.items()} == {
        "a.wav": "A",
        "sub/b.wav": "near",
        "sub/c.wav": "C",
    }
    assert found["sub/b.wav"].origin == "a friend"


def test_accents_may_be_written_either_way(tmp_path: Path) -> None:
    touch(tmp_path, "nai\u0308ve.wav")
    (tmp_path / "manifest.csv").write_text("file,title\nna\u00efve.wav,Found\n", "utf-8")
    (clip,) = collect(tmp_path)
    assert clip.title == "Found"


def test_rows_without_a_file_are_reported_unless_not_wanted(tmp_path: Path) -> None:
    touch(tmp_path, "a.wav", "cover.jpg", "sub/b.wav")
    names = ["a.wav", "gone.wav", "known.wav", "cover.jpg", "sub/b.wav", "x" * 5000 + ".wav"]
    (tmp_path / "manifest.csv").write_text("file\n" + "\n".join(names) + "\n")
    reported = failures(collect(tmp_path, frozenset({"known.wav"}), recursive=False))
    assert set(reported) == {"gone.wav", names[-1]}
    assert "no such file" in reported["gone.wav"]
    assert not failures(collect(tmp_path, pattern="*a.wav"))


@pytest.mark.parametrize("name", ["../secret.wav", "sub/../../secret.wav", "{root}/secret.wav"])
def test_a_manifest_never_leads_out_of_its_folder(tmp_path: Path, name: str) -> None:
    touch(tmp_path, "secret.wav", "music/a.wav")
    row = name.format(root=tmp_path)
    (tmp_path / "music" / "manifest.csv").write_text(f"file,title\n{row},Stolen\n")
    items = collect(tmp_path / "music")
    assert keys(items) == ["a.wav"]
    assert "outside" in failures(items)["manifest.csv"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "no column 'file'"),
        (b"name,title\na.wav,A\n", "columns: name, title"),
        (b"\x00\x01\x02\x03file", "not a text"),
        (b"\xff\xfea", "not a text"),
        (b"file,title\na.wav," + b"x" * 200_000, "after line 1"),
    ],
    ids=["empty", "no file column", "binary", "cut off", "huge field"],
)
def test_an_unreadable_manifest_stops_nothing(tmp_path: Path, content: bytes, words: str) -> None:
    touch(tmp_path, "a.wav")
    (tmp_path / "manifest.csv").write_bytes(content)
    items = collect(tmp_path)
    assert keys(items) == ["a.wav"]
    assert words in failures(items)["manifest.csv"]


@pytest.mark.skipif(not LOFI.is_dir(), reason=f"there is no real music in {LOFI}")
def test_real_music_has_its_provenance() -> None:
    items = collect(LOFI)
    assert len(keys(items)) == 22
    assert not failures(items)
    assert {item.licence for item in items} == {"CC0-1.0"}
    assert all(item.title and item.artist and item.origin for item in items)


def songs(**options: Any) -> list[ClipData]:
    config = {"clips": 2, "seconds": 1.5, "sample_rate": 8000, **options}
    return list(Synthetic(build(SyntheticConfig, config)).clips(frozenset()))


def test_a_song_depends_on_its_seed_number_length_and_rate_alone() -> None:
    first, second = songs(seed=3)
    again = songs(seed=3, clips=1)[0]
    assert first.key == "beats-2-seed-3-clip-0-1.5s@8000"
    assert isinstance(first.audio, Audio)
    assert isinstance(second.audio, Audio)
    assert isinstance(again.audio, Audio)
    assert np.array_equal(first.audio.samples, again.audio.samples)
    assert first.details == again.details
    assert not np.array_equal(first.audio.samples, second.audio.samples)
    others = songs(seed=4) + songs(seconds=2) + songs(sample_rate=11025)
    assert len({clip.key for clip in [first, second, *others]}) == 8


def test_a_song_comes_with_all_that_is_known_of_it() -> None:
    song = songs(seconds=6)[0]
    assert isinstance(song.audio, Audio)
    total = np.sum([stem.samples for stem in song.stems.values()], axis=0)
    np.testing.assert_allclose(total, song.audio.samples, atol=1e-5)
    assert song.audio.samples.shape == (2, 48_000)
    assert song.licence == "CC0-1.0"
    assert song.title
    assert 70 <= song.details["tempo"] <= 90
    steps = np.diff(song.details["beats"])
    np.testing.assert_allclose(steps, 60 / song.details["tempo"], atol=2e-3)
    assert song.details["chords"][0][0] == 0.0


def test_neighbouring_seeds_share_no_songs() -> None:
    titles = [
        clip.audio.samples.tobytes()
        for seed in range(3)
        for clip in songs(seed=seed)
        if isinstance(clip.audio, Audio)
    ]
    assert len(set(titles)) == 6


def test_known_songs_are_not_rendered(monkeypatch: pytest.MonkeyPatch) -> None:
    source = Synthetic(SyntheticConfig(clips=50, seconds=1.5, sample_rate=8000))
    known = frozenset(f"beats-2-seed-0-clip-{index}-1.5s@8000" for index in range(49))
    rendered = []
    from lofikit.sources import beatmaker

    compose = beatmaker.compose
    monkeypatch.setattr(
        beatmaker, "compose", lambda *args: (rendered.append(args), compose(*args))[1]
    )
    assert [clip.key for clip in source.clips(known)] == ["beats-2-seed-0-clip-49-1.5s@8000"]
    assert len(rendered) == 1
    assert source.total() == 50
