"""Addresses of albums, playlists, artists and tracks, as people paste them."""

from __future__ import annotations

import pytest

from lofikit.errors import OptionError
from lofikit_spotify.addresses import Address, parse_address

ALBUM = "album00000000000000001"
PLAYLIST = "list000000000000000001"
ARTIST = "artist0000000000000001"


@pytest.mark.parametrize(
    ("word", "address"),
    [
        (ALBUM, Address("album", ALBUM)),
        (f"spotify:track:{ALBUM}", Address("track", ALBUM)),
        (f"spotify:user:someone:playlist:{PLAYLIST}", Address("playlist", PLAYLIST)),
        (f"https://open.spotify.com/artist/{ARTIST}", Address("artist", ARTIST)),
        (f"https://open.spotify.com/user/x/playlist/{PLAYLIST}", Address("playlist", PLAYLIST)),
        (f"open.spotify.com/intl-pt/track/{ALBUM}?si=1&x=2", Address("track", ALBUM)),
        (f"https://open.spotify.com/embed/album/{ALBUM}#x", Address("album", ALBUM)),
    ],
)
def test_addresses(word: str, address: Address) -> None:
    assert parse_address(f" {word} ", "album") == address


@pytest.mark.parametrize(
    "word",
    ["", "x", f"https://evil.example/album/{ALBUM}", f"spotify:show:{ALBUM}", "../../etc/passwd",
     f"https://open.spotify.com.evil.example/album/{ALBUM}", f"spotify:album:{ALBUM}/../x"],
)  # fmt: skip
def test_what_is_no_address(word: str) -> None:
    with pytest.raises(OptionError, match="not an album, playlist, artist or track"):
        parse_address(word, "album")
