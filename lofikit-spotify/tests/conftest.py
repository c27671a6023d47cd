"""Spotify's services on loopback, from shapes that the real ones answered with."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np
import pytest
import soundfile

from lofikit.testing.server import Answer, LoopbackServer, Request, file_answer
from lofikit_spotify.config import SpotifyConfig

CLIENT_ID = "c1ientidc1ientidc1ientidc1ient00"
CLIENT_SECRET = "5ecret5ecret5ecret5ecret5ecret00"
TOKEN = "BQtokentokentokentokentoken"


def preview(number: int, seconds: float = 0.2) -> bytes:
    """Makes a small mp3; the number goes into its tag, so that all differ."""
    noise = np.random.default_rng(0).uniform(-0.2, 0.2, round(seconds * 16000))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, 16000, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue() + b"TAG" + f"{number:0125d}".encode()


def identifier(kind: str, number: int) -> str:
    """Makes an id of 22 letters and digits."""
    return f"{kind}{number:0{22 - len(kind)}d}"


@dataclass
class Spotify:
    """The Web API, the token service and the previews' host.

    Attributes:
        albums: Track numbers of each album.
        playlists: Track numbers of each playlist; a text stands for what is no track.
        artists: Albums of each artist.
        silent: Tracks without preview.
        page: Most things on a page, whatever a client asks for.
        tokens: Tokens that were given out.
        withdrawn: Tokens that are no longer accepted.
    """

    client_id: str = CLIENT_ID
    client_secret: str = CLIENT_SECRET
    albums: dict[str, list[int]] = field(default_factory=dict)
    playlists: dict[str, list[int | str]] = field(default_factory=dict)
    artists: dict[str, list[str]] = field(default_factory=dict)
    silent: set[int] = field(default_factory=set)
    page: int = 50
    tokens: list[str] = field(default_factory=list)
    withdrawn: set[str] = field(default_factory=set)
    row_name: str = "track"
    audio: bytes = field(default_factory=lambda: preview(0))
    base: str = ""

    def use_previews_of(self, seconds: float) -> None:
        """Makes the previews longer than they are to begin with."""
        self.audio = preview(0, seconds)

    def respond(self, request: Request) -> Answer:
        parts = request.parts
        if parts == ["api", "token"] and request.method == "POST":
            return self.token(request)
        if parts[0] == "mp3-preview":
            number = int(parts[1].removeprefix("p"))
            return file_answer(request, self.audio[:-3] + f"{number:03d}".encode(), "audio/mpeg")
        if parts[0] != "v1":
            return error(404, "Service not found")
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token not in self.tokens or token in self.withdrawn:
            return error(401, "The access token expired")
        return self.api(parts[1:], request)

    def token(self, request: Request) -> Answer:
        pair = base64.b64encode(f"{CLIENT_ID}:{CLIENT_SECRET}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {pair}":
            said = {"error": "invalid_client", "error_description": "Invalid client secret"}
            return answer(said, 400)
        self.tokens.append(f"{TOKEN}{len(self.tokens)}")
        return answer({"access_token": self.tokens[-1], "token_type": "Bearer", "expires_in": 3600})

    def api(self, parts: list[str], request: Request) -> Answer:
        match parts:
            case ["albums", album] if album in self.albums:
                return answer(self.album(album))
            # With its trailing slash, as spotipy writes it and Spotify takes it.
            case ["albums", album, "tracks", ""] if album in self.albums:
                rows = [self.track(number) for number in self.albums[album]]
                return self.paged(request, rows)
            case ["tracks", track]:
                number = int(track.removeprefix("track"))
                return answer({**self.track(number), "album": self.album("single")})
            case ["playlists", playlist, "items"] if playlist in self.playlists:
                return self.paged(request, [self.row(one) for one in self.playlists[playlist]])
            case ["artists", artist, "albums"] if artist in self.artists:
                return self.paged(request, [self.album(name) for name in self.artists[artist]])
            case ["albums" | "tracks"] | ["albums" | "tracks", ""]:
                return error(403, "Forbidden")  # the endpoints that took several ids
        return error(404, "Resource not found")

    def paged(self, request: Request, rows: list[Any]) -> Answer:
        offset = int(request.query.get("offset", ["0"])[0])
        limit = min(int(request.query.get("limit", ["20"])[0]), self.page)
        end = offset + limit
        following = f"{self.base}{request.path}?{urlencode({'offset': end, 'limit': limit})}"
        return answer(
            {
                "href": f"{self.base}{request.path}",
                "items": rows[offset:end],
                "limit": limit,
                "next": following if end < len(rows) else None,
                "offset": offset,
                "previous": None,
                "total": len(rows),
            }
        )

    def album(self, album: str) -> dict[str, Any]:
        return {
            "album_type": "album",
            "artists": [{"name": "Beatsmith", "type": "artist", "uri": "spotify:artist:x"}],
            "external_urls": {"spotify": f"https://open.spotify.com/album/{album}"},
            "href": f"{self.base}/v1/albums/{album}",
            "id": album,
            "images": [],
            "name": f"Album {album[-3:]}",
            "release_date": "2020-05-01",
            "release_date_precision": "day",
            "total_tracks": len(self.albums.get(album, [])),
            "type": "album",
            "uri": f"spotify:album:{album}",
        }

    def track(self, number: int) -> dict[str, Any]:
        track = identifier("track", number)
        address = f"{self.base}/mp3-preview/p{number}?cid={CLIENT_ID}"
        return {
            "artists": [{"name": "Beatsmith"}, {"name": "Guest"}],
            "disc_number": 1,
            "duration_ms": 120_000,
            "explicit": False,
            "external_urls": {"spotify": f"https://open.spotify.com/track/{track}"},
            "href": f"{self.base}/v1/tracks/{track}",
            "id": track,
            "is_local": False,
            "name": f"Rain {number}",
            "preview_url": None if number in self.silent else address,
            "track_number": number,
            "type": "track",
            "uri": f"spotify:track:{track}",
        }

    def row(self, one: int | str) -> dict[str, Any]:
        found: Any
        if one == "removed":
            found = None
        elif one == "local":
            found = {**self.track(0), "id": None, "is_local": True, "uri": "spotify:local:::x:1"}
        elif one == "episode":
            found = {**self.track(0), "id": identifier("ep", 1), "type": "episode"}
        else:
            found = {**self.track(int(one)), "album": self.album(identifier("album", 1))}
        return {"added_at": "2021-01-01T00:00:00Z", "is_local": False, self.row_name: found}


def answer(value: Any, status: int = 200) -> Answer:
    """Answers in JSON, as the Web API does."""
    kind = {"Content-Type": "application/json; charset=utf-8"}
    return Answer(status, json.dumps(value).encode(), kind)


def error(status: int, message: str, **headers: str) -> Answer:
    """Answers with an error of the Web API."""
    made = answer({"error": {"status": status, "message": message}}, status)
    return Answer(status, made.body, {**made.headers, **headers})


@pytest.fixture
def spotify() -> Spotify:
    """The state of the services; what is in it is up to the test."""
    return Spotify()


@pytest.fixture
def server(spotify: Spotify) -> Iterator[LoopbackServer]:
    """The server that they run on."""
    with LoopbackServer(spotify.respond) as running:
        spotify.base = running.url
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test, with the app's credentials in the environment."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home" / "config"))
    monkeypatch.setenv("SPOTIPY_CLIENT_ID", CLIENT_ID)
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", CLIENT_SECRET)
    return tmp_path / "home"


@pytest.fixture
def flags(server: LoopbackServer) -> list[str]:
    """Flags of ``lofikit collect spotify`` that lead to the server."""
    return [
        "--source.i-have-permission",
        f"--source.api-url={server.url}/v1/",
        f"--source.token-url={server.url}/api/token",
        "--source.pause=0",
        "--source.retry-wait=0.001",
        "--source.timeout=5",
    ]


@pytest.fixture
def config(server: LoopbackServer) -> Callable[..., SpotifyConfig]:
    def make(*items: str, **options: Any) -> SpotifyConfig:
        return SpotifyConfig(
            items=items or ("album00000000000000001",),
            **{
                "i_have_permission": True,
                "api_url": f"{server.url}/v1/",
                "token_url": f"{server.url}/api/token",
                "pause": 0,
                "retry_wait": 0.001,
                "timeout": 5,
            }
            | options,
        )

    return make


@pytest.fixture
def every_fifth() -> Callable[[Request], Answer | None]:
    """Misbehaves on each fifth request, in one way after the other."""
    ways = [
        Answer(429, b'{"error": {"message": "API rate limit exceeded"}}', {"Retry-After": "0"}),
        Answer(503, b"<html>upstream</html>", {"Content-Type": "text/html"}),
        Answer(200, b'{"items": [', {"ETag": '"x"'}, cut_at=5, length=900),
        Answer(500),
        Answer(502, b""),
        Answer(200, b"ID3", {"Content-Type": "audio/mpeg"}, cut_at=0, length=4000),
        Answer(504),
    ]
    return lambda request: (
        ways[request.number // 5 % len(ways)] if request.number % 5 == 4 else None
    )
