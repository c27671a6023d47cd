"""The source, with spotipy talking to a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lofikit.cli.main import run
from lofikit.collection import Report, collect
from lofikit.errors import SourceError
from lofikit.library import Library
from lofikit.testing.server import Answer, LoopbackServer, Request
from lofikit.testing.sources import SourceSuite
from lofikit_spotify.config import SpotifyConfig
from lofikit_spotify.source import Spotify as SpotifySource

ALBUM = "album00000000000000001"
OTHER_ALBUM = "album00000000000000002"
PLAYLIST = "list000000000000000001"
ARTIST = "artist0000000000000001"

Gather = Callable[..., tuple[Report, list[str]]]


@pytest.fixture
def gather(config: Callable[..., SpotifyConfig], tmp_path: Path) -> Gather:
    """Collects items into a library; returns the report and what the source said."""

    def gather(*items: str, **options: Any) -> tuple[Report, list[str]]:
        source = SpotifySource(config(*items, **options))
        notes: list[str] = []
        source.note = notes.append
        library = Library(tmp_path / "library", create=True)
        return collect(source, "spotify/spotify", library), notes

    return gather


class TestSuite(SourceSuite):
    component = "spotify/spotify"

    @pytest.fixture(autouse=True)
    def serve(self, spotify: Any, config: Callable[..., SpotifyConfig]) -> None:
        spotify.albums[ALBUM] = [1, 2, 3]
        self.made = config()

    def config(self) -> SpotifyConfig:
        return self.made


def test_an_album_is_collected_with_its_provenance(
    spotify: Any, server: LoopbackServer, gather: Gather, tmp_path: Path
) -> None:
    spotify.albums[ALBUM] = list(range(1, 8))
    spotify.page = 3
    report, notes = gather(f"https://open.spotify.com/intl-de/album/{ALBUM}?si=abc")
    assert len(report.added) == 7
    assert not report.failed
    clip = Library(tmp_path / "library").clips[0]
    assert (clip.title, clip.artist, clip.licence) == (
        "Rain 1",
        "Beatsmith, Guest",
        "LicenseRef-Spotify",
    )
    assert clip.key == "spotify:track:track00000000000000001"
    assert clip.origin == "https://open.spotify.com/track/track00000000000000001"
    assert clip.details["album"] == "Album 001"
    assert clip.details["released"] == "2020-05-01"
    assert clip.details["preview_url"] == f"{server.url}/mp3-preview/p1"
    assert clip.collected
    assert "forbid downloading" in notes[0]
    paths = {request.path for request in server.requests}
    assert f"/v1/albums/{ALBUM}/tracks/" in paths
    assert not {"/v1/albums/", "/v1/tracks/"} & paths, "an endpoint for several ids was used"


def test_playlists_artists_and_tracks(spotify: Any, gather: Gather) -> None:
    spotify.albums = {ALBUM: [1, 2], OTHER_ALBUM: [3]}
    spotify.artists[ARTIST] = [ALBUM, OTHER_ALBUM]
    spotify.playlists[PLAYLIST] = [2, "local", 4, "episode", 5, "removed"]
    report, notes = gather(
        f"spotify:artist:{ARTIST}",
        f"spotify:playlist:{PLAYLIST}",
        "spotify:track:track00000000000000006",
    )
    assert len(report.added) == 6, "each track once"
    assert any("3 local files, episodes or removed" in note for note in notes)


def test_playlists_of_newer_apps_name_their_rows_otherwise(spotify: Any, gather: Gather) -> None:
    spotify.playlists[PLAYLIST] = [1, 2]
    spotify.row_name = "item"
    assert len(gather(f"spotify:playlist:{PLAYLIST}")[0].added) == 2


def test_the_market_goes_along(spotify: Any, server: LoopbackServer, gather: Gather) -> None:
    spotify.albums[ALBUM] = [1]
    gather(market="DE")
    asked = [r for r in server.requests if r.path.startswith("/v1/albums")]
    assert all(request.query["market"] == ["DE"] for request in asked)


def test_a_second_collection_downloads_nothing(
    spotify: Any, server: LoopbackServer, gather: Gather
) -> None:
    spotify.albums[ALBUM] = [1, 2, 3]
    gather(limit=2)
    report, _ = gather()
    assert (len(report.added), report.known) == (1, 2)
    assert all(server.count(f"/mp3-preview/p{n}") == 1 for n in (1, 2, 3))


def test_without_permission_nothing_is_asked(
    server: LoopbackServer, flags: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [flag for flag in flags if "permission" not in flag]
    code = run(["collect", "spotify", "-o", str(tmp_path / "lib"), "--source.items", ALBUM, *words])
    said = capsys.readouterr().err.splitlines()
    assert code == 1
    assert len(said) == 2
    assert "forbid downloading its content and training" in said[0]
    assert "--source.i-have-permission" in said[1]
    assert not server.requests
    assert not (tmp_path / "lib").exists()


def test_tracks_without_previews_are_counted(spotify: Any, gather: Gather) -> None:
    spotify.albums[ALBUM] = [1, 2, 3, 4]
    spotify.silent = {2, 3}
    report, notes = gather()
    assert len(report.added) == 2
    assert "2 of 4 tracks have no preview" in notes[-1]
    assert "27 November 2024" in notes[-1]
    assert "lofikit-archive" in notes[-1]


def test_no_preview_at_all_is_an_error_that_says_what_to_use(spotify: Any, gather: Gather) -> None:
    spotify.albums[ALBUM] = [1, 2]
    spotify.silent = {1, 2}
    with pytest.raises(SourceError, match="2 of 2 tracks have no preview") as raised:
        gather()
    assert "lofikit collect archive" in raised.value.hint


def test_what_spotify_does_not_know_or_show_is_one_failure(
    spotify: Any, server: LoopbackServer, gather: Gather
) -> None:
    spotify.albums[ALBUM] = [1]
    forbidden = Answer(403, b'{"error": {"status": 403, "message": "Forbidden"}}')
    server.misbehave = lambda r: forbidden if "playlists" in r.path else None
    report, _ = gather(OTHER_ALBUM, f"spotify:playlist:{PLAYLIST}", ALBUM)
    assert len(report.added) == 1
    assert [key for key, _ in report.failed] == [
        f"spotify:album:{OTHER_ALBUM}",
        f"spotify:playlist:{PLAYLIST}",
    ]
    assert "does not know it (404: Resource not found)" in report.failed[0][1]
    assert "development mode" in report.failed[1][1]


def test_500_tracks_with_faults_on_every_fifth_request_are_collected_whole(
    every_fifth: Callable[[Request], Answer | None],
    spotify: Any,
    server: LoopbackServer,
    gather: Gather,
    tmp_path: Path,
) -> None:
    spotify.albums[ALBUM] = list(range(120))
    spotify.playlists[PLAYLIST] = list(range(120, 500))
    server.misbehave = every_fifth
    report, _ = gather(ALBUM, f"spotify:playlist:{PLAYLIST}")
    assert not report.failed
    assert len(report.added) == 500
    assert not report.damaged
    assert len(server.requests) > 600
    clips = Library(tmp_path / "library").clips
    assert [clip.title for clip in clips] == [f"Rain {n}" for n in range(500)]
    assert len({clip.sha256 for clip in clips}) == 500


def test_a_withdrawn_token_is_renewed(spotify: Any, server: LoopbackServer, gather: Gather) -> None:
    spotify.albums[ALBUM] = [1, 2]
    spotify.page = 1

    def withdraw(request: Request) -> None:
        if request.query.get("offset") == ["1"]:
            spotify.withdrawn.add(spotify.tokens[0])

    server.misbehave = withdraw
    assert len(gather()[0].added) == 2
    assert len(spotify.tokens) == 2


def test_rate_limits_and_quotas_are_explained(
    spotify: Any, server: LoopbackServer, gather: Gather
) -> None:
    spotify.albums[ALBUM] = [1]
    body = b'{"error": {"status": 429, "message": "API rate limit exceeded"}}'

    def limited(body: bytes, **headers: str) -> Callable[[Request], Answer | None]:
        made = Answer(429, body, {k.replace("_", "-"): v for k, v in headers.items()})
        done: list[Request] = []

        def misbehave(request: Request) -> Answer | None:
            if "albums" not in request.path or done:
                return None
            done.append(request)
            return made

        return misbehave

    server.misbehave = limited(body, Retry_After="79340")
    with pytest.raises(SourceError, match=r"22 h 2 min.*rate limit of your app") as raised:
        gather()
    assert "goes on where it stopped" in raised.value.hint
    server.misbehave = limited(b'{"error": {"message": "Your quota has been exceeded"}}')
    with pytest.raises(SourceError, match="quota of your app is used up"):
        gather()
    server.misbehave = limited(body, Retry_After="1")
    report, notes = gather()
    assert len(report.added) == 1
    assert any("rate limit of your app" in n and "waiting 1 s" in n for n in notes)


def test_a_storm_ends_the_collection_and_keeps_what_there_is(
    spotify: Any, server: LoopbackServer, gather: Gather, tmp_path: Path
) -> None:
    spotify.albums[ALBUM] = list(range(20))
    server.misbehave = lambda request: (
        Answer(503) if "preview" in request.path and request.number > 9 else None
    )
    with pytest.raises(SourceError, match="in a row"):
        gather(retries=2)
    kept = len(Library(tmp_path / "library").clips)
    assert kept > 3
    server.misbehave = lambda request: None
    report, _ = gather()
    assert (report.known, len(report.added)) == (kept, 20 - kept)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (Answer(200, b"<html></html>", {"Content-Type": "text/html"}), "sent text/html, not audio"),
        (Answer(200, b"ID3" + bytes(30_000)), "larger than"),
        (Answer(200, b"MZ\x90\x00 program"), "not wav, flac, ogg or mp3"),
        (Answer(302, headers={"Location": "http://localhost:9/x"}), "redirects to another host"),
        (Answer(404), "status 404"),
    ],
)
def test_a_bad_preview_is_one_failure(
    spotify: Any, server: LoopbackServer, gather: Gather, answer: Answer, reason: str
) -> None:
    spotify.albums[ALBUM] = [1, 2]
    server.misbehave = lambda request: answer if request.path == "/mp3-preview/p1" else None
    report, _ = gather(largest=0.02)
    assert len(report.added) == 1
    assert [(k, reason in why) for k, why in report.failed] == [
        ("spotify:track:track00000000000000001", True)
    ]
    assert spotify.client_id not in report.failed[0][1]


def test_the_token_goes_to_no_other_host(
    spotify: Any, server: LoopbackServer, gather: Gather
) -> None:
    spotify.albums[ALBUM] = [1]
    with LoopbackServer(lambda request: Answer(200, b"{}")) as elsewhere:
        away = Answer(302, headers={"Location": f"{elsewhere.url}/v1/albums"})
        server.misbehave = lambda request: away if "albums" in request.path else None
        with pytest.raises(SourceError, match="another host"):
            gather()
        page = b'{"items": [], "next": "%s/v1/x"}' % elsewhere.url.encode()
        server.misbehave = lambda r: Answer(200, page) if r.path.endswith("tracks/") else None
        with pytest.raises(SourceError, match="next page that cannot be right"):
            gather()
        assert not elsewhere.requests


@pytest.mark.parametrize("body", [b"[]", b'"x"', b"null", b"7"])
def test_answers_that_make_no_sense(server: LoopbackServer, gather: Gather, body: bytes) -> None:
    server.misbehave = lambda request: Answer(200, body) if "albums" in request.path else None
    with pytest.raises(SourceError, match="cannot be understood"):
        gather()
    server.misbehave = lambda request: Answer(200, body)
    with pytest.raises(SourceError, match="cannot be understood"):
        gather()


def test_a_killed_collection_goes_on_and_downloads_nothing_twice(
    spotify: Any, server: LoopbackServer, flags: list[str], home: Path, tmp_path: Path
) -> None:
    spotify.albums[ALBUM] = list(range(10))
    respond = spotify.respond

    def slow_sixth(request: Request) -> Answer:
        made: Answer = respond(request)
        return replace(made, trickle=0.2) if request.path == "/mp3-preview/p6" else made

    server.respond = slow_sixth
    words = [
        sys.executable, "-m", "lofikit", "collect", "spotify", "-o", str(tmp_path / "library"),
        "--source.items", ALBUM, *flags,
    ]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_until(lambda: server.count("/mp3-preview/p6") > 0 and partial_bytes(home) > 0)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 clips collected, 6 there already" in done.stdout
    for number in range(10):
        asked = [r for r in server.requests if r.path == f"/mp3-preview/p{number}"]
        whole = [request for request in asked if "range" not in request.headers]
        assert len(whole) == 1, f"preview {number} was downloaded {len(whole)} times"
        assert len(asked) == (2 if number == 6 else 1)
    assert len(Library(tmp_path / "library").clips) == 10
    assert not [file for file in home.rglob("*") if file.suffix in (".part", ".mp3")]


def partial_bytes(home: Path) -> int:
    return sum(file.stat().st_size for file in home.rglob("*.part"))


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)
