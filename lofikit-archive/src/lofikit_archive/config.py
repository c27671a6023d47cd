"""Options of the Internet Archive."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import model_validator

from lofikit.options import option
from lofikit.sources.web import WebOptions

LicenceClass = Literal[
    "cc0", "public-domain", "by", "by-sa", "by-nc", "by-nc-sa", "by-nd", "by-nc-nd"
]
Format = Literal["mp3", "ogg", "flac", "wav"]


class ArchiveConfig(WebOptions):
    """Options of :class:`~lofikit_archive.source.Archive`."""

    query: str | None = option(
        None, "What to search for, in the Archive's query language: 'subject:(lo-fi) AND ...'."
    )
    collection: str | None = option(
        None, "Search within this collection, for example netlabels or opensource_audio."
    )
    items: tuple[str, ...] = option(
        (), "Items by id or URL instead of a search; ID/FILE takes one track of an item."
    )
    licences: tuple[LicenceClass, ...] = option(
        ("cc0", "public-domain", "by", "by-sa"),
        "Licences that are taken: also by-nc, by-nc-sa, by-nd, by-nc-nd. Items that state none "
        "are always left out.",
    )
    formats: tuple[Format, ...] = option(
        ("mp3", "ogg", "flac", "wav"),
        "Formats in the order in which they are preferred.",
        min_length=1,
    )
    limit: int = option(
        50, "Clips to take at most, those that the library holds already included.", ge=1
    )
    per_item: int | None = option(None, "Tracks to take of one item at most.", ge=1)
    start: float = option(0.0, "Where in a track the clip begins.", unit="s", ge=0)
    seconds: float | None = option(
        None, "Length of the clip; none takes the track to its end.", unit="s", gt=0
    )
    pause: float = option(0.5, "Least time between two requests.", unit="s", ge=0)
    url: str = option("https://archive.org", "Where the Archive is.")

    @model_validator(mode="after")
    def _one_way_of_choosing(self) -> Self:
        if bool(self.items) == bool(self.query or self.collection):
            raise ValueError(
                "say what to collect: --source.query, --source.collection or both, "
                "or else --source.items"
            )
        return self
