"""Addresses of things on Spotify: URLs, URIs and ids.

The forms are those of https://developer.spotify.com/documentation/web-api/concepts/spotify-uris-ids,
and the links that Spotify's apps copy (``/intl-de/``, ``?si=``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import cast, get_args

from lofikit.errors import OptionError
from lofikit_spotify.config import ItemKind

_KINDS = "|".join(get_args(ItemKind))
_ID = r"(?P<id>[0-9A-Za-z]{16,40})"
_FORMS = (
    re.compile(rf"spotify:(?:user:[^:]+:)?(?P<kind>{_KINDS}):{_ID}"),
    re.compile(
        rf"(?:https?://)?(?:open|play)\.spotify\.com/(?:intl-\w\w/|embed/|user/[^/]+/)*"
        rf"(?P<kind>{_KINDS})/{_ID}/?(?:[?#].*)?"
    ),
)


@dataclass(frozen=True)
class Address:
    """A thing on Spotify.

    Attributes:
        kind: Album, playlist, artist or track.
        id: Its id, letters and digits.
    """

    kind: ItemKind
    id: str

    def __str__(self) -> str:
        return f"spotify:{self.kind}:{self.id}"


def parse_address(word: str, kind: ItemKind) -> Address:
    """Reads an address.

    Args:
        word: A URL, a URI or an id.
        kind: What an id is the id of.

    Raises:
        OptionError: If it is none of these.
    """
    text = word.strip()
    for form in _FORMS:
        if match := form.fullmatch(text):
            return Address(cast(ItemKind, match["kind"]), match["id"])
    if re.fullmatch(_ID, text):
        return Address(kind, text)
    raise OptionError(
        f"--source.items {word}: not an album, playlist, artist or track of Spotify",
        "copy the link in Spotify's app (Share, Copy link): https://open.spotify.com/album/...",
    )
