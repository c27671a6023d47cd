"""Music from the Internet Archive (https://archive.org/developers)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

from lofikit.audio import read
from lofikit.errors import AudioError, OptionError, SourceError
from lofikit.sources.base import ClipData, ClipFailure, Source
from lofikit.sources.downloads import Downloader, Wanted
from lofikit.sources.web import RefusedError, UnavailableError, check_service, one_line
from lofikit_archive.config import ArchiveConfig
from lofikit_archive.items import (
    Track,
    is_identifier,
    is_safe,
    item_licence,
    licence_class,
    parse_item,
    texts,
    tracks,
)

ROWS = 100
"""Items on a page of search results."""
DEEPEST = 10_000
"""Results that the search pages through; the Archive refuses to go further."""
NO_LICENCE = "none stated"


class Archive(Source):
    """Searches the Archive, or takes named items, and downloads tracks whose licence is open.

    A clip's key is ``ITEM/FILE``, with the part taken of it after a ``#``.

    Args:
        config: The options.

    Raises:
        OptionError: If an item or a collection cannot be one.
    """

    config: ArchiveConfig

    def __init__(self, config: ArchiveConfig) -> None:
        super().__init__(config)
        self._url = check_service(config.url, "--source.url").rstrip("/")
        self._named = [parse_item(word) for word in config.items]
        if config.collection and not is_identifier(config.collection):
            raise OptionError(
                f"--source.collection {config.collection}: not the id of a collection",
                "give the last part of its address: https://archive.org/details/netlabels",
            )

    def clips(self, known: frozenset[str]) -> Iterator[ClipData | ClipFailure]:
        """Yields tracks item by item, by the items' ids or as they are named.

        Raises:
            SourceError: If the search fails, or the Archive cannot be reached.
        """
        left_out: Counter[str] = Counter()
        taken = 0
        with Downloader(self.config, self.note) as downloader:
            for item, file in self._items(downloader, left_out):
                for clip in self._item(downloader, item, file, known, left_out):
                    taken += not isinstance(clip, ClipFailure)
                    if not isinstance(clip, str):
                        yield clip
                    if taken >= self.config.limit:
                        break
                if taken >= self.config.limit:
                    self.note(f"stopped after {taken} clips: --source.limit")
                    break
        if left_out:
            counts = ", ".join(f"{why} ({count})" for why, count in left_out.most_common())
            self.note(f"left out {left_out.total()} items for their licence: {counts}")

    def _items(self, downloader: Downloader, left_out: Counter[str]) -> Iterator[tuple[str, str]]:
        """Yields ids of items, each with a file or an empty text."""
        if self._named:
            yield from dict.fromkeys(self._named)
            return
        found, page = 0, 1
        while (page - 1) * ROWS < min(found, DEEPEST) or page == 1:
            answer = self._search(downloader, page)
            found = int(answer.get("numFound", 0))
            if not found:
                raise SourceError(
                    "the Internet Archive has no music that the search finds",
                    "try it there first: https://archive.org/advancedsearch.php",
                )
            for row in answer.get("docs", []):
                item = str(row.get("identifier", ""))
                if is_identifier(item) and self._allowed(row, left_out):
                    yield item, ""
            page += 1

    def _search(self, downloader: Downloader, page: int) -> dict[str, Any]:
        config = self.config
        wanted = [f"({config.query})"] if config.query else []
        wanted += [f"collection:({config.collection})"] if config.collection else []
        answer = downloader.json(
            f"{self._url}/advancedsearch.php",
            {
                "q": " AND ".join([*wanted, "mediatype:(audio)"]),
                "fl[]": ["identifier", "licenseurl"],
                "sort[]": "identifier asc",
                "rows": str(ROWS),
                "page": str(page),
                "output": "json",
            },
        )
        if not isinstance(answer, dict) or "response" not in answer:
            said = answer.get("error", "") if isinstance(answer, dict) else ""
            raise SourceError(
                f"the Internet Archive does not understand the search: {one_line(said)}",
                "try it there first: https://archive.org/advancedsearch.php",
            )
        found: dict[str, Any] = answer["response"]
        return found

    def _allowed(self, metadata: dict[str, Any], left_out: Counter[str]) -> bool:
        """Whether an item's licence is one that is taken; counts it if not."""
        licence = item_licence(metadata)
        if licence_class(licence) in self.config.licences:
            return True
        if not licence.id:
            left_out[NO_LICENCE] += 1
        else:
            left_out[licence.id if licence.known else "not an open licence"] += 1
        return False

    def _item(
        self,
        downloader: Downloader,
        item: str,
        only: str,
        known: frozenset[str],
        left_out: Counter[str],
    ) -> Iterator[ClipData | ClipFailure | str]:
        """Yields the clips of an item; of those that are known, only the key."""
        try:
            answer = downloader.json(f"{self._url}/metadata/{item}")
        except (RefusedError, UnavailableError) as error:
            yield ClipFailure(item, error.message)
            return
        metadata = answer.get("metadata") if isinstance(answer, dict) else None
        if not isinstance(metadata, dict):
            yield ClipFailure(item, "the Internet Archive has no such item, or has withdrawn it")
            return
        if not self._allowed(metadata, left_out):
            return
        found = tracks(answer, self.config.formats)
        if only:
            found = [track for track in found if track.name == only] or _named(answer, only)
        if not found:
            what = f"has no file {one_line(only)}" if only else "has no track in a wanted format"
            yield ClipFailure(item, what)
        for track in found[: self.config.per_item]:
            key = f"{item}/{track.name}{self._part}"
            if key in known:
                yield key
            elif not is_safe(track.name):
                yield ClipFailure(f"{item}/{one_line(track.name)}", "its name leads elsewhere")
            else:
                yield from self._download(downloader, item, metadata, track, key)

    @property
    def _part(self) -> str:
        """What is added to the keys of parts of tracks."""
        start, seconds = self.config.start, self.config.seconds
        if not start and seconds is None:
            return ""
        return f"#{start:g}-" + (f"{start + seconds:g}" if seconds is not None else "")

    def _download(
        self, downloader: Downloader, item: str, metadata: dict[str, Any], track: Track, key: str
    ) -> Iterator[ClipData | ClipFailure]:
        wanted = Wanted(
            f"{self._url}/download/{item}/{quote(track.name)}", track.size, track.digests
        )
        licence = item_licence(metadata)
        try:
            with downloader.file(wanted) as file:
                audio = read(file, self.config.start, self.config.seconds) if self._part else file
                yield ClipData(
                    key=key,
                    audio=audio,
                    title=track.title,
                    artist=track.artist,
                    licence=licence.id,
                    origin=f"{self._url}/details/{item}",
                    details={
                        "item": item,
                        "item_title": one_line(" ".join(texts(metadata.get("title"))[:1])),
                        "file": one_line(track.name),
                        "licence_url": licence.url,
                        "date": one_line(" ".join(texts(metadata.get("date"))[:1])),
                        **track.digests,
                    },
                )
        except (RefusedError, UnavailableError, AudioError) as error:
            yield ClipFailure(key, error.message)


def _named(answer: dict[str, Any], name: str) -> list[Track]:
    """Returns a file that is asked for by name, though another format of its track is preferred."""
    files = [file for file in answer.get("files", []) if file.get("name") == name]
    return tracks({**answer, "files": files}, ("mp3", "ogg", "flac", "wav"))
