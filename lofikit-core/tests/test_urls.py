"""A list of files on the web, against a real server."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import soundfile

from lofikit.cli.main import run
from lofikit.collection import Report, collect
from lofikit.errors import SourceError
from lofikit.library import Library
from lofikit.sources.urls import Urls, UrlsConfig
from lofikit.testing.server import Answer, LoopbackServer, Request, file_answer
from lofikit.testing.sources import SourceSuite


def content(name: str) -> bytes:
    samples = np.random.default_rng(len(name)).uniform(-0.3, 0.3, 4000)
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, 8000, format="WAV")
    return buffer.getvalue()


def respond(request: Request) -> Answer:
    name = request.parts[-1]
    if not name.endswith(".wav"):
        return Answer(404)
    return file_answer(request, content(name), "audio/wav")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(respond) as running:
        yield running


def config(path: Path, **options: Any) -> UrlsConfig:
    return UrlsConfig(path=path, **{"pause": 0, "retry_wait": 0.001, **options})


def gather(path: Path, **options: Any) -> Report:
    library = Library(path.parent / "library", create=True)
    return collect(Urls(config(path, **options)), "core/urls", library)


class TestSuite(SourceSuite):
    component: ClassVar[str] = "core/urls"

    @pytest.fixture(autouse=True)
    def serve(self, server: LoopbackServer, tmp_path: Path) -> None:
        path = tmp_path / "list.csv"
        path.write_text("url\n" + "".join(f"{server.url}/{'x' * n}.wav\n" for n in (1, 2, 3)))
        self.made = config(path)

    def config(self) -> UrlsConfig:
        return self.made


def test_a_list_is_collected_with_what_it_says(server: LoopbackServer, tmp_path: Path) -> None:
    right = hashlib.sha256(content("rain.wav")).hexdigest()
    path = tmp_path / "list.csv"
    path.write_text(
        "URL,License,Title,Artist,SHA256,Mood\n"
        f"{server.url}/rain.wav,http://creativecommons.org/licenses/by/4.0/,Rain,Ada,{right},wet\n"
        f"{server.url}/a/..%2F..%2Fetc%2Ffog.wav?x=1,CC0,,,,\n"
        f"{server.url}/rain.wav,,again,,,\n"
        f"{server.url}/missing.mp3,,,,,\n"
        f"{server.url}/snow.wav,,,,{'0' * 64},\n"
        f"{server.url}/hail.wav,,,,abc,\n"
        f"http://user:secret@127.0.0.1/x.wav,,,,,\n"
        "ftp://127.0.0.1/x.wav,,,,,\n"
        "../../etc/passwd,,,,,\n"
        ",,,,,\n"
    )
    report = gather(path, retries=0)
    clips = {clip.title: clip for clip in Library(tmp_path / "library").clips}
    assert set(clips) == {"again", "fog"}, "of two rows with one URL the last one counts"
    assert clips["fog"].licence == "CC0-1.0"
    assert clips["fog"].key == clips["fog"].origin == f"{server.url}/a/..%2F..%2Fetc%2Ffog.wav?x=1"
    reasons = [why for _, why in report.failed]
    for words, why in zip(
        ("status 404", "sha256 checksum is wrong", "64 hexadecimal", "password", "address", "addr"),
        reasons,
        strict=True,
    ):
        assert words in why
    assert "secret" not in str(report.failed)

    right = hashlib.sha256(content("sleet.wav")).hexdigest()
    path.write_text(
        "url;licence;title;artist;sha256;mood\n"
        f"{server.url}/sleet.wav;CC BY 4.0;Sleet;Ada;{right};wet\n"
    )
    gather(path)
    sleet = Library(tmp_path / "library").clips[-1]
    assert (sleet.title, sleet.artist, sleet.licence) == ("Sleet", "Ada", "CC-BY-4.0")
    assert sleet.details == {"mood": "wet"}


def test_nothing_is_downloaded_twice_and_redirects_are_followed(
    server: LoopbackServer, tmp_path: Path
) -> None:
    elsewhere = Answer(
        302, headers={"Location": server.url.replace("127.0.0.1", "localhost") + "/b.wav"}
    )
    server.misbehave = lambda request: elsewhere if request.path == "/a.wav" else None
    path = tmp_path / "list.csv"
    path.write_text(f"url\n{server.url}/a.wav\n")
    assert len(gather(path).added) == 1
    assert gather(path).known == 1
    assert server.count("/b.wav") == 1


def test_a_list_that_cannot_be_read_is_said_before_a_library_is_made(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "list.csv"
    path.write_text("link,title\nx,y\n")
    assert run(["collect", "urls", "--source.path", str(path), "-o", str(tmp_path / "lib")]) == 1
    assert "there is no column 'url' (columns: link, title)" in capsys.readouterr().err
    assert not (tmp_path / "lib").exists()
    with pytest.raises(SourceError, match="not a file"):
        gather(tmp_path / "nowhere.csv")
