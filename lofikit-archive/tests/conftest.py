"""The Internet Archive on loopback, from shapes that the real one answered with."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote

import numpy as np
import pytest
import soundfile

from lofikit.testing.server import Answer, LoopbackServer, Request, file_answer

TYPES = {".mp3": "audio/mpeg", ".ogg": "application/ogg", ".flac": "audio/flac"}


def noise(seconds: float = 0.2, rate: int = 16000) -> bytes:
    """Makes a small mp3."""
    samples = np.random.default_rng(0).uniform(-0.2, 0.2, round(seconds * rate))
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format="MP3", subtype="MPEG_LAYER_III")
    return buffer.getvalue()


def license_url(name: str) -> str:
    """Returns a licence's address as uploads to the Archive have it."""
    if name == "cc0":
        return "http://creativecommons.org/publicdomain/zero/1.0/"
    return f"http://creativecommons.org/licenses/{name}/3.0/"


@dataclass
class Item:
    """An item: its metadata, and its files by name."""

    metadata: dict[str, Any]
    files: list[dict[str, Any]] = field(default_factory=list)
    contents: dict[str, bytes] = field(default_factory=dict)


@dataclass
class InternetArchive:
    """Search, metadata and download; files come from a node that downloads redirect to."""

    items: dict[str, Item] = field(default_factory=dict)
    node: str = ""
    base: bytes = field(default_factory=noise)

    def add(self, item: str, licence: str | None, *names: str, **metadata: Any) -> Item:
        """Adds an item with an mp3 under each name."""
        stated = {} if licence is None else {"licenseurl": license_url(licence)}
        self.items[item] = made = Item(
            {
                "identifier": item,
                "mediatype": "audio",
                "collection": ["netlabels", "audio"],
                "title": f"The {item} EP",
                "creator": "Tape Friend",
                "date": "2012-03-04",
                **stated,
                **metadata,
            }
        )
        for name in names:
            self.add_file(made, name, f"{item}/{name}".encode())
        return made

    def add_file(self, item: Item, name: str, tag: bytes = b"", **values: Any) -> None:
        """Adds a file; the tag at its end makes it differ from others."""
        content = values.pop("content", None)
        if content is None:
            content = self.base + b"TAG" + hashlib.sha512(tag).digest()[:61].ljust(125)
        item.contents[name] = content
        item.files.append(
            {
                "name": name,
                "source": "original",
                "format": "VBR MP3",
                "mtime": "1330864000",
                "size": str(len(content)),
                "md5": hashlib.md5(content).hexdigest(),
                "crc32": "00000000",
                "sha1": hashlib.sha1(content).hexdigest(),
                "length": "0.20",
                **values,
            }
        )

    def respond(self, request: Request) -> Answer:
        match request.parts:
            case ["advancedsearch.php"]:
                return self.search(request)
            case ["metadata", name]:
                return answer(self.metadata(name))
            case ["download", name, *path] if name in self.items:
                where = f"{self.node}/0/items/{name}/{quote('/'.join(path))}"
                return Answer(302, headers={"Location": where})
            case ["0", "items", name, *path]:
                return self.file(request, name, "/".join(path))
        return Answer(404, b"<html>", {"Content-Type": "text/html"})

    def file(self, request: Request, name: str, path: str) -> Answer:
        content = self.items[name].contents.get(path)
        if content is None:
            return Answer(404)
        return file_answer(request, content, TYPES.get(Path(path).suffix, "audio/mpeg"))

    def metadata(self, name: str) -> dict[str, Any]:
        item = self.items.get(name)
        if item is None:
            return {}
        if item.metadata.get("dark"):
            return {"is_dark": True, "nodownload": True}
        cover = {"name": "cover.jpg", "source": "original", "format": "JPEG", "size": "100"}
        return {
            "created": 1700000000,
            "d1": "ia800503.us.archive.org",
            "dir": f"/0/items/{name}",
            "files": [cover, *item.files],
            "files_count": len(item.files) + 1,
            "item_size": 1,
            "metadata": item.metadata,
            "server": "ia800503.us.archive.org",
        }

    def search(self, request: Request) -> Answer:
        rows, page = int(request.query["rows"][0]), int(request.query["page"][0])
        docs = [
            {k: v for k, v in item.metadata.items() if k in ("identifier", "licenseurl")}
            for _, item in sorted(self.items.items())
        ]
        start = (page - 1) * rows
        found = {"numFound": len(docs), "start": start, "docs": docs[start : start + rows]}
        return answer({"responseHeader": {"status": 0, "QTime": 5}, "response": found})


def answer(value: Any) -> Answer:
    """Answers in JSON."""
    return Answer(200, json.dumps(value).encode(), {"Content-Type": "application/json"})


@pytest.fixture
def archive() -> InternetArchive:
    """What is in the Archive is up to the test."""
    return InternetArchive()


@pytest.fixture
def server(archive: InternetArchive) -> Iterator[LoopbackServer]:
    """The server of the Archive; files come from the same one under another path."""
    with LoopbackServer(archive.respond) as running:
        archive.node = running.url
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home of its own for each test."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home" / "cache"))
    return tmp_path / "home"
