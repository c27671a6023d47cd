"""Previews of tracks on Spotify."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from lofikit.errors import SourceError
from lofikit.sources.base import ClipData, ClipFailure, Source
from lofikit.sources.downloads import Downloader, Wanted
from lofikit.sources.web import RefusedError, UnavailableError, check_service, shown
from lofikit_spotify.addresses import parse_address
from lofikit_spotify.api import NotAvailableError, SpotifyAPI, Track
from lofikit_spotify.config import SpotifyConfig
from lofikit_spotify.credentials import find_credentials

TERMS = "Spotify's terms forbid downloading its content and training models on it."
CONSENT = (
    "Only if you have permission, for instance because the music is yours, add "
    "--source.i-have-permission."
)
LICENCE = "LicenseRef-Spotify"
"""Not an open licence: credits then say that the owner is to be asked."""
INSTEAD = (
    "use music of your own (lofikit collect FOLDER -o LIBRARY) or open music "
    "(pip install lofikit-archive; lofikit collect archive --help)"
)


@dataclass
class _Tally:
    """What was seen.

    Attributes:
        tracks: Different tracks.
        silent: Those among them that have no preview.
        others: What was in playlists and is no track of Spotify's.
        taken: Clips that were given, or that the library holds already.
    """

    tracks: int = 0
    silent: int = 0
    others: int = 0
    taken: int = 0


class Spotify(Source):
    """Downloads the previews of albums, playlists, artists' albums and tracks.

    A clip's key is the track's URI.

    Args:
        config: The options.

    Raises:
        SourceError: Without permission or credentials.
        OptionError: If an address cannot be understood.
    """

    config: SpotifyConfig

    def __init__(self, config: SpotifyConfig) -> None:
        super().__init__(config)
        if not config.i_have_permission:
            raise SourceError(TERMS, CONSENT)
        self._addresses = [parse_address(word, config.kind) for word in config.items]
        check_service(config.api_url, "--source.api-url")
        check_service(config.token_url, "--source.token-url")
        self._credentials = find_credentials(config.credentials)

    def total(self) -> None:
        """Logs in, so that credentials that are not accepted show before anything is made.

        Raises:
            SourceError: If Spotify does not accept them.
        """
        with SpotifyAPI(self.config, self._credentials, self.note) as api:
            api.log_in()

    def clips(self, known: frozenset[str]) -> Iterator[ClipData | ClipFailure]:
        """Yields previews in the order of the items.

        Raises:
            SourceError: If the API cannot be used, or no track has a preview.
        """
        self.note(TERMS)
        self.note("You have said that you have permission to use these tracks.")
        tally = _Tally()
        with (
            SpotifyAPI(self.config, self._credentials, self.note) as api,
            Downloader(self.config, self.note) as downloader,
        ):
            for track in self._tracks(api, tally):
                if isinstance(track, ClipFailure):
                    yield track
                    continue
                if f"spotify:track:{track.id}" in known:
                    tally.taken += 1
                elif not track.preview:
                    tally.silent += 1
                else:
                    yield from self._download(downloader, track, tally)
                if tally.taken == self.config.limit:
                    self.note(f"stopped after {tally.taken} clips: --source.limit")
                    break
        self._tell(tally)

    def _tracks(self, api: SpotifyAPI, tally: _Tally) -> Iterator[Track | ClipFailure]:
        """Yields each track once."""
        seen = set()
        for address in self._addresses:
            try:
                for track in api.tracks(address):
                    if track is None:
                        tally.others += 1
                    elif track.id not in seen:
                        seen.add(track.id)
                        tally.tracks += 1
                        yield track
            except (NotAvailableError, UnavailableError) as error:
                yield ClipFailure(str(address), error.message)

    def _download(
        self, downloader: Downloader, track: Track, tally: _Tally
    ) -> Iterator[ClipData | ClipFailure]:
        key = f"spotify:track:{track.id}"
        try:
            with downloader.file(Wanted(track.preview)) as file:
                yield ClipData(
                    key=key,
                    audio=file,
                    title=track.title,
                    artist=track.artist,
                    licence=LICENCE,
                    origin=track.url,
                    details={
                        "album": track.album,
                        "album_url": track.album_url,
                        "released": track.released,
                        # Its query names the app.
                        "preview_url": shown(track.preview),
                    },
                )
                tally.taken += 1
        except (RefusedError, UnavailableError) as error:
            yield ClipFailure(key, error.message)

    def _tell(self, tally: _Tally) -> None:
        """Says what was left out.

        Raises:
            SourceError: If no track had a preview.
        """
        if tally.others:
            self.note(f"left out: {tally.others} local files, episodes or removed tracks")
        if not tally.silent:
            return
        said = (
            f"{tally.silent} of {tally.tracks} tracks have no preview: Spotify gives none to apps "
            "made after 27 November 2024, and none of some tracks"
        )
        if tally.silent == tally.tracks:
            raise SourceError(said, INSTEAD)
        self.note(f"{said}; {INSTEAD}")
