"""Spotify's Web API, through spotipy: lists of tracks."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import requests
import spotipy
from spotipy.cache_handler import MemoryCacheHandler
from spotipy.exceptions import SpotifyException, SpotifyOauthError
from spotipy.oauth2 import SpotifyClientCredentials

from lofikit.errors import SourceError
from lofikit.sources.web import check_service, one_line
from lofikit_spotify.addresses import Address
from lofikit_spotify.config import SpotifyConfig
from lofikit_spotify.credentials import Credentials
from lofikit_spotify.session import PatientSession

PAGE = 50
"""Tracks on a page."""
ALBUMS_PAGE = 20
"""Albums of an artist on a page."""
_HINT_APP = "see your app at https://developer.spotify.com/dashboard"


class NotAvailableError(SourceError):
    """Something that Spotify does not know, or does not show to this app."""


@dataclass(frozen=True)
class Track:
    """A track as the Web API describes it.

    Attributes:
        id: Its id.
        preview: Address of its preview, or empty.
        artist: All artists, parted by commas.
        released: Date of the album, as exact as it is known.
        url: Its page.
    """

    id: str
    title: str
    artist: str
    album: str
    album_url: str
    released: str
    url: str
    preview: str


class SpotifyAPI:
    """Lists tracks, by those endpoints that every app may still use.

    Args:
        config: The options.
        credentials: The app's id and secret.
        note: Told of long waits.
    """

    def __init__(
        self, config: SpotifyConfig, credentials: Credentials, note: Callable[[str], None]
    ) -> None:
        # spotipy logs the Authorization header at level DEBUG, and every error that is told here.
        logging.getLogger("spotipy").setLevel(logging.CRITICAL)
        self._config = config
        self._credentials = credentials
        self._session = PatientSession(config, note)
        self._cache = MemoryCacheHandler()
        self._auth = SpotifyClientCredentials(
            credentials.client_id,
            credentials.client_secret,
            requests_session=self._session,
            requests_timeout=config.timeout,
            cache_handler=self._cache,
        )
        self._auth.OAUTH_TOKEN_URL = check_service(config.token_url, "--source.token-url")
        self._spotify = spotipy.Spotify(
            auth_manager=self._auth,
            requests_session=self._session,
            requests_timeout=config.timeout,
        )
        self._spotify.prefix = check_service(config.api_url, "--source.api-url").rstrip("/") + "/"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._session.close()

    def log_in(self) -> None:
        """Gets an access token, if there is none yet.

        Raises:
            SourceError: If Spotify does not accept the credentials.
        """
        self._call(dict)

    def tracks(self, address: Address) -> Iterator[Track | None]:
        """Yields the tracks of something; ``None`` for what is in a playlist and is no track.

        Raises:
            NotAvailableError: If Spotify does not know it, or does not show it.
            SourceError: If the API cannot be used.
        """
        spotify, market = self._spotify, self._config.market
        if address.kind == "track":
            found = self._call(spotify.track, address.id, market=market)
            yield _track(found, found.get("album") or {})
        elif address.kind == "album":
            yield from self._album(address.id)
        elif address.kind == "playlist":
            page = self._call(
                spotify.playlist_items,
                address.id,
                limit=PAGE,
                market=market,
                additional_types=("track",),
            )
            for row in self._pages(page):
                # Apps made since February 2026 are told ``item`` where others are told ``track``.
                found = row.get("item") or row.get("track") or {}
                is_track = found.get("type", "track") == "track" and found.get("id")
                yield _track(found, found.get("album") or {}) if is_track else None
        else:
            page = self._call(
                spotify.artist_albums,
                address.id,
                include_groups=",".join(self._config.groups),
                country=market,
                limit=ALBUMS_PAGE,
            )
            for album in self._pages(page):
                yield from self._album(str(album.get("id", "")))

    def _album(self, album_id: str) -> Iterator[Track | None]:
        spotify, market = self._spotify, self._config.market
        album = self._call(spotify.album, album_id, market=market)
        page = self._call(spotify.album_tracks, album_id, limit=PAGE, market=market)
        for found in self._pages(page):
            yield _track(found, album) if found.get("id") else None

    def _pages(self, page: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Yields what is on a page and on all that follow."""
        seen = set()
        while True:
            yield from (row for row in page.get("items") or [] if isinstance(row, dict))
            following = page.get("next")
            if not following:
                return
            # The access token goes along, so the next page must be where the first was.
            here, there = urlsplit(self._spotify.prefix), urlsplit(str(following))
            if (there.scheme, there.netloc) != (here.scheme, here.netloc) or following in seen:
                raise SourceError("Spotify's answer names a next page that cannot be right")
            seen.add(following)
            page = self._call(self._spotify.next, page)

    def _call(self, function: Callable[..., Any], *args: Any, **options: Any) -> dict[str, Any]:
        """Calls spotipy; its errors become ours, without what is secret in them."""
        renewed = False
        while True:
            try:
                self._auth.get_access_token(as_dict=False)  # asks for one only if there is none
                answer = function(*args, **options)
            except SpotifyException as error:
                if error.http_status == 401 and not renewed:  # the token was withdrawn early
                    renewed = True
                    self._cache.save_token_to_cache(None)
                    continue
                raise self._explain(error.http_status, str(error.msg)) from None
            except SpotifyOauthError as error:
                said = f"{error.error or ''} {error.error_description or ''}".strip()
                raise SourceError(
                    f"Spotify does not accept the app's id and secret ({self._shown(said)})",
                    f"check SPOTIPY_CLIENT_ID and SPOTIPY_CLIENT_SECRET; {_HINT_APP}",
                ) from None
            except SourceError as error:
                error.message = self._shown(error.message)
                raise
            except (requests.RequestException, KeyError, TypeError) as error:
                raise SourceError(
                    f"Spotify's answer cannot be understood ({type(error).__name__})"
                ) from None
            if not isinstance(answer, Mapping):
                raise SourceError("Spotify's answer cannot be understood")
            return dict(answer)

    def _explain(self, status: int, said: str) -> SourceError:
        said = self._shown(said.rpartition("\n")[2])
        if status in (400, 404):
            return NotAvailableError(f"Spotify does not know it ({status}: {said})")
        if status == 403:
            return NotAvailableError(
                f"Spotify does not show it to this app (403: {said}); apps in development mode "
                "see only some playlists"
            )
        if status == 401:
            return SourceError(f"Spotify refuses its own access token (401: {said})", _HINT_APP)
        return SourceError(f"Spotify refuses the request ({status}: {said})", _HINT_APP)

    def _shown(self, text: str) -> str:
        token = (self._cache.get_cached_token() or {}).get("access_token", "")
        return self._credentials.hide(one_line(text), token)


def _track(found: Mapping[str, Any], album: Mapping[str, Any]) -> Track:
    names = [str(artist.get("name", "")) for artist in found.get("artists") or []]
    identity = str(found.get("id", ""))
    page = (found.get("external_urls") or {}).get("spotify")
    return Track(
        id=identity,
        title=one_line(found.get("name") or ""),
        artist=one_line(", ".join(name for name in names if name)),
        album=one_line(album.get("name") or ""),
        album_url=one_line((album.get("external_urls") or {}).get("spotify") or ""),
        released=one_line(album.get("release_date") or ""),
        url=one_line(page or f"https://open.spotify.com/track/{identity}"),
        preview=str(found.get("preview_url") or ""),
    )
