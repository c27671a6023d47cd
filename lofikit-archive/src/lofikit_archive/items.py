"""Items of the Internet Archive, as its metadata describes them.

The shapes are those of https://archive.org/developers/md-read.html: almost any value may be a
text or a list of texts, and a track is there as it was uploaded and in formats derived from it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

from lofikit.credits import Licence, licence
from lofikit.errors import OptionError
from lofikit.sources.web import one_line

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,100}")
_PAGES = ("details", "download", "metadata", "embed")
_SUFFIXES = {
    "mp3": (".mp3",),
    "ogg": (".ogg", ".oga", ".opus"),
    "flac": (".flac",),
    "wav": (".wav",),
}


@dataclass(frozen=True)
class Track:
    """A file of an item that holds a track.

    Attributes:
        name: The file's name in the item; it may have folders in it.
        size: In bytes, if that is stated.
        digests: Checksums by :mod:`hashlib` name.
    """

    name: str
    title: str
    artist: str
    size: int | None
    digests: Mapping[str, str]


def is_identifier(text: str) -> bool:
    """Whether a text can be the id of an item or a collection."""
    return _IDENTIFIER.fullmatch(text) is not None


def parse_item(word: str) -> tuple[str, str]:
    """Reads an item as a person gives it.

    Args:
        word: ``ID``, ``ID/FILE``, or the address of a page on archive.org.

    Returns:
        The item's id, and the file or an empty text.

    Raises:
        OptionError: If it is none of these.
    """
    path = word.strip()
    if "://" in path:
        parts = unquote(urlsplit(path).path).strip("/").split("/")
        path = "/".join(parts[1:]) if parts[0] in _PAGES else ""
    item, _, file = path.partition("/")
    if not is_identifier(item):
        raise OptionError(
            f"--source.items {word}: not an item of the Internet Archive",
            "give an id, ID/FILE, or the address of its page: https://archive.org/details/ID",
        )
    return item, file


def item_licence(metadata: Mapping[str, Any]) -> Licence:
    """Returns an item's licence; one without id if none is stated, or several are."""
    stated = {licence(text) for text in texts(metadata.get("licenseurl")) if text.strip()}
    return stated.pop() if len(stated) == 1 else Licence("")


def licence_class(one: Licence) -> str:
    """Returns the name of a licence among the options, or an empty text."""
    if not one.known:
        return ""
    if not one.id.startswith("CC-BY"):
        return {"CC0-1.0": "cc0", "CC-PDM-1.0": "public-domain", "CC-PDDC": "public-domain"}.get(
            one.id, ""
        )
    terms = (("nc", one.non_commercial), ("nd", one.no_derivatives), ("sa", one.share_alike))
    return "-".join(["by", *(name for name, holds in terms if holds)])


def tracks(answer: Mapping[str, Any], formats: Sequence[str]) -> list[Track]:
    """Returns the tracks of an item, each in the format that is preferred.

    Args:
        answer: The metadata of the item, with its files.
        formats: Names of formats, the best first.
    """
    artist = ", ".join(texts(answer.get("metadata", {}).get("creator")))
    groups: dict[str, list[tuple[tuple[int, bool, int], Mapping[str, Any]]]] = {}
    for file in answer.get("files", []):
        name = str(file.get("name", ""))
        rank = _rank(name, formats)
        if rank is None or file.get("private") in ("true", True):
            continue
        derived = file.get("source") == "derivative"
        original = texts(file.get("original"))[:1] if derived else []
        order = (rank, derived, -(_integer(file.get("size")) or 0))
        groups.setdefault(original[0] if original else name, []).append((order, file))
    chosen = [min(groups[key], key=lambda pair: pair[0])[1] for key in sorted(groups)]
    return [_track(file, artist) for file in chosen]


def texts(value: Any) -> list[str]:
    """Returns a value that may be missing, a text or a list of texts as a list."""
    if value is None:
        return []
    return [str(one) for one in value] if isinstance(value, list) else [str(value)]


def is_safe(name: str) -> bool:
    """Whether a file's name stays within its item, on any system."""
    parts = name.replace("\\", "/").split("/")
    return bool(name) and ".." not in parts and "" not in parts and name.isprintable()


def _rank(name: str, formats: Sequence[str]) -> int | None:
    suffix = PurePosixPath(name).suffix.lower()
    return next((i for i, form in enumerate(formats) if suffix in _SUFFIXES[form]), None)


def _track(file: Mapping[str, Any], artist: str) -> Track:
    own = ", ".join(texts(file.get("artist")) or texts(file.get("creator")))
    title = " ".join(texts(file.get("title"))[:1])
    digests = {name: str(file[name]) for name in ("sha1", "md5") if isinstance(file.get(name), str)}
    name = str(file["name"])
    return Track(
        name=name,
        title=one_line(title or PurePosixPath(name.replace("\\", "/")).stem),
        artist=one_line(own or artist),
        size=_integer(file.get("size")),
        digests=digests,
    )


def _integer(value: Any) -> int | None:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() else None
