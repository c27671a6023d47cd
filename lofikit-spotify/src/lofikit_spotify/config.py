"""Options of Spotify."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from lofikit.options import option
from lofikit.sources.web import WebOptions

ItemKind = Literal["album", "playlist", "artist", "track"]
AlbumGroup = Literal["album", "single", "compilation", "appears_on"]


class SpotifyConfig(WebOptions):
    """Options of :class:`~lofikit_spotify.source.Spotify`."""

    items: tuple[str, ...] = option(
        description="Albums, playlists, artists and tracks, by URL, URI or id.", min_length=1
    )
    i_have_permission: bool = option(
        False,
        "Say that you may download and train on these tracks; Spotify's terms forbid it otherwise.",
    )
    kind: ItemKind = option("album", "What a bare id is the id of.")
    market: str | None = option(
        None, "Country whose catalogue is looked at, for example DE.", pattern="^[A-Z]{2}$"
    )
    groups: tuple[AlbumGroup, ...] = option(
        ("album",),
        "Which albums of an artist: album, single, compilation, appears_on.",
        min_length=1,
    )
    limit: int | None = option(
        None, "Clips to take at most, those that the library holds already included.", ge=1
    )
    credentials: Path | None = option(
        None,
        "File with client_id and client_secret, readable by you alone; by default "
        "SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET, or else ~/.config/lofikit/spotify.toml.",
    )
    pause: float = option(0.1, "Least time between two requests.", unit="s", ge=0)
    largest: float = option(10.0, "Largest preview that is downloaded.", unit="MB", gt=0)
    api_url: str = option("https://api.spotify.com/v1/", "Where Spotify's Web API is.")
    token_url: str = option(
        "https://accounts.spotify.com/api/token", "Where Spotify gives access tokens."
    )
