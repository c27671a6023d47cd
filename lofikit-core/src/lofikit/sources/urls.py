"""Audio files on the web, from a list."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from urllib.parse import unquote, urlsplit

from lofikit.credits import licence_id
from lofikit.errors import SourceError
from lofikit.options import option
from lofikit.sources import manifest
from lofikit.sources.base import ClipData, ClipFailure, Source
from lofikit.sources.manifest import ManifestError
from lofikit.sources.web import RefusedError, UnavailableError, WebOptions, one_line, shown

_SHA256 = re.compile(r"[0-9a-fA-F]{64}")


class UrlsConfig(WebOptions):
    """Options of :class:`Urls`."""

    path: Path = option(
        description="A CSV file with the columns url, licence, title, artist and sha256; all but "
        "the first may be missing."
    )


class Urls(Source):
    """Downloads the files that a CSV file lists.

    A clip's key is its URL. A licence is best written as an SPDX identifier (``CC-BY-4.0``) or
    as the URL of a Creative Commons licence; other columns are kept as details.
    """

    config: UrlsConfig

    def total(self) -> int:
        """Counts the rows that name a URL."""
        return len(self._rows())

    def clips(self, known: frozenset[str]) -> Iterator[ClipData | ClipFailure]:
        """Yields the files in the order of the list.

        Raises:
            SourceError: If there is no such list, or servers fail again and again.
        """
        from lofikit.sources.downloads import Downloader, Wanted

        with Downloader(self.config, self.note, other_hosts=True) as downloader:
            for row in self._rows():
                url, sha256 = row.pop("url"), row.pop("sha256", "")
                if url in known:
                    continue
                try:
                    _check(url, sha256)
                    digests = {"sha256": sha256} if sha256 else {}
                    with downloader.file(Wanted(url, digests=digests)) as file:
                        yield ClipData(
                            key=url,
                            audio=file,
                            title=one_line(row.pop("title", "")) or _title(url),
                            artist=one_line(row.pop("artist", "")),
                            licence=licence_id(row.pop("licence", "") or row.pop("license", "")),
                            origin=row.pop("origin", "") or url,
                            details=row,
                        )
                except (RefusedError, UnavailableError) as error:
                    yield ClipFailure(shown(url), error.message)

    def _rows(self) -> list[dict[str, str]]:
        path = self.config.path.expanduser()
        try:
            rows = manifest.read_table(path, "url")
        except ManifestError as error:
            raise SourceError(
                f"the list {path} cannot be read: {error}",
                "give a CSV file with a column url, and licence, title, artist and sha256 if known",
            ) from error
        unique = {row["url"]: row for row in rows if row.get("url")}
        return list(unique.values())


def _check(url: str, sha256: str) -> None:
    """Refuses a row that cannot be right.

    Raises:
        RefusedError: Saying why.
    """
    try:
        with_user = urlsplit(url).username is not None
    except ValueError:
        raise RefusedError("not an address") from None
    if with_user:
        # The address is stored in libraries and printed in credits.
        raise RefusedError("the address has a user name or password in it, which would be stored")
    if sha256 and not _SHA256.fullmatch(sha256):
        raise RefusedError(f"{sha256!r} is not a sha256 checksum (64 hexadecimal digits)")


def _title(url: str) -> str:
    return one_line(PurePosixPath(unquote(urlsplit(url).path)).stem)
