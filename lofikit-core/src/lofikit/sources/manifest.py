"""``manifest.csv``: what the files of a folder are, written by whoever put them there."""

from __future__ import annotations

import csv
import io
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

NAME = "manifest.csv"
_LARGEST = 64 << 20
"""Bytes of a manifest that is still read."""


class ManifestError(Exception):
    """A manifest that cannot be read; the message says why."""


@dataclass(frozen=True)
class Entry:
    """One row.

    Attributes:
        file: The file's name as it is written, relative to the manifest's folder.
        values: All other columns that are not empty, by their names in lower case.
    """

    file: str
    values: Mapping[str, str]

    @property
    def inside(self) -> bool:
        """Whether the name stays within the manifest's folder."""
        path = PurePosixPath(self.file)
        return not path.is_absolute() and ".." not in path.parts and "\0" not in self.file


def read(path: Path) -> list[Entry]:
    """Reads a manifest: a table with a column ``file`` and any others.

    Raises:
        ManifestError: If it cannot be read, is no text, or has no column ``file``.
    """
    rows = read_table(path, "file")
    return [Entry(row.pop("file"), row) for row in rows if row.get("file")]


def read_table(path: Path, column: str) -> list[dict[str, str]]:
    """Reads the rows of a CSV file, by column names in lower case; what is empty is left out.

    Text is UTF-8 or UTF-16, or else taken for Windows-1252, as spreadsheets write it; columns
    are parted by commas, semicolons or tabs.

    Args:
        path: The file.
        column: A column that must be there.

    Raises:
        ManifestError: If it cannot be read, is no text, or lacks the column.
    """
    if not path.is_file():
        raise ManifestError("not a file")
    try:
        with path.open("rb") as stream:
            content = stream.read(_LARGEST + 1)
    except OSError as error:
        raise ManifestError(error.strerror or str(error)) from error
    if len(content) > _LARGEST:
        raise ManifestError(f"larger than {_LARGEST >> 20} MiB")
    text = _decode(content)
    header = text.partition("\n")[0]
    reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=max(",;\t", key=header.count))
    try:
        reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or []]
        if column not in reader.fieldnames:
            have = ", ".join(name for name in reader.fieldnames if name) or "none"
            raise ManifestError(f"there is no column {column!r} (columns: {have})")
        return [
            {name: value.strip() for name, value in row.items() if name and value} for row in reader
        ]
    except csv.Error as error:
        raise ManifestError(f"after line {reader.line_num}: {error}") from error


def same_name(name: str) -> str:
    """Returns a name in the form in which names are compared: accents composed (NFC)."""
    return unicodedata.normalize("NFC", PurePosixPath(name).as_posix())


def _decode(content: bytes) -> str:
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings = ["utf-16"]
    else:
        encodings = ["utf-8-sig", "cp1252"]
    for encoding in encodings:
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\0" not in text:
            return text
    raise ManifestError("not a text; save it as CSV in UTF-8")
